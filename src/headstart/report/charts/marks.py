"""Words of a text shaded by how much they mattered, or marked where another text differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import Any

from headstart.core import words

STRONG = 0.3
"""Share of the strongest effect from which a word stands out without colour as well."""
FAINT = 0.05
"""Share below which it is not marked."""
COMPARED = 400
"""Words of a text that are compared with those of another: twice as many take four times as long."""


def apart(one: str, other: str) -> list[tuple[bool, str]]:
    """The words of one text in runs, each with whether the other text lacks it there. What follows the words
    that are compared is not marked."""
    ours, theirs = one.split(), other.split()
    same = [False] * len(ours[:COMPARED]) + [True] * len(ours[COMPARED:])
    matcher = SequenceMatcher(None, ours[:COMPARED], theirs[:COMPARED], autojunk=False)
    for block in matcher.get_matching_blocks():
        same[block.a : block.a + block.size] = [True] * block.size
    runs = groupby(zip(same, ours, strict=True), key=lambda word: word[0])
    return [(not alike, " ".join(word for _, word in run)) for alike, run in runs]


def shades(pieces: Sequence[Mapping[str, Any]], most: int, largest: float) -> list[dict[str, Any]]:
    """The first `most` characters of a text in pieces with their looks; of what follows the strong pieces.

    `largest` is the effect that gets the full colour: of a pair that of both texts.

    Each: before (what stands between it and the last), text, kind ("for", "against" or ""), share (of the
    largest effect, whole percent), strong, title.
    """
    drawn: list[dict[str, Any]] = []
    length, left_out = 0, False
    for piece in pieces:
        length += len(piece["before"]) + len(piece["text"])
        share = min(1.0, abs(piece["effect"]) / largest) if largest else 0.0
        strong = share >= STRONG
        kind = "" if share < FAINT else "for" if piece["effect"] > 0 else "against"
        if length > most and not strong and drawn:
            left_out = True
            continue
        drawn.append(
            {
                "before": " … " if left_out else piece["before"],
                "text": piece["text"],
                "kind": kind,
                "share": round(100 * share),
                "strong": strong,
                "title": words.plain(piece["effect"], 2, sign="+"),
            }
        )
        left_out = False
    if left_out:
        drawn.append({"before": " …", "text": "", "kind": "", "share": 0, "strong": False, "title": ""})
    return drawn

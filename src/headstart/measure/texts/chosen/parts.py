"""Answers that are parts of their item: what may stand for one without learning, and how one is learnt."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from headstart.core.texts import sentences
from headstart.measure.texts.chosen.extracts import Selection
from headstart.measure.texts.chosen.spans import Reader, nearest
from headstart.measure.texts.chosen.words import central

Learnt = Selection | Reader
WAYS: dict[str, Any] = {"sentences": Selection, "span": Reader}
"""By the name of the part. Each has `prepared` (texts and their sides -> an item and features of its words),
`fit`, `chosen`, and `tensors` of `SHAPES`, of which it is made again."""

PARTS = (
    "whole", "first sentence", "first 2 sentences", "first 3 sentences", "longest sentence",
    "most central sentence", "2 most central sentences", "3 most central sentences",
)  # fmt: skip
"""What may stand for a text, where nothing is learnt."""
NEAREST = "words nearest to those of the question"
"""What may stand for the second of two texts, besides."""


def part_of(texts: Sequence[str], part: str) -> str:
    """One of `PARTS` of the last of the texts, or `NEAREST` of two. Raises `ValueError` for another."""
    text = texts[-1]
    if part == NEAREST and len(texts) > 1:
        return nearest(texts[0], text)
    if part not in PARTS:
        raise ValueError(f"no part of a text is called {part!r}")
    if part == "whole":
        return text.strip()
    found = sentences(text)
    if part == "longest sentence":
        return max(found, key=len)
    count = int("".join(filter(str.isdigit, part)) or 1)
    return central(text, count) if "central" in part else " ".join(found[:count])

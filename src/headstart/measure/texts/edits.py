"""Word and character error rate: the edits that turn an answer into what was said, by the length of that.

Both are judged after `normalised`: case and punctuation, which transcripts are free in, are no errors;
accents and other marks of letters are.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

KEPT = frozenset("'’")
"""Punctuation inside words."""


@lru_cache(100_000)
def normalised(text: str) -> str:
    """Composed (NFKC), without case, punctuation but apostrophes, and runs of blanks."""
    composed = unicodedata.normalize("NFKC", text).casefold()
    kept = (sign if sign in KEPT or unicodedata.category(sign)[0] not in "PS" else " " for sign in composed)
    return " ".join("".join(kept).replace("’", "'").split())


def distance(one: Sequence[str], other: Sequence[str]) -> int:
    """Substitutions, deletions and insertions at the least: Levenshtein's distance, a column of its table at
    once in the bits of a number (Myers, J. ACM 1999; Hyyrö 2003)."""
    if not one or not other:
        return max(len(one), len(other))
    places: dict[str, int] = {}
    for place, sign in enumerate(one):
        places[sign] = places.get(sign, 0) | 1 << place
    full, last = (1 << len(one)) - 1, 1 << (len(one) - 1)
    up, down, found = full, 0, len(one)
    for sign in other:
        equal = places.get(sign, 0)
        vertical = equal | down
        horizontal = (((equal & up) + up) ^ up) | equal
        more, less = down | (full & ~(horizontal | up)), up & horizontal
        found += bool(more & last) - bool(less & last)
        more, less = more << 1 | 1, less << 1
        up, down = full & (less | ~(vertical | more)), full & more & vertical
    return found


@lru_cache(100_000)
def word_counts(wanted: str, said: str) -> tuple[int, int]:
    """(edits, words that were wanted)."""
    one, other = normalised(wanted).split(), normalised(said).split()
    return distance(one, other), len(one)


@lru_cache(100_000)
def character_counts(wanted: str, said: str) -> tuple[int, int]:
    """(edits, characters that were wanted)."""
    one, other = normalised(wanted), normalised(said)
    return distance(one, other), len(one)


def rate(counts: np.ndarray) -> np.ndarray:
    """float64 `[B]` from summed counts `[B, 2]`; of nothing wanted 0, or 1 where something was said."""
    edits, length = counts.T
    return np.divide(edits, length, out=(edits > 0).astype(np.float64), where=length > 0)

"""Whether the values of a column are texts rather than names."""

from __future__ import annotations

import re
from collections.abc import Sequence
from statistics import median

PROSE_WORDS = 3
"""Words that a text has at least, as the median of its column."""
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
"""Letters of scripts that put no blanks between words."""


def is_prose(values: Sequence[str]) -> bool:
    """Whether these have several words, and hardly repeat."""
    if not values or len(set(values)) <= len(values) / 2:
        return False
    return median(map(words_in, values)) >= PROSE_WORDS


def words_in(value: str) -> int:
    """How many words; in scripts without blanks about half as many as letters."""
    return len(value.split()) + len(_UNSPACED.findall(value)) // 2

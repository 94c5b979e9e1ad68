"""What a path through the outputs of every step says (Graves et al., ICML 2006)."""

from __future__ import annotations

from collections.abc import Sequence

BLANK = 0
"""The output that stands for no character."""


def collapsed(best: Sequence[int]) -> list[int]:
    """The output of each step -> signs: what recurs from step to step is one, blanks are none."""
    return [one for place, one in enumerate(best) if one != BLANK and (not place or best[place - 1] != one)]

"""Which trainings get the rest of their time? Pure functions of what parts of them have shown.

Successive halving over epochs and folds (Karnin et al., ICML 2013; Jamieson and Talwalkar, AISTATS 2016), but
that arms are dropped by the evidence and not by place: an arm that races first trains a ninth of the steps
of its first fold, then a third, then all of them, then further folds. Its schedule is that of the whole
training, and each part goes on from the checkpoint of the one before: nothing is trained twice.

The promise: an arm whose last two thirds of the steps bring no more than the two ninths before them, and
that would end at least as good as what it was compared with, is dropped in at most one of 80 comparisons
(the end of the paired interval, doubled for the noise of the rise). What is lost by dropping an arm is at
most what its last steps would bring beyond that, and the noise of these items.
"""

from __future__ import annotations

from dataclasses import dataclass

PARTS = (1 / 9, 1 / 3)
"""Of the steps of the first fold: where an arm that races pauses."""
FROM = 30.0
"""Seconds that an arm is expected to take from which on it races: to pause and go on takes about one."""
WORDS = {1 / 9: "a ninth", 1 / 3: "a third"}


@dataclass(frozen=True)
class Heat:
    """What an arm has shown so far, on the items of its first fold. Higher is better."""

    part: float
    """Of the steps of the first fold."""
    score: float
    before: float | None
    """The score at the part before; None at the first."""
    against: str = ""
    """The arm that is furthest ahead on the same items; empty where none can be compared."""
    gain: float = 0.0
    """Paired, over that arm: negative where that is ahead."""
    high: float = float("inf")
    """Upper end of its 95 % interval; infinite where too few items tell nothing."""

    @property
    def rise(self) -> float:
        """What the rest of the steps is taken to bring at the most: what those between the parts have
        brought, which were a third as many, for a curve flattens. Unlimited at the first part."""
        return float("inf") if self.before is None else max(0.0, self.score - self.before)

    @property
    def hopeless(self) -> bool:
        """Whether it stays behind even risen as much again, and at the upper end of an interval that is twice
        as wide as that of the gain: the rise is seen through the same items."""
        return self.reach < 0

    @property
    def reach(self) -> float:
        """The most that its gain may still become."""
        return self.gain + 2 * (self.high - self.gain) + self.rise

    @property
    def next(self) -> float:
        """The part to go on to; 0 for the whole fold."""
        return next((part for part in PARTS if part > self.part), 0.0)

    @property
    def trained(self) -> str:
        """The part, in words."""
        return f"{WORDS.get(self.part, f'{self.part:.0%}')} of the steps of its first fold"

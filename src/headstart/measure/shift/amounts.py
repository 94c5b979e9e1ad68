"""How much of each class there is in the target where an item shows several: by what a model says of both
domains, and by how much it says of the source for what is there (a ratio estimate; Cochran, "Sampling
Techniques", 1977)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

COUNT = 1000
"""Resamples of items."""
LEVEL = 0.05


@dataclass(frozen=True)
class Amounts:
    """Means over items, float64 `[C]` each."""

    source: np.ndarray = field(repr=False)
    """By the labels of the source."""
    said: np.ndarray = field(repr=False)
    """By the answers for the target."""
    estimate: np.ndarray = field(repr=False)
    """In the target, if things of a class look alike in both; where the model says nothing of a class of the
    source, what it says of the target."""
    low: np.ndarray = field(repr=False)
    high: np.ndarray = field(repr=False)
    """95 % interval over the items of both."""
    moved: np.ndarray = field(repr=False)
    """bool `[C]`: whether the estimate differs from the source by more than chance, with all classes looked
    at (Bonferroni)."""

    def told(self, labels: Sequence[str], *, counted: bool) -> str:
        """The class that has moved most, in words; "" where none has. `counted`: amounts are numbers of
        objects, not shares."""
        if not self.moved.any():
            return ""
        apart = np.where(self.moved, np.abs(np.log((self.estimate + 1e-3) / (self.source + 1e-3))), -1.0)
        most = int(apart.argmax())
        one, two = (
            f"{value[most]:.1f}" if counted else f"{value[most]:.0%}"
            for value in (self.estimate, self.source)
        )
        what = "an image" if counted else "of an image"
        return f"there is an estimated {one} {labels[most]} {what} instead of {two}"


def amounts(true_s: np.ndarray, said_s: np.ndarray, said_t: np.ndarray, *, seed: int = 0) -> Amounts:
    """From what is there on source items float `[S, C]`, what held-out answers say of them `[S, C]`, and what
    answers say of target items `[T, C]`.

    >>> import numpy as np
    >>> there = np.random.default_rng(0).poisson(4.0, (200, 1))
    >>> amounts(there, there, 2 * there).estimate.round(3) == there.mean(axis=0).round(3) * 2
    array([ True])
    """
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(COUNT):
        s, t = rng.integers(0, len(true_s), len(true_s)), rng.integers(0, len(said_t), len(said_t))
        source = true_s[s].mean(axis=0)
        drawn.append([source, _estimate(source, said_s[s].mean(axis=0), said_t[t].mean(axis=0))])
    table = np.array(drawn)  # [B, 2, C]
    low, high = np.quantile(table[:, 1], [0.025, 0.975], axis=0)
    part = LEVEL / table.shape[2] / 2
    apart = np.quantile(table[:, 1] - table[:, 0], [part, 1 - part], axis=0)
    source, said = true_s.mean(axis=0), said_t.mean(axis=0)
    estimate = _estimate(source, said_s.mean(axis=0), said)
    return Amounts(source, said, estimate, low, high, (apart[0] > 0) | (apart[1] < 0))


def _estimate(source: np.ndarray, said_s: np.ndarray, said_t: np.ndarray) -> np.ndarray:
    return np.where(said_s > 0, source * said_t / np.where(said_s > 0, said_s, 1.0), said_t)

"""Scores: how a metric is computed of targets and predictions, alone and under many weights of the items.

`y` and `predictions` as in `tasks.base`. What a bootstrap asks again and again (`per_item`, `resampled`) is
turned so that higher is better; `value` is in the metric's natural direction.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np

from headstart.core.metric import Metric, named
from headstart.measure.metrics import known_mean


class Score(Protocol):
    """One metric of one kind of task."""

    @property
    def metric(self) -> Metric: ...

    def value(self, y: np.ndarray, predictions: np.ndarray) -> float:
        """The metric; NaN where it is not defined."""

    def per_item(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray | None:
        """float64 `[N]`: each item's share, such that their mean is the metric. None where no such share
        exists."""

    def resampled(self, y: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """float64 `[B]`: the metric under each row of whole item weights `[B, N]`."""


@dataclass(frozen=True)
class _Named:
    name: str

    @property
    def metric(self) -> Metric:
        return named(self.name)

    @property
    def sign(self) -> int:
        return 1 if self.metric.higher_is_better else -1

    def per_item(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray | None:  # noqa: ARG002
        return None


@dataclass(frozen=True)
class Mean(_Named):
    """A mean over items."""

    share: Callable[[np.ndarray, np.ndarray], np.ndarray] = field(repr=False)
    """float64 `[N]`, in the natural direction."""

    def value(self, y: np.ndarray, predictions: np.ndarray) -> float:
        return float(np.mean(self.share(y, predictions))) if len(y) else float("nan")

    def per_item(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray | None:
        return self.sign * self.share(y, predictions)

    def resampled(self, y: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return np.asarray(self.sign * (weights @ self.share(y, predictions)) / weights.sum(axis=1))


@dataclass(frozen=True)
class OverLabels(_Named):
    """A mean over labels."""

    each: Callable[[np.ndarray, np.ndarray], np.ndarray] = field(repr=False)
    """float64 `[K]`, NaN for a label that does not count."""
    fast: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray] | None = field(default=None, repr=False)
    """`each` under rows of weights, float64 `[B, K]`, or their mean `[B]`: where that is quicker."""
    balanced: bool = False
    """Whether every class counts alike, however rare: models are then fitted with their rows weighted so."""

    def value(self, y: np.ndarray, predictions: np.ndarray) -> float:
        return known_mean(self.each(y, predictions))

    def resampled(self, y: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """A label that a resample has lost has there what it has of the whole."""
        whole = self.each(y, predictions)
        if self.fast is not None:
            found = self.fast(y, predictions, weights)
            if found.ndim == 1:
                return self.sign * found
            filled_in = np.where(np.isnan(found), whole, found)[:, ~np.isnan(whole)]
            return self.sign * filled_in.mean(axis=1) if filled_in.size else np.full(len(weights), np.nan)

        def filled(y: np.ndarray, predictions: np.ndarray) -> float:
            found = self.each(y, predictions)
            return known_mean(np.where(np.isnan(whole) | ~np.isnan(found), found, whole))

        return self.sign * _drawn(filled, y, predictions, weights)


@dataclass(frozen=True)
class Ratio(_Named):
    """A sum over items by another one, as F1 over all labels, or the share of wrong words in a corpus; 0
    where both are."""

    parts: Callable[[Any, Any], np.ndarray] = field(repr=False)
    """float64 `[N, 2]`: what each item adds to the numerator, and to the denominator."""

    def value(self, y: Any, predictions: Any) -> float:
        return float(self.sign * self.resampled(y, predictions, np.ones((1, len(y))))[0])

    def resampled(self, y: Any, predictions: Any, weights: np.ndarray) -> np.ndarray:
        above, below = (weights @ self.parts(y, predictions)).T
        nothing = np.where(weights.any(axis=1), 0.0, np.nan)
        return self.sign * np.divide(above, below, out=nothing, where=below > 0)


@dataclass(frozen=True)
class Anew(_Named):
    """A number that is no mean: recomputed for all rows."""

    compute: Callable[[np.ndarray, np.ndarray], float] = field(repr=False)

    def value(self, y: np.ndarray, predictions: np.ndarray) -> float:
        return self.compute(y, predictions)

    def resampled(self, y: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        return self.sign * _drawn(self.compute, y, predictions, weights)


def _drawn(
    compute: Callable[[np.ndarray, np.ndarray], float],
    y: np.ndarray,
    predictions: np.ndarray,
    weights: np.ndarray,
) -> np.ndarray:
    """float64 `[B]`: of the rows as often as each row of weights says; NaN of none."""
    found = np.full(len(weights), np.nan)
    for number, times in enumerate(weights):
        rows = np.repeat(np.arange(len(y)), times.astype(np.int64))
        if len(rows):
            found[number] = compute(y[rows], predictions[rows])
    return found

"""Confidence intervals: Wilson, and the bootstrap over items or groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

CELLS = 2_000_000
"""Resamples are drawn in blocks of about this many weights."""


@dataclass(frozen=True)
class Interval:
    """A confidence interval and how it was made."""

    low: float
    high: float
    method: str
    n: int = 0
    """Independent units it rests on: items, or groups where there are any."""

    @property
    def width(self) -> float:
        return self.high - self.low


def wilson(hits: float, n: int, *, level: float = 0.95) -> Interval:
    """Wilson score interval of a share of `n` independent trials (Wilson, JASA 1927)."""
    if n < 1:
        return Interval(0.0, 1.0, "Wilson", 0)
    z = NormalDist().inv_cdf(0.5 + level / 2)
    share, extra = hits / n, z**2 / n
    centre = (share + extra / 2) / (1 + extra)
    half = z * np.sqrt(share * (1 - share) / n + extra / (4 * n)) / (1 + extra)
    return Interval(max(0.0, float(centre - half)), min(1.0, float(centre + half)), "Wilson", n)


def union(first: Interval, second: Interval) -> Interval:
    """From the lower of both lower ends to the higher of both higher ends."""
    low, high = min(first.low, second.low), max(first.high, second.high)
    return Interval(low, high, f"{first.method} or {second.method}", first.n)


def units(items: int, groups: np.ndarray | None) -> tuple[np.ndarray, int]:
    """(unit of each item int64 `[N]`, number of units): the groups, or every item its own."""
    if groups is None:
        return np.arange(items), items
    names, inverse = np.unique(groups, return_inverse=True)
    return inverse, len(names)


def draws(n: int, count: int, *, seed: int = 0) -> Iterator[np.ndarray]:
    """Blocks of bootstrap samples `[b, n]`: numbers of the units drawn, with replacement."""
    rng = np.random.default_rng(seed)
    step = max(1, CELLS // max(1, n))
    kind = np.uint16 if n < 2**16 else np.uint32
    for start in range(0, count, step):
        yield rng.integers(0, n, size=(min(step, count - start), n), dtype=kind)


def resamples(n: int, count: int, *, seed: int = 0) -> Iterator[np.ndarray]:
    """The same as weights float64 `[b, n]`: how often each of n units was drawn."""
    for drawn in draws(n, count, seed=seed):
        cells = drawn + np.arange(len(drawn), dtype=np.int64)[:, None] * n
        weights = np.bincount(cells.ravel(), minlength=cells.size).reshape(cells.shape)
        yield weights.astype(np.float64)


def bootstrap(
    statistic: Callable[[np.ndarray], np.ndarray],
    items: int,
    *,
    groups: np.ndarray | None = None,
    count: int = 2000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of any statistic, resampling items or whole groups.

    `statistic` maps item weights float64 `[b, items]` to `[b]` values; NaN values (a resample in
    which the statistic does not exist) are left out. `groups` `[items]`: rows of one group are
    drawn together.
    """
    unit, n = units(items, groups)
    spread = _spread if groups is not None else lambda weights, _: [weights]
    values = np.concatenate(
        [statistic(weights) for drawn in resamples(n, count, seed=seed) for weights in spread(drawn, unit)]
    )
    return percentiles(values, level=level, n=n, over="items" if groups is None else "groups")


def _spread(weights: np.ndarray, unit: np.ndarray) -> Iterator[np.ndarray]:
    """Weights of units `[b, n]` -> of items `[b, items]`, in blocks: few groups may hold many items."""
    step = max(1, CELLS // max(1, len(unit)))
    for start in range(0, len(weights), step):
        yield weights[start : start + step, unit]


def bootstrap_mean(
    values: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    count: int = 5000,
    level: float = 0.95,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap of the mean of per-item values float64 `[N]`."""
    if groups is None:
        n = len(values)
        means = np.concatenate([values[drawn].mean(axis=1) for drawn in draws(n, count, seed=seed)])
        return percentiles(means, level=level, n=n, over="items")
    unit, n = units(len(values), groups)
    total = np.bincount(unit, weights=values, minlength=n)
    size = np.bincount(unit, minlength=n).astype(np.float64)
    means = np.concatenate([total[d].sum(axis=1) / size[d].sum(axis=1) for d in draws(n, count, seed=seed)])
    return percentiles(means, level=level, n=n, over="groups")


def percentiles(
    values: np.ndarray, *, level: float, n: int, over: str, around: float | None = None
) -> Interval:
    """The middle `level` of bootstrap values; NaN bounds when none is defined.

    With `around`, the value of the whole, what the resamples are too large or too small by (their median
    against it) is taken off, down to 0: an error of calibration grows when items are drawn twice, so that
    its plain interval may lie above it.
    """
    known = values[~np.isnan(values)]
    method = f"percentile bootstrap over {over}"
    if not len(known):
        return Interval(float("nan"), float("nan"), method, n)
    low, high = np.quantile(known, [0.5 - level / 2, 0.5 + level / 2])
    if around is not None:
        bias = float(np.median(known)) - around
        low, high, method = max(0.0, low - bias), high - bias, f"{method}, bias taken off"
    return Interval(float(low), float(high), method, n)

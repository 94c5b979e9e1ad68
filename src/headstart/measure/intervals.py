"""Confidence intervals: Wilson, and the bootstrap over items or groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np

from headstart.core.metric import named

CELLS = 2_000_000
"""Resamples are drawn in blocks of about this many weights."""
FEW_UNITS = 30
"""Units from which on their spread is known well enough."""
ANYWHERE = (float("-inf"), float("inf"))


@dataclass(frozen=True)
class Interval:
    """A confidence interval and how it was made."""

    low: float
    high: float
    method: str
    n: int = 0
    """Independent units it rests on: items, or groups where there are any."""
    unit: str = "items"
    """What these are: "items" or "groups"."""

    @property
    def width(self) -> float:
        return self.high - self.low

    def holding(self, value: float) -> Interval:
        """The same interval, reaching as far as the value that it is about."""
        return (
            self if np.isnan(value) else replace(self, low=min(self.low, value), high=max(self.high, value))
        )


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
    return Interval(low, high, f"{first.method} or {second.method}", first.n, first.unit)


def doubted(metric: str, drawn: Interval, found: Interval, value: float) -> Interval:
    """`found`, made of what was `drawn`: of a metric in percent at least Wilson's of as many units where no
    resample differs from another. All of few right is no certainty, which no resample can show.
    """
    if not named(metric).percent or drawn.width:
        return found
    return union(found, wilson(value * found.n, found.n))


def few_units(n: int, level: float) -> float:
    """How much wider an interval of n units has to be because their spread is not known: the quantile of
    Student's t over that of the normal."""
    if not 2 <= n < FEW_UNITS:
        return 1.0
    from scipy.special import stdtrit

    place = 0.5 + level / 2
    return float(stdtrit(n - 1, place)) / NormalDist().inv_cdf(place)


def of_few(
    groups: Interval,
    items: Interval,
    value: float,
    *,
    level: float = 0.95,
    within: tuple[float, float] = ANYWHERE,
) -> Interval:
    """What an interval of `value` over few groups has to be: wider for what is not known of their spread, and
    never narrower than were all their items independent. From `FEW_UNITS` groups on it is that of groups.

    Of accuracies with effects of two to twelve groups the plain one covers 45 to 92 %, this one 88 to 99 %.
    """
    if groups.n >= FEW_UNITS:
        return groups
    factor = few_units(groups.n, level)
    low, high = value - factor * (value - groups.low), value + factor * (groups.high - value)
    low, high = np.clip([min(low, items.low), max(high, items.high)], *within)
    return replace(
        groups, low=float(low), high=float(high), method=f"{groups.method}, widened for few groups"
    )


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
    around: float | None = None,
) -> Interval:
    """Percentile bootstrap of any statistic, resampling items or whole groups.

    `statistic` maps item weights float64 `[b, items]` to `[b]` values; NaN values (a resample in
    which the statistic does not exist) are left out. `groups` `[items]`: rows of one group are
    drawn together. `around` as in `percentiles`.
    """
    unit, n = units(items, groups)
    widened = spread if groups is not None else lambda weights, _: [weights]
    values = np.concatenate(
        [statistic(weights) for drawn in resamples(n, count, seed=seed) for weights in widened(drawn, unit)]
    )
    return percentiles(values, level=level, n=n, over="items" if groups is None else "groups", around=around)


def spread(weights: np.ndarray, unit: np.ndarray) -> Iterator[np.ndarray]:
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
    values: np.ndarray,
    *,
    level: float,
    n: int,
    over: str,
    around: float | None = None,
    within: tuple[float, float] = ANYWHERE,
) -> Interval:
    """The middle `level` of bootstrap values; NaN bounds when none is defined.

    With `around`, the value of the whole, what the resamples are too large or too small by (their median
    against it) is taken off, inside `within`: an error of calibration or an average precision grows when
    items are drawn twice, so that its plain interval may lie above it.
    """
    known = values[~np.isnan(values)]
    method = f"percentile bootstrap over {over}"
    if not len(known):
        return Interval(float("nan"), float("nan"), method, n, over)
    low, high = np.quantile(known, [0.5 - level / 2, 0.5 + level / 2])
    if around is not None:
        bias = float(np.median(known)) - around
        low, high = np.clip([low - bias, high - bias], *within)
        method = f"{method}, bias taken off"
    return Interval(float(low), float(high), method, n, over)

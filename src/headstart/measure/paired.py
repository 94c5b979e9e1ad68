"""Is one arm better than another, on the same held-out items?

The interval is a paired bootstrap over items (or groups), which sees that other items could have been
drawn, widened for the training parts, which could have been others too. The variance added is a share of
the training term of the corrected resampled t (Nadeau and Bengio, Machine Learning 2003). The share is
calibrated: without the term intervals cover 82 to 92 % of true gains, with this share of it 93 to 99 %
(`benchmarks/coverage.py`: real features, learners refitted).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from statistics import NormalDist
from typing import Any, Protocol, TypeVar

import numpy as np

from headstart.core.predictions import Predictions, both, of
from headstart.core.split import Fold
from headstart.measure.intervals import FEW_UNITS, Interval, bootstrap, bootstrap_mean, few_units, units

T = TypeVar("T", bound=Any)
POWER = NormalDist().inv_cdf(0.8)
LEAST_SPLITS = 5
"""Splits from which on their own spread is used; of fewer it is inferred from that of the items."""
ENOUGH_UNITS, FEWEST_UNITS = 100, 8
"""Units from which any gain counts, and under which none does. Of 150 pairs of equal arms with effects of
groups, 37 % were told apart with two groups, 15 % with three, 11 % with four, 3 % with six."""
WORK = 2e7
"""Repeats x items x outputs x resamples of a metric that must be recomputed."""
LEAST_RESAMPLES = 80
TRAINING_SHARE = 0.6
"""Share of Nadeau and Bengio's training term by which intervals cover at their nominal rate."""


Draw = Callable[["np.ndarray | None"], Interval]
"""Groups of the rows, or None -> the bootstrap of a gain over them, or over items."""


@dataclass(frozen=True)
class Resampling:
    """How intervals are drawn."""

    count: int = 5000
    """Resamples; of metrics that must be recomputed a fifth of them, and fewer on many items."""
    level: float = 0.95
    seed: int = 0


class Scoring(Protocol):
    """How predictions are scored, higher is better: every `Score` of `headstart.tasks.base` satisfies it."""

    def per_item(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray | None:
        """float64 `[N]`: shares whose mean is the score, or None where no such shares exist."""

    def resampled(self, y: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """float64 `[B]`: the score under each row of item weights `[B, N]`."""


@dataclass(frozen=True)
class PairedGain:
    """A paired difference of two arms; positive: the first is better."""

    gain: float
    low: float
    high: float
    n: int
    """Independent units: items, or groups where there are any."""
    items: int
    """Items that both arms predicted."""
    method: str
    p_value: float | None
    """McNemar mid-p on the first repeat (of groups: the sign test); None unless items are right or wrong."""
    smallest_visible: float
    """The smallest true gain that 80 % of such experiments would have seen."""
    level: float = 0.95
    obvious: float = 0.10
    """A gain that may be claimed from fewer than `ENOUGH_UNITS` units, in the metric's own measure."""
    sampled: Interval | None = None
    """The paired bootstrap by itself: too narrow, because it takes the fits as given."""

    @property
    def too_few(self) -> bool:
        """Whether nothing may be claimed from so few units."""
        return too_few(self.n, self.gain, obvious=self.obvious)


def paired_gain(
    y: Any,
    ours: Predictions | np.ndarray,
    theirs: Predictions | np.ndarray,
    *,
    scoring: Scoring,
    folds: Sequence[Fold] = (),
    groups: np.ndarray | None = None,
    resampling: Resampling = Resampling(),
) -> PairedGain:
    """The gain of `ours` over `theirs`, with its interval.

    `y` are the targets of N rows (an array, or `Targets`); `ours`, `theirs` out-of-fold predictions: only
    cells (repeat, row) that both arms have are used, and only the repeats both have. `folds` are
    those of the split (`core.split.Split.folds`); without them the interval is not widened.
    """
    level = resampling.level
    cells = _Cells.of(y, of(ours), of(theirs), groups)
    shares = cells.shares(scoring)
    if shares is None:
        fewer = int(
            np.clip(WORK // (cells.known.size * cells.ours.width), LEAST_RESAMPLES, resampling.count // 5)
        )
        gain, draw, splits = _recomputed(cells, scoring, folds, replace(resampling, count=fewer))
        p_value, discordance, least = None, None, 0.0
    else:
        difference = _item_means(shares)[cells.rows]
        gain = float(difference.mean())
        draw = lambda groups: bootstrap_mean(difference, groups=groups, **asdict(resampling))  # noqa: E731
        splits = _fold_values(shares, folds)
        binary = bool(np.isin(shares[cells.known], (-1.0, 0.0, 1.0)).all()) and cells.right_or_wrong(scoring)
        p_value = _first_repeat_p(shares, cells) if binary else None
        discordance, least = _telling(difference, cells.row_groups) if binary else (None, 0.0)
    sampled = draw(cells.row_groups)
    interval = widened(sampled, gain, splits, folds, level=level).holding(gain)
    if cells.row_groups is not None and sampled.n < FEW_UNITS:  # never narrower than of independent items
        alone = widened(draw(None), gain, splits, folds, level=level)
        interval = interval.holding(alone.low).holding(alone.high)
    if discordance is not None:
        interval = at_least_one(interval, gain, least, level=level)
    return PairedGain(
        gain=gain,
        low=interval.low,
        high=interval.high,
        n=sampled.n,
        items=len(cells.rows),
        method=f"paired {interval.method}",
        p_value=p_value,
        smallest_visible=smallest_visible(interval, sampled.n, level=level, discordance=discordance),
        level=level,
        sampled=sampled,
    )


def widened(
    sampled: Interval, gain: float, splits: np.ndarray, folds: Sequence[Fold], *, level: float
) -> Interval:
    """A bootstrap interval of items, widened for the training parts.

    `splits` `[J]` are the gains on each complete fold. Their variance, times held-out rows over training
    rows, is Nadeau and Bengio's term; `TRAINING_SHARE` of it is added to the bootstrap's own.
    """
    ratio = held_out_ratio(folds)
    half = NormalDist().inv_cdf(0.5 + level / 2)
    own = (sampled.width / (2 * half)) ** 2
    # with few splits: so many of them make up the items of the bootstrap
    between = float(splits.var(ddof=1)) if len(splits) >= LEAST_SPLITS else own * max(1, len(splits))
    added = TRAINING_SHARE * ratio * between
    few = few_units(sampled.n, level)
    if not added and few == 1.0:
        return sampled
    method = f"{sampled.method}, widened for the training parts"
    if not own:
        reach = half * added**0.5 * few
        return replace(sampled, low=gain - reach, high=gain + reach, method=method)
    factor = (1 + added / own) ** 0.5 * few
    low, high = gain - factor * (gain - sampled.low), gain + factor * (sampled.high - gain)
    return replace(sampled, low=low, high=high, method=method)


def at_least_one(interval: Interval, gain: float, least: float, *, level: float) -> Interval:
    """At least as wide as if one unit told the arms apart, which moves the gain by `least`: that none of
    few did is no proof of equality."""
    reach = NormalDist().inv_cdf(0.5 + level / 2) * least
    return replace(interval, low=min(interval.low, gain - reach), high=max(interval.high, gain + reach))


@dataclass(frozen=True)
class _Cells:
    """What both arms predicted."""

    y: Any
    ours: Predictions
    theirs: Predictions
    known: np.ndarray
    """bool `[R, N]`"""
    rows: np.ndarray
    """int64: rows with at least one cell."""
    groups: np.ndarray | None

    @classmethod
    def of(cls, y: Any, ours: Predictions, theirs: Predictions, groups: np.ndarray | None) -> _Cells:
        known = both(ours, theirs)
        rows = np.flatnonzero(known.any(axis=0))
        if not len(rows):
            raise ValueError("the two arms have no held-out item in common")
        return cls(y, ours, theirs, known, rows, groups)

    @property
    def row_groups(self) -> np.ndarray | None:
        """Groups of `rows`; None when every item is its own group."""
        if self.groups is None:
            return None
        groups = self.groups[self.rows]
        return groups if len(np.unique(groups)) < len(groups) else None

    def shares(self, scoring: Scoring) -> np.ndarray | None:
        """float64 `[R, N]`: difference of the shares in each cell, NaN elsewhere."""
        result = np.full(self.known.shape, np.nan)
        for repeat, known in enumerate(self.known):
            ours = scoring.per_item(self.y[known], self.ours.take(repeat, known))
            theirs = scoring.per_item(self.y[known], self.theirs.take(repeat, known))
            if ours is None or theirs is None:
                return None
            result[repeat, known] = ours - theirs
        return result

    def right_or_wrong(self, scoring: Scoring) -> bool:
        """Whether shares are 0 or 1, so that counting discordant items makes sense."""
        repeat = int(np.argmax(self.known.any(axis=1)))
        known = self.known[repeat]
        shares = scoring.per_item(self.y[known], self.ours.take(repeat, known))
        return shares is not None and bool(np.isin(shares, (0.0, 1.0)).all())


def _item_means(cells: np.ndarray) -> np.ndarray:
    """float64 `[N]`: mean over the repeats that have the item; NaN for items in none."""
    known = ~np.isnan(cells)
    count = known.sum(axis=0)
    total = np.where(known, cells, 0.0).sum(axis=0)
    return np.divide(total, count, out=np.full(cells.shape[1], np.nan), where=count > 0)


def _telling(difference: np.ndarray, groups: np.ndarray | None) -> tuple[float, float]:
    """What the arms differ on: (share of the units that do, by how much one of them moves the gain).

    Of groups the first is the share of whole ones that would tell as much. Where no unit differs, one
    would with all its items.
    """
    unit, n = units(len(difference), groups)
    total = np.abs(np.bincount(unit, weights=difference, minlength=n))
    telling = total[total > 1e-9]
    each = max(1.0, float(telling.mean())) if len(telling) else len(difference) / n
    return float(n * (total**2).sum() / len(difference) ** 2), each / len(difference)


def _fold_values(cells: np.ndarray, folds: Sequence[Fold]) -> np.ndarray:
    """Mean difference on the held-out rows of each fold that is complete."""
    values = [
        cells[fold.repeat, fold.test].mean() for fold in folds if fold.repeat < len(cells) and len(fold.test)
    ]
    return np.array([value for value in values if not np.isnan(value)])


def held_out_ratio(folds: Sequence[Fold]) -> float:
    """Held-out rows over training rows, averaged over the folds."""
    ratios = [len(fold.test) / len(fold.train) for fold in folds if len(fold.train)]
    return float(np.mean(ratios)) if ratios else 0.0


def _first_repeat_p(shares: np.ndarray, cells: _Cells) -> float:
    """McNemar mid-p on the first repeat with cells; a group counts once, by the sign of its sum."""
    repeat = int(np.argmax(cells.known.any(axis=1)))
    rows = np.flatnonzero(cells.known[repeat])
    unit, n = units(len(rows), None if cells.groups is None else cells.groups[rows])
    total = np.bincount(unit, weights=shares[repeat, rows], minlength=n)
    return mcnemar(int((total > 0).sum()), int((total < 0).sum()))


def _recomputed(
    cells: _Cells, scoring: Scoring, folds: Sequence[Fold], resampling: Resampling
) -> tuple[float, Draw, np.ndarray]:
    """Gain, bootstrap and fold differences of a metric that has no per-item shares."""
    repeats = [(r, np.flatnonzero(known)) for r, known in enumerate(cells.known) if known.any()]
    sizes = np.array([len(rows) for _, rows in repeats], np.float64)
    place = np.full(cells.known.shape[1], -1)
    place[cells.rows] = np.arange(len(cells.rows))

    def difference(repeat: int, rows: np.ndarray, weights: np.ndarray) -> np.ndarray:
        y = cells.y[rows]
        ours = scoring.resampled(y, cells.ours.take(repeat, rows), weights)
        return ours - scoring.resampled(y, cells.theirs.take(repeat, rows), weights)

    def statistic(weights: np.ndarray) -> np.ndarray:
        values = np.stack([difference(r, rows, weights[:, place[rows]]) for r, rows in repeats])
        return np.average(values, axis=0, weights=sizes)

    gain = float(statistic(np.ones((1, len(cells.rows))))[0])

    def draw(groups: np.ndarray | None) -> Interval:
        return bootstrap(statistic, len(cells.rows), groups=groups, around=gain, **asdict(resampling))

    whole = [f for f in folds if f.repeat < len(cells.known) and cells.known[f.repeat, f.test].all()]
    splits = [difference(f.repeat, f.test, np.ones((1, len(f.test))))[0] for f in whole if len(f.test)]
    found = np.array(splits)
    return gain, draw, found[np.isfinite(found)]  # a fold of one class has no area under a curve


def mcnemar(better: int, worse: int) -> float:
    """Two-sided exact McNemar test with mid-p correction, from the discordant counts.

    Fagerland, Lydersen and Laake, BMC Medical Research Methodology 2013.
    """
    n, k = better + worse, min(better, worse)
    if n == 0:
        return 1.0
    from scipy.special import bdtr  # the binomial distribution, without all others

    # 2 P(X <= k) - P(X = k)
    return float(min(1.0, bdtr(k, n, 0.5) + (bdtr(k - 1, n, 0.5) if k else 0.0)))


def holm(p_values: Sequence[float]) -> list[float]:
    """p-values adjusted for the number of comparisons (Holm, 1979), in the order given."""
    p = np.asarray(p_values, np.float64)
    order = np.argsort(p, kind="stable")
    stepped = np.maximum.accumulate(p[order] * (len(p) - np.arange(len(p))))
    adjusted = np.empty(len(p))
    adjusted[order] = np.minimum(1.0, stepped)
    return [float(value) for value in adjusted]


def adjusted(found: Iterable[T]) -> list[T]:
    """Records with a `p_value` (None: not tested), adjusted for the number of those that have one."""
    given = list(found)
    tested = [number for number, one in enumerate(given) if one.p_value is not None]
    for number, p in zip(tested, holm([given[n].p_value or 0.0 for n in tested]), strict=True):
        given[number] = replace(given[number], p_value=p)
    return given


def smallest_visible(
    interval: Interval, n: int, *, level: float = 0.95, discordance: float | None = None
) -> float:
    """The smallest true gain that 80 % of such experiments would have told from none.

    About 2.8 standard errors, read off the interval that decides. With `discordance` (share of the n
    units on which the arms differ) it is at least `2.8 sqrt(discordance / n)`.
    """
    z = NormalDist().inv_cdf(0.5 + level / 2)
    seen = (interval.width / 2) * (z + POWER) / z
    if discordance is None:
        return float(seen)
    return float(max(seen, (z + POWER) * np.sqrt(discordance / n)))


def too_few(n: int, gain: float, *, obvious: float = 0.10) -> bool:
    """Whether nothing may be claimed: fewer than `FEWEST_UNITS` units, or fewer than `ENOUGH_UNITS` that
    carry a gain that is not `obvious`."""
    return n < FEWEST_UNITS or (n < ENOUGH_UNITS and abs(gain) < obvious)

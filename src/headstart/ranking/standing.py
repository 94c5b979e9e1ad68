"""The order of sources that were measured on the same items, and how sure it is. Pure: no pass, no clock.

What is clear goes before everything else: a source stands behind every source that is better on the same
items by more than chance. Where that is open the combined score decides, in which what was known before
counts too.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import words
from headstart.core.cells import Cells
from headstart.core.metric import named
from headstart.core.task import Task
from headstart.errors import RankingError
from headstart.measure.intervals import CELLS, Interval, doubted, few_units, resamples, units
from headstart.measure.paired import LEAST_RESAMPLES, WORK
from headstart.measure.transferability.combined import combined
from headstart.ranking.scoring import DECIDERS, Scored

COUNT = 1000
"""Resamples; of metrics that must be recomputed fewer on many items."""
LEVEL = 0.90
"""Of the interval of what is expected."""
TRAINING = 1.7
"""How much wider than a bootstrap of items: the training items could have been others, too. Measured on 556
probes with 10 to 475 labels: it then holds 89 % of their accuracies on new items, with 1.4 it held 84 %."""
KNOWN = {"published accuracy": 1.0, "size": 0.25}
"""What was known before weighs so much beside 1 for all scores together. Over ten sets, in sub-zoos in
which size alone says little tau is 0.65 with 0.25 for size, 0.62 with 0.5 and 0.57 with 1."""
CLEAR = 0.95
"""Of the paired interval by which one source is clearly better than another."""


@dataclass(frozen=True)
class Expected:
    """The metric that a linear model of the source would have on new items, in its natural direction."""

    value: float
    low: float
    high: float
    level: float = LEVEL


@dataclass(frozen=True)
class Standing:
    """One source in its place."""

    place: int
    """1 for the first and for all that cannot be told from it."""
    source: str
    """Its spec."""
    expected: Expected
    score: float
    """0 to 1: the mean place by the scores that decide and by what was known before, in this ranking."""
    tied: bool
    """Whether the paired difference from the first (of the first: from any other) may be nothing."""
    behind: float
    """How much of the metric it is behind the first on the same items; negative where it is before it."""
    behind_low: float
    behind_high: float
    reason: str
    """Why it stands where it does, in words."""
    scores: Mapping[str, float]
    left_out: Mapping[str, str]
    taps: tuple[str, ...]
    seconds: float
    passes: float
    parameters: int | None
    size_bytes: int | None
    licence: str | None
    prior: float | None
    """Published accuracy."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Drawn:
    """The metric of every source, higher is better, of the whole and of the same resamples."""

    whole: np.ndarray
    """float64 `[S]`"""
    values: np.ndarray = field(repr=False)
    """float64 `[S, B]`, NaN where a resample has none."""
    n: int
    """Items, or groups, that were drawn."""

    def difference(self, one: int, other: int) -> tuple[float, float, float]:
        """(how much better `one` is, low, high)."""
        gain = float(self.whole[one] - self.whole[other])
        drawn = self.values[one] - self.values[other]
        drawn = drawn[np.isfinite(drawn)]
        if not len(drawn):
            return gain, -np.inf, np.inf
        low, high = np.quantile(drawn, [0.5 - CLEAR / 2, 0.5 + CLEAR / 2])
        wider = few_units(self.n, CLEAR)
        return gain, gain - wider * max(0.0, gain - float(low)), gain + wider * max(0.0, float(high) - gain)

    def beats(self) -> np.ndarray:
        """bool `[S, S]`: whether the row's source is better than the column's by more than chance."""
        count = len(self.whole)
        return np.array([[self.difference(i, j)[1] > 0 for j in range(count)] for i in range(count)])


def standing(
    task: Task, y: Any, scored: Sequence[Scored], *, groups: np.ndarray | None = None, seed: int = 0
) -> list[Standing]:
    """The sources, best first. `y` are the targets of the M items that all were held out on, `groups` int
    `[M]` as in the split.

    Raises `RankingError` for sources that were measured on other items, splits or metrics than the first, and
    for the same weights at two preprocessings: what differs beside the source is in no ranking.
    """
    _comparable(scored)
    drawn = draw(task, y, scored, groups=groups, seed=seed)
    prior, called = known_before(scored)
    decide = [name for name in DECIDERS if name in scored[0].scores]
    measured = {name: [one.scores[name] for one in scored] for name in decide}
    score = combined(measured, prior, weight=KNOWN.get(called, 0.0))
    sizes = (float("inf") if one.source.parameters is None else one.source.parameters for one in scored)
    equals = [(size, one.source.spec) for size, one in zip(sizes, scored, strict=True)]
    found = order(score, drawn.whole, drawn.beats(), equals)
    first = found[0]
    gaps = {at: drawn.difference(first, at) for at in found[1:]}
    tied = {at for at, (_, low, _) in gaps.items() if low <= 0}
    rows = []
    for number, at in enumerate(found, start=1):
        one, ties = scored[at], bool(tied) if at == first else at in tied
        gap = gaps.get(at, (0.0, 0.0, 0.0))
        rows.append(
            Standing(
                1 if at == first or ties else number,
                one.source.spec,
                _expected(task, drawn, at),
                float(score[at]),
                ties,
                *gap,
                _reason(task, scored, (first, at), gap, tied, called, score),
                dict(one.scores),
                dict(one.left_out),
                one.taps,
                one.seconds,
                one.passes,
                one.source.parameters,
                one.source.size_bytes,
                one.source.licence,
                one.source.prior,
            )
        )
    return rows


def _comparable(scored: Sequence[Scored]) -> None:
    read: dict[str, Any] = {}
    for one in scored:
        if one.items != scored[0].items:
            raise RankingError(one.source.spec, "other items, groups or metric than", scored[0].source.spec)
        input = read.setdefault(one.digest, one.source)
        if (
            input.input.apart == one.source.input.apart
            and input.input.to_json() != one.source.input.to_json()
        ):
            raise RankingError(
                one.source.spec, "the same weights with another preprocessing than", input.spec
            )


def known_before(scored: Sequence[Scored]) -> tuple[list[float], str]:
    """(what was known of each source before, what that is): published accuracies where all have one, else the
    numbers of parameters; nothing where these are not known of all."""
    published = [one.source.prior for one in scored]
    if None not in published:
        return [float(value or 0.0) for value in published], "published accuracy"
    sizes = [one.source.parameters for one in scored]
    if None not in sizes:
        return [float(np.log(max(1, value or 1))) for value in sizes], "size"
    return [0.0] * len(scored), ""


def draw(
    task: Task, y: Any, scored: Sequence[Scored], *, groups: np.ndarray | None = None, seed: int = 0
) -> Drawn:
    """The metric of all sources on the same resamples of items, or of groups; arguments as of `standing`."""
    methods = tasks.for_task(task)
    metric = methods.scores[task.metric]
    unit, n = units(len(y), groups)
    repeats, _, *width = scored[0].predictions.shape
    means = metric.per_item(y, scored[0].predictions[0]) is not None
    count = (
        COUNT
        if means
        else int(
            np.clip(WORK // (repeats * len(y) * (width[0] if width else Cells.width)), LEAST_RESAMPLES, COUNT)
        )
    )
    sign = 1.0 if metric.metric.higher_is_better else -1.0
    whole = [np.mean([sign * metric.value(y, told) for told in one.predictions]) for one in scored]
    blocks = []
    for weights in resamples(n, count, seed=seed):
        step = max(1, CELLS // len(y))
        for start in range(0, len(weights), step):
            items = weights[start : start + step, unit]
            blocks.append(
                [
                    np.mean([metric.resampled(y, told, items) for told in one.predictions], axis=0)
                    for one in scored
                ]
            )
    return Drawn(np.array(whole), np.concatenate([np.asarray(block) for block in blocks], axis=1), n)


def order(score: np.ndarray, whole: np.ndarray, beats: np.ndarray, ties: Sequence[Any]) -> list[int]:
    """Numbers of the sources, best first: next is always the highest score among those that no other one left
    is clearly better than; of equals the higher metric, then the lower of `ties`.

    `score` and `whole` (the metric, higher is better) float64 `[S]`, `beats` bool `[S, S]`: whether the row's
    source is clearly better than the column's.
    """
    left, found = set(range(len(score))), []
    while left:
        # who has the best metric is never clearly behind: there is always one
        free = [at for at in left if not any(beats[other, at] for other in left)]
        found.append(min(free or left, key=lambda at: (-score[at], -whole[at], ties[at])))
        left.remove(found[-1])
    return found


def _expected(task: Task, drawn: Drawn, at: int) -> Expected:
    """The leave-one-out metric, and its interval."""
    metric = named(task.metric)
    sign = 1.0 if metric.higher_is_better else -1.0
    value, values = sign * float(drawn.whole[at]), sign * drawn.values[at]
    values = values[np.isfinite(values)]
    if not len(values):
        return Expected(value, float("nan"), float("nan"))
    low, high = np.quantile(values, [0.5 - LEVEL / 2, 0.5 + LEVEL / 2])
    wider = TRAINING * few_units(drawn.n, LEVEL)
    ends = value - wider * max(0.0, value - float(low)), value + wider * max(0.0, float(high) - value)
    drawn_from = Interval(float(low), float(high), "", drawn.n)
    found = doubted(task.metric, drawn_from, replace(drawn_from, low=ends[0], high=ends[1]), value)
    low, high = np.clip([found.low, found.high], *metric.range)
    return Expected(value, float(low), float(high))


def _reason(
    task: Task,
    scored: Sequence[Scored],
    pair: tuple[int, int],
    gap: tuple[float, float, float],
    tied: set[int],
    called: str,
    score: np.ndarray,
) -> str:
    first, at = pair
    if at == first:
        if not tied:
            others = words.count(len(scored) - 1, "other")
            return f"clearly better than the {others} on the same items" if scored[1:] else "the only one"
        others = words.count(len(tied), "source")
        by = f", in which {called} counts, too" if called else ""
        return f"not told apart from {others} on the same items; first by the combined score{by}"
    leader = scored[first].source.spec
    size = words.gain(task.metric, abs(gap[0])).lstrip("+")
    interval = words.gain_interval(task.metric, gap[1], gap[2])
    if at not in tied:
        return f"{size} {interval} behind {leader} on the same items"
    side = "behind" if gap[0] > 0 else "ahead" if gap[0] < 0 else "apart"
    where = "lower" if score[at] < score[first] else "equal"
    close = f"not told apart from {leader} on the same items ({size} {side}, {interval})"
    return f"{close}; {where} by the combined score"

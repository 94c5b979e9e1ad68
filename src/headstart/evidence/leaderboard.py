"""The leaderboard: what each arm reached on the items it was held out from, and its gain over another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from headstart import strategies, tasks
from headstart.core.evidence import Comparison, Evidence
from headstart.core.experiment import Experiment
from headstart.core.facts import Role
from headstart.core.metric import named
from headstart.core.predictions import both
from headstart.core.strategy import Trial, common
from headstart.core.task import Task
from headstart.measure.intervals import Interval, bootstrap, bootstrap_mean, doubted, of_few, union, wilson
from headstart.measure.paired import Draw, PairedGain, Resampling, deciding, paired_gain

RESAMPLES = 500
"""For metrics that have to be recomputed on every resample, ..."""
WORK, FEWEST = 5e7, 100
"""... and fewer where resamples x items x outputs are more: but not fewer than that."""

OBVIOUS = 0.25
"""A gain that few items can show, where the metric is no fraction: in parts of what the rival has, or of what
it lacks where the metric has a best value (R2)."""


@dataclass(frozen=True)
class Row:
    """One arm. Score and interval in the metric's natural direction; gains: positive is better."""

    arm: str
    strategy: str
    source: str | None
    status: str
    reason: str
    seconds: float
    score: float | None = None
    low: float | None = None
    high: float | None = None
    n: int = 0
    """Items it was held out from."""
    covers: str = ""
    """The classes or labels among them where they are not all: "1 of 2 classes"."""
    gain: float | None = None
    gain_low: float | None = None
    gain_high: float | None = None
    place: int | None = None
    shipped: bool = False

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def score(trial: Trial, experiment: Experiment) -> float | None:
    """The headline metric, averaged over repeats; None when nothing was predicted.

    Where a repeat is not complete, each item counts once (with a metric that has shares), as in a gain.
    """
    task, y = experiment.task, experiment.targets
    judged, known = tasks.score_of(task), trial.covered
    sizes = known.sum(axis=1)
    if not sizes.any():
        return None
    if len(set(sizes[sizes > 0].tolist())) > 1 and (shared := shares(trial, experiment)) is not None:
        value = float(shared[1].mean())
        return value if task.higher_is_better else -value
    values = [
        judged.value(y[cells], trial.predictions.take(repeat, cells))
        for repeat, cells in enumerate(known)
        if sizes[repeat]
    ]
    return over_repeats(values, sizes[sizes > 0])


def over_repeats(values: Sequence[float], sizes: np.ndarray) -> float:
    """The mean of what each repeat gives; one that was broken off counts by its items, int `[R]`."""
    return float(np.mean(values) if len(set(sizes.tolist())) == 1 else np.average(values, weights=sizes))


def signed_score(trial: Trial, experiment: Experiment) -> float | None:
    """The same, turned so that higher is better."""
    value = score(trial, experiment)
    return value if value is None or experiment.task.higher_is_better else -value


def shares(trial: Trial, experiment: Experiment) -> tuple[np.ndarray, np.ndarray] | None:
    """(rows, each row's share of the headline metric averaged over repeats), where the metric has shares."""
    y, judged = experiment.targets, tasks.score_of(experiment.task)
    known = trial.covered
    total, count = np.zeros(len(y)), known.sum(axis=0)
    for repeat in np.flatnonzero(known.any(axis=1)).tolist():
        rows = np.flatnonzero(known[repeat])
        share = judged.per_item(y[rows], trial.predictions.take(repeat, rows))
        if share is None:
            return None
        total[rows] += share
    rows = np.flatnonzero(count)
    return rows, total[rows] / count[rows]


def row(trial: Trial, experiment: Experiment) -> Row:
    """An arm's own row, with a bootstrap interval over items (or groups) for its score."""
    plain = Row(trial.arm, trial.strategy, trial.source, trial.status, trial.reason, trial.cost.seconds)
    value = score(trial, experiment)
    if value is None:
        return plain
    found = interval(trial, experiment)
    rows = np.flatnonzero(trial.covered.any(axis=0))
    covers = _covers(experiment, rows)
    return replace(plain, score=value, low=found.low, high=found.high, n=len(rows), covers=covers)


def _covers(experiment: Experiment, rows: np.ndarray) -> str:
    """How many of the classes or labels of what may be learnt are among some rows, where it is not all."""
    dataset, task, methods = experiment.dataset, experiment.task, tasks.for_task(experiment.task)
    learnt = dataset.labelled if dataset.split is None else dataset.labelled & (dataset.split != "test")
    parts = (experiment.targets[rows], experiment.targets[learnt])
    there, every = (int(methods.occurring(y, task.outputs).sum()) for y in parts)
    if there == every:
        return ""
    return f"{there:,} of {every:,} {'classes' if methods.exclusive else 'labels'}"


def interval(trial: Trial, experiment: Experiment) -> Interval:
    """95 % bootstrap interval of the headline metric over items, or over groups where rows share one."""
    task = experiment.task
    sign = 1 if task.higher_is_better else -1
    shared = shares(trial, experiment)
    if shared is not None:
        rows, share = shared
        value = float(share.mean())
        draw: Draw = partial(_of_shares, share, task, experiment.seed)
    else:
        rows, value, draw = recomputed(trial, experiment)
    own = groups_of(rows, experiment.split.groups)
    drawn = found = draw(own)
    if own is not None:
        bounds = tuple(sorted(sign * end for end in named(task.metric).range))
        found = of_few(found, draw(None), value, within=(bounds[0], bounds[1]))
    found = doubted(task.metric, drawn, found, value).holding(value)
    low, high = sorted((sign * found.low, sign * found.high))
    return replace(found, low=low, high=high)


def _of_shares(share: np.ndarray, task: Task, seed: int, groups: np.ndarray | None) -> Interval:
    """The bootstrap of the mean of shares float64 `[n]`."""
    found = bootstrap_mean(share, groups=groups, seed=seed)
    if task.metric == "accuracy" and groups is None:
        # all of few right is no certainty, which no resample can show
        found = union(found, wilson(float(share.mean()) * found.n, found.n))
    return found


def recomputed(trial: Trial, experiment: Experiment) -> tuple[np.ndarray, float, Draw]:
    """(rows, value, groups of the rows -> bootstrap) of a metric without per-item shares: recomputed in
    every repeat, then averaged, as the score itself is. Higher is better."""
    truth, judged, known = experiment.targets, tasks.score_of(experiment.task), trial.covered
    rows = np.flatnonzero(known.any(axis=0))
    places = [np.flatnonzero(repeat[rows]) for repeat in known if repeat.any()]
    predictions = [trial.predictions.take(repeat, k) for repeat, k in enumerate(known) if k.any()]

    def statistic(weights: np.ndarray) -> np.ndarray:
        values = [
            judged.resampled(truth[rows[place]], values, weights[:, place])
            for place, values in zip(places, predictions, strict=True)
        ]
        return np.asarray(np.average(values, axis=0, weights=[len(place) for place in places]))

    value = float(statistic(np.ones((1, len(rows))))[0])
    count = int(np.clip(WORK // max(1, known.sum() * trial.predictions.width), FEWEST, RESAMPLES))

    def draw(groups: np.ndarray | None) -> Interval:
        return bootstrap(statistic, len(rows), groups=groups, count=count, seed=experiment.seed, around=value)

    return rows, value, draw


def groups_of(rows: np.ndarray, groups: np.ndarray | None) -> np.ndarray | None:
    """The groups of some rows, or None when each row is a group of its own."""
    if groups is None or len(np.unique(groups[rows])) == len(rows):
        return None
    return np.asarray(groups[rows])


def as_json(rows: list[Row], task: Task) -> dict[str, Any]:
    """The leaderboard event: rows, metric, and what the gains are against."""
    return {"rows": [r.to_json() for r in rows], "metric": task.metric, "reference": reference_name(rows)}


REFERENCES: tuple[Role, ...] = ("scratch", "simple", "floor")
"""Roles of what gains are measured against: the first of these that has a score."""


def reference_name(rows: list[Row]) -> str | None:
    """What gains are measured against: scratch when it ran, else the simple model on raw input."""
    scored = {row.strategy for row in rows if row.score is not None}
    found = (one for role in REFERENCES for one in strategies.every(role) if one.name in scored)
    return next((one.short or one.name for one in found), None)


def reference(trials: Mapping[str, Trial]) -> Trial | None:
    """The trial that gains are measured against."""
    for role in REFERENCES:
        names = [one.name for one in strategies.every(role)]
        for trial in trials.values():
            if trial.strategy in names and trial.covered.any():
                return trial
    return None


def gain(ours: Trial, theirs: Trial, experiment: Experiment, *, count: int = 5000) -> PairedGain | None:
    """The paired gain of one arm over another; None when no item was held out from both, or only items of one
    class, which tell no arm from a constant; or but one unit where the metric is no fraction: how far such a
    number could be off is not known.

    What was asked before is remembered on the experiment: a verdict is formed several times in a run.
    """
    key = (ours.predictions.digest(), theirs.predictions.digest(), count)
    if key not in experiment.gains:
        experiment.gains[key] = _gain(ours, theirs, experiment, count)
    found: PairedGain | None = experiment.gains[key]
    return found


def _gain(ours: Trial, theirs: Trial, experiment: Experiment, count: int) -> PairedGain | None:
    cells = both(ours.predictions, theirs.predictions)
    methods = tasks.for_task(experiment.task)
    if not cells[:1].any() or not methods.differ(experiment.targets[cells.any(axis=0)]):
        return None
    found = deciding(
        paired_gain(
            experiment.targets,
            ours.predictions,
            theirs.predictions,
            scoring=tasks.score_of(experiment.task),
            folds=experiment.split.folds,
            groups=experiment.split.groups,
            resampling=Resampling(count, seed=experiment.seed),
        )
    )
    if named(experiment.task.metric).percent:
        return replace(found, low=max(-1.0, found.low), high=min(1.0, found.high))
    if found.n < 2:
        return None
    _, there = common(ours, theirs)
    has, best = score(there, experiment) or 0.0, named(experiment.task.metric).high
    return replace(found, obvious=OBVIOUS * (abs(has) if np.isinf(best) else best - has))


def compared(ours: Trial, theirs: Trial, found: PairedGain, experiment: Experiment) -> Comparison:
    """A paired gain as evidence."""
    evidence = Evidence(
        metric=experiment.task.metric,
        value=found.gain,
        low=found.low,
        high=found.high,
        n=found.items,
        seed=experiment.seed,
        level=found.level,
        method=found.method,
        data=experiment.dataset.fingerprint,
        model=ours.arm,
    )
    return Comparison(ours.arm, theirs.arm, evidence, found.p_value, found.smallest_visible)

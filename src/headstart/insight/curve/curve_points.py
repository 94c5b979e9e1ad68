"""The points of a learning curve: linear models on nested portions of each training part.

The features are those that the run has stored; each portion is measured on the held-out items of its
fold. Nothing passes through the network again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from headstart import strategies, tasks
from headstart.core import cells
from headstart.core.backbone import Networks
from headstart.core.experiment import Experiment
from headstart.core.features import FeatureSpec, Tap
from headstart.core.split import Fold
from headstart.core.strategy import Learnt, Request, Trial
from headstart.core.task import Task
from headstart.evidence import leaderboard
from headstart.insight.curve import subsets
from headstart.measure import intervals, partition, threads
from headstart.strategies import probe as probing
from headstart.tasks.base import Places

DRAWS, MANY = 6, 3
"""Portions drawn for every size; the second where more than `SOME` rows are all measured: of so many, which
are drawn moves a point by less than which there are."""
SOME = 500
OF_PLACES = 2
"""The same where an answer is a map: a fit takes half a second, and every pixel of an item is measured."""
MOST_ROWS = 5_000
"""Development rows that are looked at; of more a sample is drawn blindly."""
MOST_CELLS = 4e7
"""Rows x columns x outputs of the largest fit: fewer rows are looked at where it would be more. Measured on
two cores: 2 s for 300 items x 2,000 columns, 2 to 6 s for 1,500 to 50,000 items x 500 to 2,000."""
EVERY_FOLD = 1_000
"""Up to so many rows a draw is measured on all folds of a repeat, beyond on one of them."""
RESAMPLES, FEWEST, WORK = 200, 50, 2e9
"""Resamples, and fewer where resamples x predictions are more than so many, but not fewer than that."""


@dataclass(frozen=True)
class Measured:
    """The points of a curve. Errors are 1 - metric, or the metric itself where low is good."""

    sizes: np.ndarray
    """float64 `[S]`: training rows, mean over draws and folds."""
    errors: np.ndarray
    """float64 `[S]`, mean over draws."""
    covariance: np.ndarray = field(repr=False)
    """float64 `[S + 1, S + 1]`: of the errors, and of the baseline's error (0 without one)."""
    counts: np.ndarray
    """float64 `[S]`: single errors seen."""
    items: int
    """Held-out items at each size."""
    draws: int = DRAWS
    """Portions of each size."""
    trial: Trial | None = field(default=None, repr=False)
    """The probe with the predictions that the curve ends in: its own, or those of what stands in for it."""
    called: str = "a linear probe"
    """What was fitted."""


@dataclass(frozen=True)
class Held:
    """Predictions for held-out rows in one draw or repeat: the rows, and float `[n, K]`, or maps `[n]`."""

    rows: np.ndarray
    predictions: np.ndarray = field(repr=False)

    @property
    def numbers(self) -> np.ndarray:
        """As scores take them."""
        return self.predictions if self.predictions.dtype == object else self.predictions.astype(np.float64)


def measure(
    experiment: Experiment, networks: Networks, probe: Trial, baseline: Trial | None = None
) -> Measured | None:
    """The points; None when there are too few rows for two sizes, or a metric that they do not define.

    Each fold reads the taps, and has about the penalty, that the probe chose on its training rows: its
    held-out items have had no say in either.
    """
    sampled = len(experiment.split.development) > EVERY_FOLD
    # those the probe has come to: for others it has chosen taps by all rows, their held-out ones among them
    known = experiment.split.folds[: len(probe.choices.get("folds", ())) or None]
    placed = isinstance(tasks.for_task(experiment.task), Places)
    draws = OF_PLACES if placed else MANY if SOME < len(experiment.split.development) <= EVERY_FOLD else DRAWS
    folds = [_folds(known, number, one=sampled) for number in range(draws)]
    needed = sorted({fold for draw in folds for fold in draw})
    stored = (
        _maps(experiment, networks, probe, needed) if placed else _read(experiment, networks, probe, needed)
    )
    parts = [stored.parts[fold] for draw in folds for fold in draw]
    total = int(np.mean([len(train) for train, _ in parts]))
    classes = experiment.task.outputs if tasks.for_task(experiment.task).exclusive else 1
    wanted = subsets.sizes(total, classes)
    if len(wanted) < 2 or not all(len(rows) for part in parts for rows in part):
        return None
    drawn = [_Draw(experiment, stored, number, mine) for number, mine in enumerate(folds)]
    seen = _own(experiment, probe, stored, known)
    found = [[draw.held(n, n == wanted[-1], seen) for n in wanted] for draw in drawn]
    used = np.array([[n for n, _ in row] for row in found]).mean(axis=0)
    measured = _summed(experiment, used, [[held for _, held in row] for row in found], baseline)
    if not np.isfinite(measured.errors).all():
        return None
    return replace(measured, **stored.ended(experiment, probe, seen))


def _own(
    experiment: Experiment, probe: Trial, stored: Stored | Maps, known: Sequence[Fold]
) -> dict[int, np.ndarray]:
    """By fold: what the probe itself has predicted, where the same model would be fitted here again."""
    fitted = zip(known, probe.choices.get("folds", ()), strict=False)
    if isinstance(stored, Maps) and stored.learnt.stand_in:
        return {}
    return {
        number: probe.predictions.take(fold.repeat, fold.test)
        for number, (fold, chosen) in enumerate(fitted)
        if not chosen.get("ridge")
        and not probe.choices.get("views")
        and (stored.place[experiment.split.development] >= 0).all()
    }


def _folds(known: Sequence[Fold], number: int, *, one: bool) -> list[int]:
    """The folds of a draw: all of one repeat, or `one` of them, in turn."""
    repeats = 1 + known[-1].repeat
    mine = [k for k, fold in enumerate(known) if fold.repeat == number % repeats]
    return [mine[number // repeats % len(mine)]] if one else mine


@dataclass(frozen=True)
class Stored:
    """Stored features of the rows that are looked at, and what each fold makes of them."""

    x: np.ndarray = field(repr=False)
    """float16 `[n, D]`: every tap that some fold reads."""
    place: np.ndarray = field(repr=False)
    """int64 `[N]`: the row of x, -1 for rows that are not looked at."""
    parts: dict[int, tuple[np.ndarray, np.ndarray]] = field(repr=False)
    """By fold: its training and test rows that are looked at."""
    columns: dict[int, list[slice]] = field(repr=False)
    """By fold: the columns it reads, tap by tap."""
    penalty: dict[int, float]

    def matrix(self, rows: np.ndarray, fold: int) -> np.ndarray:
        """float32 `[len(rows), d]`"""
        taps = [self.x[self.place[rows], tap] for tap in self.columns[fold]]
        return np.concatenate(taps, axis=1, dtype=np.float32)

    def ended(self, experiment: Experiment, probe: Trial, seen: dict[int, Any]) -> dict[str, Any]:  # noqa: ARG002
        """What `Measured` tells of the last point, which `seen` has by fold."""
        return {"trial": probe}

    def predict(self, experiment: Experiment, fold: int, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        """float32 `[len(test), K]`: what a model of these training rows says."""
        task = experiment.task
        y = experiment.targets.hidden(experiment.split.folds[fold].train)
        with threads.suited_to(len(train)):
            x, penalty = self.matrix(train, fold), self.penalty[fold]
            linear = probing.at_penalty(task, x, y[train], penalty, seed=experiment.seed)
            logits = linear.logits(self.matrix(test, fold).astype(np.float64))
        return np.asarray(tasks.for_task(task).activate(logits), np.float32)


@dataclass(frozen=True)
class Maps:
    """The same of stored maps."""

    learnt: Learnt
    place: np.ndarray = field(repr=False)
    parts: dict[int, tuple[np.ndarray, np.ndarray]] = field(repr=False)

    def ended(self, experiment: Experiment, probe: Trial, seen: dict[int, Any]) -> dict[str, Any]:
        """See `Stored.ended`."""
        if not self.learnt.stand_in:
            return {"trial": probe}
        folds = experiment.split.folds
        answers = {
            (folds[fold].repeat, row): one
            for fold, said in seen.items()
            for row, one in zip(folds[fold].test.tolist(), said, strict=True)
        }
        kind: Any = type(probe.predictions)
        trial = replace(probe, predictions=kind(probe.covered.shape, answers))
        return {"trial": trial, "called": self.learnt.stand_in}

    def predict(self, experiment: Experiment, fold: int, train: np.ndarray, test: np.ndarray) -> np.ndarray:  # noqa: ARG002
        """Object array `[len(test)]` of answers."""
        with threads.suited_to(len(train)):
            return cells.column(self.learnt(train, test))


def _maps(experiment: Experiment, networks: Networks, probe: Trial, folds: list[int]) -> Maps:
    data, split = experiment.dataset, experiment.split
    request = Request(
        data,
        experiment.task,
        split,
        networks.extractor,
        networks.backbone(str(probe.source)),
        seed=experiment.seed,
    )
    parts = {fold: (split.folds[fold].train, split.folds[fold].test) for fold in folds}
    arm: Any = strategies.get(probe.strategy, experiment.task)
    return Maps(arm.closed(request), np.arange(len(data)), parts)


def _read(experiment: Experiment, networks: Networks, probe: Trial, folds: list[int]) -> Stored:
    """The features that these folds need."""
    backbone = networks.backbone(str(probe.source))
    done = probe.choices.get("folds", ())
    chosen = {fold: done[fold] if fold < len(done) else probe.choices for fold in folds}
    names = list(dict.fromkeys(name for fold in folds for name in chosen[fold]["taps"]))
    taps = [Tap.parse(name) for name in names]
    features = networks.extractor(backbone, FeatureSpec(taps=tuple(taps)))
    ends = np.cumsum([0, *(features.tap(tap).shape[1] for tap in taps)])
    span = {name: slice(ends[k], ends[k + 1]) for k, name in enumerate(names)}
    columns = {fold: [span[name] for name in chosen[fold]["taps"]] for fold in folds}
    widths = {fold: sum(tap.stop - tap.start for tap in taps) for fold, taps in columns.items()}
    width = max(widths.values())
    methods, outputs = tasks.for_task(experiment.task), experiment.task.outputs
    most = int(np.clip(MOST_CELLS / (width * methods.work(outputs)), 10 * outputs, MOST_ROWS))
    rows = partition.blind_sample(experiment.split, most, seed=experiment.seed)
    x = np.concatenate([features.tap(tap)[rows] for tap in taps], axis=1)
    place = np.full(len(experiment.dataset), -1)
    place[rows] = np.arange(len(rows))
    views = 1 + int(probe.choices.get("views", 0))
    penalty = {
        fold: methods.penalty_for(
            chosen[fold].get("C"), bool(chosen[fold].get("ridge")), int(widths[fold]), views
        )
        for fold in folds
    }
    both = {fold: (experiment.split.folds[fold].train, experiment.split.folds[fold].test) for fold in folds}
    parts = {fold: (train[place[train] >= 0], test[place[test] >= 0]) for fold, (train, test) in both.items()}
    return Stored(x, place, parts, columns, penalty)


class _Draw:
    """One draw of nested portions on the folds of one repeat."""

    def __init__(self, experiment: Experiment, stored: Stored | Maps, number: int, folds: list[int]) -> None:
        self.experiment, self.stored, self.orders = experiment, stored, {}
        for fold in folds:
            train, _ = stored.parts[fold]
            rng = np.random.default_rng((experiment.seed, number, fold))
            strata = subsets.strata(experiment.task, experiment.targets[train])
            self.orders[fold] = subsets.nested(strata, experiment.split.groups[train], rng)

    def held(self, n: int, whole: bool, seen: dict[int, np.ndarray]) -> tuple[float, Held]:
        """(training rows used, predictions for the test rows); the whole part is the same in every draw,
        and kept in `seen` by fold."""
        rows, found, used = [], [], []
        for fold, order in self.orders.items():
            train, test = self.stored.parts[fold]
            portion = train if whole else train[subsets.beginning(*order, n)]
            if whole and fold not in seen:
                seen[fold] = self.stored.predict(self.experiment, fold, portion, test)
            rows.append(test)
            found.append(seen[fold] if whole else self.stored.predict(self.experiment, fold, portion, test))
            used.append(len(portion))
        return float(np.mean(used)), Held(np.concatenate(rows), np.concatenate(found))


def _summed(
    experiment: Experiment, used: np.ndarray, found: list[list[Held]], baseline: Trial | None
) -> Measured:
    """Errors, their covariance and their counts from the predictions of every draw `[draw][size]`."""
    task, y = experiment.task, experiment.targets
    judged = tasks.score_of(task)
    values = np.array([[judged.value(y[h.rows], h.numbers) for h in row] for row in found])
    each = turned(task, values)  # [draws, S]
    theirs = []
    if baseline is not None:
        known = [(repeat, mask) for repeat, mask in enumerate(baseline.covered) if mask.any()]
        theirs = [Held(np.flatnonzero(m), baseline.predictions.take(repeat, m)) for repeat, m in known]
    columns = [[row[size] for row in found] for size in range(len(used))] + [theirs]
    drawn = np.concatenate(list(_resampled(experiment, columns)))  # [B, S + 1]
    width = drawn.shape[1]
    covariance = np.cov(drawn, rowvar=False) if len(drawn) > 1 else np.zeros((width, width))
    # portions overlap the more, the larger a share of the rows they are
    spread = each.var(axis=0, ddof=1) * (1 / len(found) + used / used[-1])
    covariance[: len(used), : len(used)] += np.diag(spread)
    counts = [
        sum(tasks.for_task(task).errors(y[row[s].rows], row[s].predictions) for row in found)
        for s in range(len(used))
    ]
    items = len(np.unique(np.concatenate([row[0].rows for row in found])))
    return Measured(used, each.mean(axis=0), covariance, np.array(counts, np.float64), items, len(found))


def _resampled(experiment: Experiment, columns: list[list[Held]]) -> Iterator[np.ndarray]:
    """Blocks `[b, columns]` of errors under the same draws of items (or groups) for all columns."""
    y = experiment.targets
    judged = tasks.score_of(experiment.task)
    rows = np.unique(np.concatenate([held.rows for column in columns for held in column]))
    unit, n = intervals.units(len(rows), leaderboard.groups_of(rows, experiment.split.groups))
    of_row = np.full(len(y), -1)
    of_row[rows] = unit
    cells = sum(held.predictions.size for column in columns for held in column)
    count = int(np.clip(WORK // max(1, cells), FEWEST, RESAMPLES))
    methods = tasks.for_task(experiment.task)
    if isinstance(methods, Places) and methods.counted:  # every resample sorts all boxes anew
        count = FEWEST
    for weights in intervals.resamples(n, count, seed=experiment.seed):
        block = np.zeros((len(weights), len(columns)))
        for number, column in enumerate(columns):
            with np.errstate(invalid="ignore", divide="ignore"):  # a draw may miss all items of a column
                better = [judged.resampled(y[h.rows], h.numbers, weights[:, of_row[h.rows]]) for h in column]
            if better:
                mean = np.mean(better, axis=0)
                block[:, number] = 1 - mean if experiment.task.higher_is_better else -mean
        yield block[np.isfinite(block).all(axis=1)]


def turned(task: Task, value: Any) -> Any:
    """What falls with more labels: 1 - metric, or the metric where low is good. The same turns it back."""
    return 1 - value if task.higher_is_better else value

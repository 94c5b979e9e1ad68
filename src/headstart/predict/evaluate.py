"""Evaluate: how good a model is on labelled data, each number with its interval."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.cells import column
from headstart.core.dataset import Dataset
from headstart.core.evidence import Cost, Evidence
from headstart.core.metric import named
from headstart.core.model import Model
from headstart.core.strategy import Progress
from headstart.core.task import Task
from headstart.core.words import few
from headstart.data import labels
from headstart.errors import DataError, near
from headstart.measure import intervals, metrics
from headstart.modalities import nouns
from headstart.predict.predictor import Prediction, Predictor, stream, told_unread
from headstart.tasks.base import Labels, Places

WHOLE_TABLE = 100
"""Up to this many classes the confusion table is part of the JSON; the worst pairs always are."""
PAIRS = 10
TOLD = frozenset({"HS315", "HS316", "HS318", "HS322"})
"""Findings on how the labels were read that belong to what was measured."""
WORK = 20_000_000
"""Cells (resample x item x output) spent on the intervals of metrics that must be recomputed."""
FEWEST = 100
"""Resamples for these, however large the data are."""
NOTHING = Cost()


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a model did on a data set."""

    task: Task
    headline: Evidence
    items: int
    """Labelled items that were measured; an `Evidence` may rest on fewer groups of them."""
    metrics: Mapping[str, Evidence]
    """Every metric of the task by name, the headline one among them."""
    per_class: tuple[Mapping[str, Any], ...]
    """For each label: n, precision, recall, f1 (classification, multi-label; of masks over pixels, with
    iou)."""
    confusion: np.ndarray | None = field(repr=False)
    """int64 `[K, K]`: rows are true classes, columns predicted ones (classification)."""
    unreadable: tuple[tuple[str, str], ...] = ()
    """(id, reason) of items that could not be read; they count in no metric."""
    unlabelled: int = 0
    notes: tuple[str, ...] = ()

    def confused(self, most: int = PAIRS) -> list[dict[str, Any]]:
        """The most frequent mistakes: true label, predicted label, count."""
        return [] if self.confusion is None else confused(self.confusion, self.task.labels, most)

    def to_json(self) -> dict[str, Any]:
        small = self.confusion is not None and len(self.confusion) <= WHOLE_TABLE
        return {
            "task": tasks.told(self.task),
            "n": self.headline.n,
            "unit": self.headline.unit,
            "items": self.items,
            "headline": self.headline.to_json(),
            "metrics": {name: evidence.to_json() for name, evidence in self.metrics.items()},
            "per_class": [dict(row) for row in self.per_class],
            "confusion": self.confusion.tolist() if small and self.confusion is not None else None,
            "confused": self.confused(),
            "unreadable": [{"id": ident, "error": reason} for ident, reason in self.unreadable],
            "unlabelled": self.unlabelled,
            "notes": list(self.notes),
        }


def evaluate(
    model: Model | Predictor,
    dataset: Dataset,
    *,
    seed: int = 0,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> Evaluation:
    """Predict the labelled rows of `dataset` and compare; labels are matched by name.

    Raises `DataError` when the data has no labels, another kind of task, or labels that the model
    does not know, and when no item can be read.
    """
    predictor = model if isinstance(model, Predictor) else Predictor(model)
    task = predictor.model.task
    dataset = dataset.with_levels(predictor.model.input.levels)
    truth = align(dataset, task)
    rows = np.flatnonzero(dataset.labelled)
    start = time.perf_counter()
    found, predictions = answered(predictor, dataset, rows, batch_size=batch_size, progress=progress)
    good = [place for place, row in enumerate(found) if not row.error]
    cost = Cost(1.0, time.perf_counter() - start)
    unread = told_unread(found, len(found))
    done = judged(
        predictor.model, dataset, rows[good], predictions, truth[good], seed=seed, cost=cost, unread=unread
    )
    return replace(done, unreadable=tuple((row.id, row.error) for row in found if row.error))


def answered(
    predictor: Predictor,
    dataset: Dataset,
    rows: np.ndarray,
    *,
    batch_size: int | None = None,
    progress: Progress | None = None,
) -> tuple[list[Prediction], np.ndarray]:
    """What a model says of rows (int64): the answers, of which those that are no numbers are let go, and
    those of all that could be read as `judged` takes them. Raises `DataError` where none could."""
    found, packed, methods = [], [], tasks.for_task(predictor.model.task)
    for given in stream(predictor, [dataset.items[i] for i in rows], batch_size=batch_size):
        found.append(given)
        if methods.form and not given.error:  # kept small, and its scores let go
            packed.append(methods.kept(given.answer) if isinstance(methods, Places) else given.answer)
            found[-1] = replace(given, answer=None, scores=None)
        if progress is not None:
            progress("evaluate", len(found), len(rows))
    lost = next((row.error for row in found if row.error), "")
    if all(row.error for row in found):
        raise DataError(dataset.origin or dataset.name, f"no item can be read; the first: {lost}")
    scores = [row.scores for row in found if row.scores is not None]
    return found, np.stack(scores).astype(np.float64) if scores else column(packed)


def judged(
    model: Model,
    dataset: Dataset,
    rows: np.ndarray,
    predictions: np.ndarray,
    truth: np.ndarray,
    *,
    seed: int = 0,
    cost: Cost = NOTHING,
    unread: str = "",
) -> Evaluation:
    """What a model's answers are worth: `predictions` float64 `[n, K]` (or an object array `[n]`) for rows
    (int64) of `dataset`, whose labels in the model's numbering are `truth`. `unread`: what of the items it
    did not see, in words."""
    task = model.task
    record = {"seed": seed, "data": dataset.fingerprint, "model": model.fingerprint(), "cost": cost}
    groups = None if dataset.groups is None else dataset.groups[rows]
    measured = measure(task, truth, predictions, groups=groups, record=record)
    classes, confusion = by_class(task, truth, predictions)
    return Evaluation(
        task=task,
        headline=measured[task.metric],
        items=len(rows),
        metrics=measured,
        per_class=tuple(classes),
        confusion=confusion,
        unlabelled=len(dataset) - int(dataset.labelled.sum()),
        notes=(
            *notes(model, dataset, unread),
            *alike(task, truth),
            *(n.message for n in dataset.notes if n.code in TOLD),
        ),
    )


def align(dataset: Dataset, task: Task) -> np.ndarray:
    """The labels of the labelled rows in the model's numbering. Raises `DataError`."""
    where = dataset.origin or dataset.name
    if dataset.task is None or not dataset.labelled.any():
        raise DataError(
            where, "there are no labels to compare with", "name the label column, or use class folders"
        )
    given, y = dataset.task, dataset.targets[dataset.labelled]
    methods, own = tasks.for_task(task), tasks.for_task(given)
    labelled = isinstance(methods, Labels)
    if given.kind != task.kind and not (labelled and own.exclusive):
        raise DataError(where, f"its labels are for {given.kind}, and this model is for {task.kind}")
    if not labelled:
        return methods.renumbered(y, {}, task.outputs)
    used = np.flatnonzero(own.occurring(y, given.outputs))
    meant = labels.match([given.labels[i] for i in used], task.labels, several=not methods.exclusive)
    unknown = [given.labels[i] for i in used if given.labels[i] not in meant]
    if unknown:
        named = few(unknown, each=repr)
        hint = near(unknown[0], task.labels) or f"; it knows {few(task.labels, each=repr)}"
        raise DataError(where, f"the model does not know {len(unknown)} of its labels: {named}{hint}")
    number = {label: i for i, label in enumerate(task.labels)}
    places = {int(i): [number[label] for label in meant[given.labels[i]]] for i in used}
    return methods.renumbered(y, places, task.outputs)


def measure(
    task: Task,
    y: np.ndarray,
    predictions: np.ndarray,
    *,
    groups: np.ndarray | None,
    record: Mapping[str, Any],
) -> dict[str, Evidence]:
    """Every metric of the task with its 95 % interval: Wilson for accuracy, else a bootstrap."""
    judged = tasks.score_of(task)
    values = tasks.for_task(task).metrics(task, y, predictions)
    values.setdefault(task.metric, judged.value(y, predictions))
    count = int(np.clip(WORK // max(1, predictions.size), FEWEST, 400))
    parts = [(np.arange(len(y)), predictions)]
    around = spreads(task, parts, y, values, groups=groups, count=count, seed=record["seed"])
    shared = judged.per_item(y, predictions) is not None

    def headline(weights: np.ndarray) -> np.ndarray:
        better = judged.resampled(y, predictions, weights)  # higher is better, whatever the metric
        return better if task.higher_is_better else -better

    # what is recomputed on every resample costs as much as the other metrics do
    most = 2000 if shared else int(np.clip(WORK // max(1, predictions.size), FEWEST, 2000))

    def draw(groups: np.ndarray | None) -> intervals.Interval:
        bias = None if shared else values[task.metric]
        return intervals.bootstrap(
            headline, len(y), groups=groups, count=most, seed=record["seed"], around=bias
        )

    found = {}
    for name, value in values.items():
        interval = around[name]
        if name == "accuracy" and groups is None:
            interval = intervals.wilson(value * len(y), len(y))
        elif name == task.metric:
            drawn = interval = draw(groups)
            if groups is not None:
                items = intervals.wilson(value * len(y), len(y)) if name == "accuracy" else draw(None)
                interval = intervals.of_few(interval, items, value, within=named(name).range)
            interval = intervals.doubted(name, drawn, interval, value)
        found[name] = Evidence(name, value, **vars(interval.holding(value)), **record)
    return found


def spreads(
    task: Task,
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    y: np.ndarray,
    values: Mapping[str, float],
    *,
    groups: np.ndarray | None,
    count: int,
    seed: int,
) -> dict[str, intervals.Interval]:
    """By metric: the 95 % interval of each of `values` from resamples of items or groups; see `resampled`.

    What resamples are too large or too small by is taken off where they are known to be: in metrics that are
    `overstated`, and in means over labels.
    """
    methods = tasks.get(task.kind)
    leaning = {name for name in values if named(name).overstated}.union(
        *(methods.over_labels(y[rows], p) for rows, p in parts[:1])
    )

    def draw(unit: np.ndarray, n: int, over: str) -> dict[str, intervals.Interval]:
        drawn = resampled(task, parts, y, unit, count=count, seed=seed)
        return {
            name: intervals.percentiles(
                drawn.get(name, np.zeros(0)),
                level=0.95,
                n=n,
                over=over,
                around=value if name in leaning else None,
                within=named(name).range,
            ).holding(value)
            for name, value in values.items()
        }

    found = drawn = draw(*intervals.units(len(y), groups), "items" if groups is None else "groups")
    if groups is not None and min(one.n for one in found.values()) < intervals.FEW_UNITS:
        alone = draw(*intervals.units(len(y), None), "items")
        found = {
            name: intervals.of_few(one, alone[name], values[name], within=named(name).range)
            for name, one in found.items()
        }
    return {
        name: intervals.doubted(name, drawn[name], one, values[name]).holding(values[name])
        for name, one in found.items()
    }


def resampled(
    task: Task,
    parts: Sequence[tuple[np.ndarray, np.ndarray]],
    y: np.ndarray,
    unit: np.ndarray,
    *,
    count: int,
    seed: int,
) -> dict[str, np.ndarray]:
    """By metric: its values on `count` bootstrap resamples of units, NaN where it is not defined.

    `parts` are repeats: (rows int64 `[m]` of `y`, predictions `[m, K]`). The resamples take turns with
    them, so that the spread is that of one repeat: as wide as that of their mean, or a little wider.
    `unit` int64 `[N]`: the item or group that a row is drawn with. In a mean over labels those of the whole
    count: one that a resample has lost has there what it has of the whole.
    """
    methods = tasks.get(task.kind)
    whole = [methods.over_labels(y[rows], predictions) for rows, predictions in parts]
    found: list[dict[str, float]] = []
    blocks = intervals.resamples(int(unit.max()) + 1, count, seed=seed)
    for block in (items for drawn in blocks for items in intervals.spread(drawn, unit)):
        turns = (len(found) + np.arange(len(block))) % len(parts)
        quick = [
            methods.over_labels_resampled(y[rows], predictions, block[turns == part][:, rows])
            for part, (rows, predictions) in enumerate(parts)
        ]
        for place, part in enumerate(turns.tolist()):
            rows, predictions = parts[part]
            drawn = np.repeat(np.arange(len(rows)), block[place, rows].astype(np.int64))
            if not len(drawn):
                found.append({})
                continue
            truth, said = y[rows[drawn]], predictions[drawn]
            mine = np.count_nonzero(turns[:place] == part)
            each = {name: values[mine] for name, values in quick[part].items()}
            each |= methods.over_labels(truth, said, but=each)
            there = tasks.for_task(task).occurring(truth, task.outputs)
            each = {name: _filled(whole[part][name], values, there) for name, values in each.items()}
            found.append(methods.metrics(task, truth, said, each))
    names = {task.metric, *(name for values in found for name in values)}
    return {name: np.array([values.get(name, np.nan) for values in found]) for name in names}


def _filled(whole: np.ndarray, each: np.ndarray, there: np.ndarray) -> np.ndarray:
    """Each label's value on a resample float64 `[K]`, that of the whole where the resample lost the label."""
    lost = np.isnan(each) | (~there if len(there) == len(each) else False)
    return np.where(np.isnan(whole), np.nan, np.where(lost, whole, each))


def by_class(
    task: Task, y: np.ndarray, predictions: np.ndarray
) -> tuple[list[dict[str, Any]], np.ndarray | None]:
    """(a row for each label, confusion table); nothing for regression, and of maps no table."""
    methods = tasks.for_task(task)
    if isinstance(methods, Places):
        return methods.per_class(task, y, predictions), None
    if not isinstance(methods, Labels):
        return [], None
    has, chosen = methods.membership(y, task.outputs), methods.decided(predictions)
    hits, true, said = ((has & chosen).sum(axis=0), has.sum(axis=0), chosen.sum(axis=0))
    confusion = metrics.confusion(y, predictions) if methods.exclusive else None
    rows = []
    for label, hit, n, m in zip(task.labels, hits, true, said, strict=True):
        recall = intervals.wilson(float(hit), int(n)) if n else None
        rows.append(
            {
                "label": label,
                "n": int(n),
                "predicted": int(m),
                "precision": float(hit / m) if m else None,
                "recall": float(hit / n) if n else None,
                "recall_low": recall.low if recall else None,
                "recall_high": recall.high if recall else None,
                "f1": float(2 * hit / (n + m)) if n + m else None,
            }
        )
    return rows, confusion


def confused(confusion: np.ndarray, labels: Sequence[str], most: int = PAIRS) -> list[dict[str, Any]]:
    """The most frequent mistakes of a table int64 `[K, K]`: true label, predicted label, count."""
    wrong = confusion * ~np.eye(len(confusion), dtype=bool)
    order = np.argsort(-wrong, axis=None, kind="stable")[:most]
    rows, columns = np.unravel_index(order, wrong.shape)
    return [
        {"true": labels[r], "predicted": labels[c], "count": int(wrong[r, c])}
        for r, c in zip(rows, columns, strict=True)
        if wrong[r, c]
    ]


def alike(task: Task, y: np.ndarray) -> tuple[str, ...]:
    """That all items have the same labels, so that no number says how well these are told from others."""
    methods = tasks.for_task(task)
    if methods.differ(y):
        return ()
    label = methods.value(task, y[0])
    return (f"all items are labelled {label!r}: no number says how well that is told from anything else",)


def notes(model: Model, dataset: Dataset, unread: str) -> tuple[str, ...]:
    """What a reader must know: above all, whether the model was trained on these very items."""
    more = (unread,) if unread else ()
    about = model.evidence.get("data")
    known = about if isinstance(about, Mapping) else {"fingerprint": about}
    if dataset.fingerprint not in (known.get("fingerprint"), known.get("learnt")):
        return more
    _, several = nouns(dataset.modality, pairs=dataset.pairs)
    said = f"the model was trained on this very data: these numbers say nothing about new {several}"
    return (said, *more)

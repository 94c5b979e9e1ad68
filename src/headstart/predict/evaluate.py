"""Evaluate: how good a model is on labelled data, each number with its interval."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import words
from headstart.core.dataset import Dataset
from headstart.core.evidence import Cost, Evidence
from headstart.core.model import Model
from headstart.core.strategy import Progress
from headstart.core.task import CLASSIFICATION, MULTILABEL, REGRESSION, Task, differ, occurs
from headstart.data import labels
from headstart.errors import DataError, near
from headstart.measure import intervals, metrics
from headstart.modalities import nouns
from headstart.predict.predictor import Prediction, Predictor, stream, told_unread

WHOLE_TABLE = 100
"""Up to this many classes the confusion table is part of the JSON; the worst pairs always are."""
PAIRS = 10
OVERSTATED = frozenset({"ECE"})
"""Metrics that resamples make larger: twice the same item in a bin is twice the same error."""
TOLD = frozenset({"HS315", "HS316", "HS318", "HS322"})
"""Findings on how the labels were read that belong to what was measured."""
WORK = 20_000_000
"""Cells (resample x item x output) spent on the intervals of metrics that must be recomputed."""
FEWEST = 100
"""Resamples for these, however large the data are."""


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
    """For each label: n, precision, recall, f1 (classification, multi-label)."""
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
            "task": self.task.to_json(),
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
    if not len(rows):
        raise DataError(dataset.origin or dataset.name, "there are no labels to compare with")
    start = time.perf_counter()
    found, unreadable = [], []
    for row in stream(predictor, [dataset.items[i] for i in rows], batch_size=batch_size):
        found.append(row)
        if row.error:
            unreadable.append((row.id, row.error))
        if progress is not None:
            progress("evaluate", len(found), len(rows))
    good = [place for place, row in enumerate(found) if not row.error]
    if not good:
        raise DataError(dataset.origin or dataset.name, f"no item can be read; the first: {unreadable[0][1]}")
    predictions = np.stack([row.scores for row in found if row.scores is not None]).astype(np.float64)
    kept = rows[good]
    record = {
        "seed": seed,
        "data": dataset.fingerprint,
        "model": predictor.model.fingerprint(),
        "cost": Cost(1.0, time.perf_counter() - start),
    }
    groups = None if dataset.groups is None else dataset.groups[kept]
    measured = measure(task, truth[kept], predictions, groups=groups, record=record)
    classes, confusion = by_class(task, truth[kept], predictions)
    return Evaluation(
        task=task,
        headline=measured[task.metric],
        items=len(kept),
        metrics=measured,
        per_class=tuple(classes),
        confusion=confusion,
        unreadable=tuple(unreadable),
        unlabelled=len(dataset) - len(rows),
        notes=(
            *notes(predictor.model, dataset, found),
            *alike(task, truth[kept]),
            *(n.message for n in dataset.notes if n.code in TOLD),
        ),
    )


def align(dataset: Dataset, task: Task) -> np.ndarray:
    """The data set's labels in the model's numbering. Raises `DataError`."""
    where = dataset.origin or dataset.name
    if dataset.task is None or dataset.y is None:
        raise DataError(
            where, "there are no labels to compare with", "name the label column, or use class folders"
        )
    given, y = dataset.task, dataset.y
    if given.kind != task.kind and not (given.kind == CLASSIFICATION and task.kind == MULTILABEL):
        raise DataError(where, f"its labels are for {given.kind}, and this model is for {task.kind}")
    if task.kind == REGRESSION:
        return np.asarray(y, dtype=np.float64)
    used = _used(y, given)
    meant = labels.match([given.labels[i] for i in used], task.labels, several=task.kind == MULTILABEL)
    unknown = [given.labels[i] for i in used if given.labels[i] not in meant]
    if unknown:
        named = ", ".join(map(repr, unknown[:5])) + (" ..." if len(unknown) > 5 else "")
        hint = near(unknown[0], task.labels) or f"; it knows {', '.join(map(repr, task.labels[:5]))}" + (
            " ..." if task.outputs > 5 else ""
        )
        raise DataError(where, f"the model does not know {len(unknown)} of its labels: {named}{hint}")
    number = {label: i for i, label in enumerate(task.labels)}
    places = {int(i): [number[label] for label in meant[given.labels[i]]] for i in used}
    if task.kind == CLASSIFICATION:
        first = np.array([places.get(i, [-1])[0] for i in range(given.outputs)], dtype=np.int64)
        return np.where(y >= 0, first[np.maximum(y, 0)], -1)
    out = np.zeros((len(y), task.outputs), dtype=np.float32)
    for i, there in places.items():
        rows = np.flatnonzero(y == i if given.kind == CLASSIFICATION else y[:, i] == 1)
        out[rows[:, None], np.array(there)] = 1
    out[~dataset.labelled] = np.nan
    return out


def _used(y: np.ndarray, task: Task) -> np.ndarray:
    """Numbers of the labels that occur."""
    if task.kind == CLASSIFICATION:
        return np.unique(y[y >= 0])
    return np.flatnonzero((np.nan_to_num(y) > 0).any(axis=0))


def measure(
    task: Task,
    y: np.ndarray,
    predictions: np.ndarray,
    *,
    groups: np.ndarray | None,
    record: Mapping[str, Any],
) -> dict[str, Evidence]:
    """Every metric of the task with its 95 % interval: Wilson for accuracy, else a bootstrap."""
    methods = tasks.get(task.kind)
    values = methods.metrics(task, y, predictions)
    values.setdefault(task.metric, methods.headline(y, predictions))
    count = int(np.clip(WORK // max(1, predictions.size), FEWEST, 400))
    parts = [(np.arange(len(y)), predictions)]
    around = spreads(task, parts, y, values, groups=groups, count=count, seed=record["seed"])
    shared = methods.per_item(y, predictions) is not None

    def headline(weights: np.ndarray) -> np.ndarray:
        better = methods.resampled(y, predictions, weights)  # higher is better, whatever the metric
        return better if task.higher_is_better else -better

    # what is computed anew on every resample costs as much as the other metrics do
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
                interval = intervals.of_few(interval, items, value, within=words.bounds(name))
            interval = intervals.doubted(name, drawn, interval, value)
        interval = interval.holding(value)
        found[name] = Evidence(
            name,
            value,
            interval.low,
            interval.high,
            n=interval.n,
            unit=interval.unit,
            level=0.95,
            method=interval.method,
            **record,
        )
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

    What resamples are too large or too small by is taken off where they are known to be: `OVERSTATED`, and
    means over labels.
    """
    methods = tasks.get(task.kind)
    leaning = OVERSTATED.union(*(methods.over_labels(y[rows], p) for rows, p in parts[:1]))

    def draw(unit: np.ndarray, n: int, over: str) -> dict[str, intervals.Interval]:
        drawn = resampled(task, parts, y, unit, count=count, seed=seed)
        return {
            name: intervals.percentiles(
                drawn.get(name, np.zeros(0)),
                level=0.95,
                n=n,
                over=over,
                around=value if name in leaning else None,
                within=words.bounds(name),
            ).holding(value)
            for name, value in values.items()
        }

    found = drawn = draw(*intervals.units(len(y), groups), "items" if groups is None else "groups")
    if groups is not None and min(one.n for one in found.values()) < intervals.FEW_UNITS:
        alone = draw(*intervals.units(len(y), None), "items")
        found = {
            name: intervals.of_few(one, alone[name], values[name], within=words.bounds(name))
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
    for block in intervals.resamples(int(unit.max()) + 1, count, seed=seed):
        for weights in block:
            part = len(found) % len(parts)
            rows, predictions = parts[part]
            drawn = np.repeat(np.arange(len(rows)), weights[unit[rows]].astype(np.int64))
            if not len(drawn):
                found.append({})
                continue
            truth, said = y[rows[drawn]], predictions[drawn]
            each = methods.over_labels(truth, said)
            there = occurs(truth, task.outputs)
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
    """(a row for each label, confusion table); nothing for regression."""
    if task.kind == REGRESSION:
        return [], None
    confusion = None
    if task.kind == CLASSIFICATION:
        confusion = metrics.confusion(y, predictions)
        hits, true, said = np.diag(confusion), confusion.sum(axis=1), confusion.sum(axis=0)
    else:
        yes, chosen = y > 0.5, predictions >= 0.5
        hits, true, said = (yes & chosen).sum(axis=0), yes.sum(axis=0), chosen.sum(axis=0)
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
    if differ(y):
        return ()
    first = np.eye(task.outputs)[y[:1]] if y.dtype.kind == "i" else y[:1].reshape(1, -1)
    label = tasks.get(task.kind).decode(task, first)
    return (f"all items are labelled {label[0]!r}: no number says how well that is told from anything else",)


def notes(model: Model, dataset: Dataset, rows: Sequence[Prediction] = ()) -> tuple[str, ...]:
    """What a reader must know: above all, whether the model was trained on these very items."""
    cut = told_unread(rows, len(rows))
    more = (cut,) if cut else ()
    about = model.evidence.get("data")
    known = about if isinstance(about, Mapping) else {"fingerprint": about}
    if dataset.fingerprint in (known.get("fingerprint"), known.get("learnt")):
        _, several = nouns(dataset.modality, pairs=dataset.pairs)
        said = f"the model was trained on this very data: these numbers say nothing about new {several}"
        return (said, *more)
    return more

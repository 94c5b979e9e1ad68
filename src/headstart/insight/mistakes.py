"""Where the shipped arm was wrong, and where it is rather the label that looks wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import words
from headstart.core.dataset import Dataset
from headstart.core.task import CLASSIFICATION, MULTILABEL, REGRESSION, Task
from headstart.measure.label_errors import suspects
from headstart.measure.metrics import above_chance

MISTAKES = 16
LABEL_ERRORS = 24
"""Most of each that are told."""


def badness(task: Task, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """float64 `[n]`: how far off each prediction is: confidence in the wrong, or distance."""
    if task.kind == CLASSIFICATION:
        return np.asarray(predictions.max(axis=1) - predictions[np.arange(len(truth)), truth])
    return np.asarray(np.abs(truth.reshape(len(truth), -1) - predictions).mean(axis=1))


def wrong(task: Task, truth: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """bool `[n]`: which answers are not the truth (of several labels: not exactly; of numbers: at all)."""
    if task.kind == MULTILABEL:
        return np.asarray(((predictions >= 0.5) != (truth > 0.5)).any(axis=1))
    return badness(task, truth, predictions) > 0


def true_label(task: Task, value: Any) -> Any:
    """A target in the form in which predictions are decoded."""
    if task.kind == CLASSIFICATION:
        return task.labels[int(value)]
    if task.kind == REGRESSION:
        return float(value)
    return [label for label, on in zip(task.labels, value, strict=True) if on > 0]


def text(label: Any) -> str:
    """A label, a list of labels or a number as a person reads it."""
    if isinstance(label, float):
        return words.plain(label)
    return ", ".join(map(str, label)) or "none" if isinstance(label, list | tuple) else str(label)


def told(label: Any) -> str | float:
    """A label as insight.json holds it: a number stays one, several labels become one text."""
    return label if isinstance(label, float) else text(label)


def worst(dataset: Dataset, task: Task, rows: np.ndarray, predictions: np.ndarray) -> list[dict[str, Any]]:
    """The mistakes, the most confident (or the farthest off) first; `predictions` `[n, K]` of `rows`."""
    assert dataset.y is not None
    truth = dataset.y[rows]
    off = badness(task, truth, predictions)
    order = np.argsort(-off, kind="stable")
    order = order[wrong(task, truth, predictions)[order]][:MISTAKES]
    decoded = tasks.for_task(task).decode(task, predictions[order])
    sure = _confidence(task, truth[order], predictions[order])
    return [
        {
            "row": int(rows[i]),
            "id": dataset.items[rows[i]].id,
            "said": told(label),
            "is": told(true_label(task, truth[i])),
            "confidence": confidence,
        }
        for i, label, confidence in zip(order, decoded, sure, strict=True)
    ]


def _confidence(task: Task, truth: np.ndarray, predictions: np.ndarray) -> list[float | None]:
    """Probability of what was said; of several labels that of the label that is the farthest off."""
    if task.kind == REGRESSION:
        return [None] * len(truth)
    if task.kind == CLASSIFICATION:
        return [float(value) for value in predictions.max(axis=1)]
    return [float(value) for value in np.abs(truth - predictions).max(axis=1)]


Doubt = tuple[float, int, tuple[str, str], float, float]
"""(margin, position, (given, suggested), the probability of each)."""


def _doubted(y: np.ndarray, predictions: np.ndarray, labels: Sequence[str]) -> Iterator[Doubt]:
    """Each label of each item that looks wrong; none of labels that the model hardly knows from chance."""
    for label, name in enumerate(labels):
        if not above_chance(y[:, label] > 0.5, predictions[:, label]):
            continue
        on = (y[:, label] > 0.5).astype(np.int64)
        p = np.stack([1 - predictions[:, label], predictions[:, label]], axis=1)
        among = suspects(on, p)
        for row, other, margin in zip(among.rows, among.suggested, among.margin, strict=True):
            said = (name, f"not {name}") if on[row] else (f"not {name}", name)
            yield margin, row, said, p[row, on[row]], p[row, other]


def _once(doubts: Iterable[Doubt]) -> list[Doubt]:
    """One doubt an item, the most suspicious first: its labels together, with what the worst of them has."""
    of: dict[int, list[Doubt]] = {}
    for doubt in sorted(doubts, key=lambda one: one[0]):
        of.setdefault(doubt[1], []).append(doubt)
    return [
        (own[0][0], row, (", ".join(d[2][0] for d in own), ", ".join(d[2][1] for d in own)), *own[0][3:])
        for row, own in of.items()
    ]


def label_errors(
    dataset: Dataset, task: Task, rows: np.ndarray, predictions: np.ndarray
) -> list[dict[str, Any]]:
    """Labels that look wrong, the most suspicious first; none for regression.

    With several labels an item, each is judged by itself, "cat" against "not cat", where the model knows it
    better than chance; an item is named once, with all of its labels that are doubted.
    """
    assert dataset.y is not None
    y = dataset.y[rows]
    found: list[Doubt] = []
    if task.kind == CLASSIFICATION:
        among = suspects(y, predictions)
        for row, other, margin in zip(among.rows, among.suggested, among.margin, strict=True):
            words = (task.labels[y[row]], task.labels[other])
            found.append((margin, row, words, predictions[row, y[row]], predictions[row, other]))
    elif task.kind == MULTILABEL:
        found = _once(_doubted(y, predictions, task.labels))
    return [
        {
            "row": int(rows[row]),
            "id": dataset.items[rows[row]].id,
            "given": given,
            "suggested": suggested,
            "p_given": float(p_given),
            "p_suggested": float(p_suggested),
        }
        for _, row, (given, suggested), p_given, p_suggested in found[:LABEL_ERRORS]
    ]

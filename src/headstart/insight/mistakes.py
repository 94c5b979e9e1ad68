"""Where the shipped arm was wrong, and where it is rather the label that looks wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import words
from headstart.core.dataset import Dataset
from headstart.core.task import Task
from headstart.tasks.base import Confidence, Doubts

MISTAKES = 16
LABEL_ERRORS = 24
"""Most of each that are told."""


def told(label: Any) -> str | float:
    """A label as insight.json holds it: a number stays one, several labels become one text."""
    return label if isinstance(label, float) else words.label(label)


def worst(dataset: Dataset, task: Task, rows: np.ndarray, predictions: np.ndarray) -> list[dict[str, Any]]:
    """The mistakes, the most confident (or the farthest off) first; `predictions` `[n, K]` of `rows`."""
    truth, methods = dataset.targets[rows], tasks.for_task(task)
    order = np.argsort(-methods.off(truth, predictions), kind="stable")
    order = order[methods.wrong(truth, predictions)[order]][:MISTAKES]
    decoded = methods.decode(task, predictions[order])
    sure = [None] * len(order)
    if isinstance(methods, Confidence):
        sure = methods.confidence(truth[order], predictions[order]).tolist()
    return [
        {
            "row": int(rows[i]),
            "id": dataset.items[rows[i]].id,
            "said": told(label),
            "is": told(methods.value(task, truth[i])),
            "confidence": confidence,
        }
        for i, label, confidence in zip(order, decoded, sure, strict=True)
    ]


def label_errors(
    dataset: Dataset, task: Task, rows: np.ndarray, predictions: np.ndarray
) -> list[dict[str, Any]]:
    """Labels that look wrong, the most suspicious first; none where there are no labels."""
    methods = tasks.for_task(task)
    if not isinstance(methods, Doubts):
        return []
    found = methods.doubts(task.labels, dataset.targets[rows], predictions)[:LABEL_ERRORS]
    return [{"row": int(rows[at]), "id": dataset.items[rows[at]].id, **doubt} for at, doubt in found]

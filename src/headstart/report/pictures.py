"""Which items a report shows: some of each class, and those on which the arm was most confidently wrong."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.dataset import Dataset
from headstart.core.strategy import Trial
from headstart.core.task import CLASSIFICATION, Task
from headstart.report import page
from headstart.run import board
from headstart.run.mistakes import badness, text, true_label

MOST = 16
EXAMPLES = 12


def examples(dataset: Dataset, task: Task, *, most: int = EXAMPLES) -> list[dict[str, Any]]:
    """Pictures for `page.render`: labelled items spread evenly, classes in turn."""
    assert dataset.y is not None
    rows = np.flatnonzero(dataset.labelled)
    if task.kind == CLASSIFICATION:
        order = rows[np.argsort(dataset.y[rows], kind="stable")]
        labels = dataset.y[order]
        place = np.arange(len(order)) - np.searchsorted(labels, labels)  # within the class
        rows = order[np.lexsort((labels, place))][:most]
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(np.int64))]
    return [
        shown
        for row in chosen
        if (shown := drawn(dataset, int(row), text(true_label(task, dataset.y[row])))) is not None
    ]


def drawn(dataset: Dataset, row: int, detail: str) -> dict[str, Any] | None:
    """An item as `page.picture` makes it; None when it cannot be drawn."""
    item = dataset.items[row]
    try:
        return page.picture(item.read(), item.id, detail)
    except (OSError, ValueError):
        return None


def choose(trial: Trial, dataset: Dataset, task: Task, *, most: int = MOST) -> list[dict[str, Any]]:
    """Pictures for `page.render`, worst first; none where nothing is wrong.

    Items that cannot be drawn are left out.
    """
    rows, predictions = board.averaged(trial)
    if not len(rows) or dataset.y is None:
        return []
    truth = dataset.y[rows]
    off = badness(task, truth, predictions)
    order = [int(i) for i in np.argsort(off, kind="stable")[::-1][:most] if off[i] > 0]
    if not order:
        return []
    decoded = tasks.for_task(task).decode(task, predictions[order])
    shown = []
    for label, index in zip(decoded, order, strict=True):
        detail = f"said {text(label)}, is {text(true_label(task, truth[index]))}"
        if task.kind == CLASSIFICATION:
            detail += f" ({100 * predictions[index].max():.0f} %)"
        picture = drawn(dataset, int(rows[index]), detail)
        if picture is not None:
            shown.append(picture)
    return shown

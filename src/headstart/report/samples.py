"""The items that a report shows, by their modality, so that it can be drawn again without the data set."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from headstart import modalities, tasks
from headstart.core.dataset import Dataset
from headstart.core.task import Task
from headstart.core.words import label as in_words
from headstart.report import pictures, texts
from headstart.tasks.base import Places, Says

EXAMPLES = 12


def gather(
    dataset: Dataset,
    task: Task,
    insight: Mapping[str, Any],
    *,
    said: Callable[[int], Any] = lambda _: None,
    clock: Callable[[], float] = time.monotonic,
) -> dict[str, Any]:
    """Everything that `insight` names by row, and a few examples, as plain JSON: pictures or texts.

    `items` are by row (as text): what `pictures.item` or `texts.item` gives, id, label. `examples` are rows
    among them. Where answers say where, or are texts (`answers`), `said` gives that of a row, or None. With
    it comes what `of_map` gives. What cannot be opened is left out.
    """
    room = texts if modalities.get(dataset.modality).IN_LINES else pictures
    chosen, methods = examples(dataset, task), tasks.for_task(task)
    rows = [int(entry["row"]) for name in ("mistakes", "label_errors") for entry in insight.get(name) or ()]
    items: dict[str, dict[str, Any]] = {}
    for row in dict.fromkeys([*rows, *chosen]):
        if isinstance(methods, Places):
            found = pictures.beside(dataset, row, said(row), methods, task.outputs)
        else:
            found = room.item(dataset, row)
        if found:
            label = label_of(dataset, task, row)
            named = {"id": dataset.items[row].id, "label": None if label is None else in_words(label)}
            if isinstance(methods, Says) and (answer := said(row)) is not None:
                named["said"] = answer
            items[str(row)] = {**found, **named}
    return {
        "version": 1,
        **({"masks": methods.called} if isinstance(methods, Places) else {}),
        **({"answers": "texts"} if isinstance(methods, Says) else {}),
        "items": items,
        "examples": [row for row in chosen if str(row) in items],
        **room.of_map(dataset, (insight.get("map") or {}).get("points") or [], clock),
    }


def examples(dataset: Dataset, task: Task, *, most: int = EXAMPLES) -> list[int]:
    """Labelled rows spread evenly, classes in turn."""
    rows = np.flatnonzero(dataset.labelled)
    if tasks.for_task(task).exclusive:
        order = rows[np.argsort(dataset.targets[rows], kind="stable")]
        labels = dataset.targets[order]
        place = np.arange(len(order)) - np.searchsorted(labels, labels)  # within the class
        rows = order[np.lexsort((labels, place))][:most]
    chosen = np.unique(np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(np.int64))
    return [int(row) for row in rows[chosen]]


def label_of(dataset: Dataset, task: Task, row: int) -> Any:
    """The label of a row as predictions are decoded; None where it has none."""
    if not dataset.labelled[row]:
        return None
    return tasks.for_task(task).value(task, dataset.targets[row])

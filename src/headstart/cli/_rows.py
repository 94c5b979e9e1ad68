"""Predictions as text: an aligned table, CSV, or JSON. Rows are written as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from headstart import tasks
from headstart.cli._screen import aligned, csv_line
from headstart.cli._screen import as_json as document
from headstart.core.task import Cell, Task
from headstart.core.words import cell
from headstart.errors import BadOption
from headstart.predict.adapting.base import Adaptation
from headstart.predict.answers import as_json
from headstart.predict.predictor import Prediction

Chunks = Iterator[str]


@dataclass(frozen=True)
class Shown:
    """What of a prediction is written."""

    top: int | None = None
    """Only so many labels, with their probabilities."""
    sets: bool = False
    """Label sets as well."""
    texts: tuple[str, ...] | None = None
    """What the rows are about, in their order: a column of its own on the screen."""
    adapted: Adaptation | None = None
    """How the model was brought to the items; in JSON."""


def table(rows: Iterable[Prediction], task: Task, shown: Shown = Shown()) -> Chunks:
    """File, answer, and the probability of the answer (or the `top` best with theirs), aligned; sets and
    texts last."""
    methods = tasks.for_task(task)
    kept = [(row.id, *_cells(row, task, shown.top), *_set(row, shown, " | ")) for row in rows]
    head = ["file", *methods.head(shown.top), *(["set"] if shown.sets else [])]
    if shown.texts is not None:
        head = ["item", *head[1:], "text"]
        kept = [(*row, text) for row, text in zip(kept, shown.texts, strict=True)]
    yield from aligned([tuple(map(cell, line)) for line in (head, *kept)])


def _set(row: Prediction, shown: Shown, between: str) -> list[str]:
    """The label set as one cell, where sets are shown."""
    return [between.join(map(str, row.labels or ()))] if shown.sets else []


def _cells(row: Prediction, task: Task, top: int | None) -> tuple[str, str]:
    scores: Any = row.scores  # none of a text that was written
    if scores is None and row.answer is None:
        return "-", row.error
    if row.abstains:
        return "(abstains)", f"{scores.max():.3f}"
    return tasks.for_task(task).line(task, row.answer, scores, top)


def csv_text(rows: Iterable[Prediction], task: Task, shown: Shown = Shown()) -> Chunks:
    """A header, then a line each: file, answer, probabilities (all, or the `top` best), set, error."""
    cells = partial(tasks.for_task(task).cells, task, top=shown.top)
    names = list(cells(None, np.zeros(task.outputs)))
    yield csv_line(["file", *names, *(["set"] if shown.sets else []), "unread", "error"])
    for row in rows:
        scores: Any = row.scores
        lost = scores is None and row.answer is None
        found = [] if lost else map(_written, cells(row.answer, scores).values())
        told = list(found) or [""] * len(names)
        yield csv_line([row.id, *told, *_set(row, shown, ";"), row.unread, row.error])


def _written(value: Cell) -> str:
    """A cell of a table of text: six digits of a number."""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def json_text(rows: Iterable[Prediction], task: Task, shown: Shown = Shown()) -> Chunks:
    """One document: the task, how the model was adapted where it was, and a list of predictions."""
    yield '{\n  "task": ' + document(tasks.told(task), indent=None)
    if shown.adapted is not None:
        yield ',\n  "adapted": ' + document(shown.adapted.to_json(), indent=None)
    yield ',\n  "predictions": ['
    for number, row in enumerate(rows):
        yield (("," if number else "") + "\n    " + document(as_json(row, task, shown.top), indent=None))
    yield "\n  ]\n}\n"


def coco(rows: Iterable[Prediction], task: Task, shown: Shown = Shown()) -> Chunks:  # noqa: ARG001
    """One document as COCO has it: categories, images, and as annotations the boxes that are said, with their
    scores. Raises `BadOption` for answers that are no boxes."""
    methods: Any = tasks.for_task(task)
    if getattr(methods, "called", "") != "boxes":
        raise BadOption("--format", "coco", f"table, csv or json: answers for {task.kind} are no boxes")
    numbers = {label: number for number, label in enumerate(task.labels, start=1)}
    images: list[dict[str, Any]] = []
    annotations: list[dict[str, Any]] = []
    for row in rows:
        if row.error:
            continue
        told = methods.told(task, row.answer)
        width, height = told["size"]
        images.append({"id": len(images) + 1, "file_name": row.id, "width": width, "height": height})
        for one in told["boxes"]:
            left, top, right, bottom = one["box"]
            sides = [round(right - left, 2), round(bottom - top, 2)]
            annotations.append(
                {
                    "id": len(annotations) + 1, "image_id": len(images), "category_id": numbers[one["label"]],
                    "bbox": [left, top, *sides], "area": round(sides[0] * sides[1], 2), "iscrowd": 0,
                    "score": one["score"],
                }
            )  # fmt: skip
    categories = [{"id": number, "name": label} for label, number in numbers.items()]
    yield document({"images": images, "annotations": annotations, "categories": categories}) + "\n"


FORMATS: dict[str, Callable[[Iterable[Prediction], Task, Shown], Chunks]] = {
    "table": table,
    "csv": csv_text,
    "json": json_text,
    "coco": coco,
}
"""Name -> (rows, task, what to show) -> pieces of text."""

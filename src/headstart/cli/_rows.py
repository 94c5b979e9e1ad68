"""Predictions as text: an aligned table, CSV, or JSON. Rows are written as they come."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from headstart.cli._screen import as_json as document
from headstart.cli._screen import csv_line
from headstart.core.task import MULTILABEL, REGRESSION, Task
from headstart.core.words import cell
from headstart.predict.predictor import Prediction, ranked

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


def table(rows: Iterable[Prediction], task: Task, shown: Shown = Shown()) -> Chunks:
    """File, answer, and the probability of the answer (or the `top` best with theirs), aligned; sets and
    texts last."""
    top = shown.top
    kept = [(row.id, *_cells(row, task, top), *_set(row, shown)) for row in rows]
    head = ["file", *(("value", "") if task.kind == REGRESSION else ("prediction", "probability"))]
    if top is not None or task.kind != REGRESSION:
        head = ["file", "prediction", "probability" if top in (None, 1) and task.kind != MULTILABEL else ""]
    head += ["set"] if shown.sets else []
    if shown.texts is not None:
        head = ["item", *head[1:], "text"]
        kept = [(*row, text) for row, text in zip(kept, shown.texts, strict=True)]
    lines = [tuple(map(cell, line)) for line in (head, *kept)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(lines[0]))]
    for line in lines:
        cells = [text.ljust(width) for text, width in zip(line, widths, strict=True)]
        yield "  ".join(cells).rstrip() + "\n"


def _set(row: Prediction, shown: Shown) -> list[str]:
    """The label set as one cell, where sets are shown."""
    return [" | ".join(map(str, row.labels or ()))] if shown.sets else []


def _cells(row: Prediction, task: Task, top: int | None) -> tuple[str, str]:
    if row.error:
        return "-", row.error
    if row.abstains and row.scores is not None:
        return "(abstains)", f"{row.scores.max():.3f}"
    if task.kind == REGRESSION:
        return f"{row.answer:.6g}", ""
    best = ranked(task, row, top)
    if top is None and task.kind != MULTILABEL:
        return best[0][0], f"{best[0][1]:.3f}"
    if top is None:
        best = best[: len(row.answer)]
    return ", ".join(f"{label} {score:.3f}" for label, score in best) or "none", ""


def csv_text(rows: Iterable[Prediction], task: Task, shown: Shown = Shown()) -> Chunks:
    """A header, then a line each: file, answer, probabilities (all, or the `top` best), set, error."""
    top = shown.top
    more = ["set"] if shown.sets else []
    yield csv_line([*_columns(task, top)[:-1], *more, "unread", "error"])
    for row in rows:
        sets = [";".join(map(str, row.labels or ())) for _ in more]
        yield csv_line([row.id, *_values(row, task, top), *sets, row.unread, row.error])


def _columns(task: Task, top: int | None) -> list[str]:
    if task.kind == REGRESSION:
        return ["file", "value", "error"]
    if top is None:
        head = ["labels"] if task.kind == MULTILABEL else ["label", "probability"]
        return ["file", *head, *(f"p:{label}" for label in task.labels), "error"]
    best = range(1, min(top, task.outputs) + 1)
    return ["file", *(name for k in best for name in (f"label_{k}", f"probability_{k}")), "error"]


def _values(row: Prediction, task: Task, top: int | None) -> list[Any]:
    width = len(_columns(task, top)) - 2
    if row.scores is None:
        return [""] * width
    if task.kind == REGRESSION:
        return [_number(row.scores[0])]
    if top is not None:
        return [value for label, score in ranked(task, row, top) for value in (label, _number(score))]
    scores = [_number(score) for score in row.scores]
    if task.kind == MULTILABEL:
        return [";".join(map(str, row.answer)), *scores]
    return ["" if row.answer is None else ranked(task, row, 1)[0][0], _number(row.scores.max()), *scores]


def _number(value: Any) -> str:
    return f"{float(value):.6g}"


def json_text(rows: Iterable[Prediction], task: Task, shown: Shown = Shown()) -> Chunks:
    """One document: the task, and a list of predictions."""
    yield '{\n  "task": ' + document(task.to_json(), indent=None) + ',\n  "predictions": ['
    for number, row in enumerate(rows):
        yield (("," if number else "") + "\n    " + document(as_json(row, task, shown.top), indent=None))
    yield "\n  ]\n}\n"


def as_json(row: Prediction, task: Task, top: int | None = None) -> dict[str, Any]:
    """One prediction: id and answer with its probabilities, or id and error."""
    if row.error:
        return {"id": row.id, "error": row.error}
    if task.kind == REGRESSION:
        return {"id": row.id, "value": float(row.answer)}
    best = {label: round(score, 6) for label, score in ranked(task, row, top)}
    name = "labels" if task.kind == MULTILABEL else "label"
    more: dict[str, Any] = {} if row.labels is None else {"set": list(row.labels)}
    if row.abstains:
        more["abstains"] = True
    if row.unread:
        more["unread"] = row.unread
    return {"id": row.id, name: row.answer, "probabilities": best, **more}


FORMATS: dict[str, Callable[[Iterable[Prediction], Task, Shown], Chunks]] = {
    "table": table,
    "csv": csv_text,
    "json": json_text,
}
"""Name -> (rows, task, what to show) -> pieces of text."""

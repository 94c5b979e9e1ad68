"""A prediction as plain JSON: the same from the command line, the server and whatever comes next."""

from __future__ import annotations

from typing import Any

from headstart import tasks
from headstart.core.task import Task
from headstart.predict.predictor import Prediction


def as_json(row: Prediction, task: Task, top: int | None = None) -> dict[str, Any]:
    """One prediction: id and answer with its probabilities, or id and error."""
    if row.scores is None and row.answer is None:
        return {"id": row.id, "error": row.error}
    more: dict[str, Any] = {} if row.labels is None else {"set": list(row.labels)}
    if row.abstains:
        more["abstains"] = True
    methods: Any = tasks.for_task(task)
    if row.drawing:
        more[methods.drawing] = row.drawing
    if row.unread:
        more["unread"] = row.unread
    if row.tiles > 1:
        more["tiles"] = row.tiles
    if row.segments:
        more["segments"] = [segment.to_json() for segment in row.segments]
    return {"id": row.id, **methods.to_json(task, row.answer, row.scores, top), **more}

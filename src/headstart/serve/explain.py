"""What mattered for one answer, as the page shows it: words, or parts of the picture."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
from PIL import Image

from headstart import modalities, tasks
from headstart.core.dataset import Item
from headstart.core.model import Model
from headstart.core.task import Task
from headstart.errors import BadOption, DataError
from headstart.predict import occlusion, saliency
from headstart.predict.predictor import Answering, wants_pairs
from headstart.predict.preparing import ready
from headstart.predict.question import Question
from headstart.tasks.base import Places, Says


def explains(model: Model) -> bool:
    """Whether it can be told what mattered: of labels and numbers, for words and pictures."""
    room, methods = modalities.get(model.input.modality), tasks.for_task(model.task)
    if isinstance(methods, Places | Says):
        return False
    return room.IN_WORDS or occlusion.is_picture(room.dummy_batch(model.input, 1)[0])


def explain(predictor: Answering, item: Item) -> dict[str, Any]:
    """Every word left out, or every part covered, in turn.

    Raises `DataError` for an item that cannot be read, `BadOption` for a model of which this cannot be told.
    """
    task, contract = predictor.model.task, predictor.model.input
    room = modalities.get(contract.modality)
    if not explains(predictor.model):
        problem = f"{task.kind} of {room.NOUN}s"
        raise BadOption("explain", problem, "asked of a model that gives images or texts labels or a number")
    prepared = ready(item, contract, wants_pairs(predictor.model))
    if prepared.content is None:
        raise DataError(item.id, prepared.error)
    scores = predictor.scores(room.collate([prepared.content]))[0]
    question = _question(task, scores)
    if room.IN_WORDS:
        found = saliency.effects(predictor, room.open_item(item.read()), question)
        assert found is not None
        return saliency.told(question, room.open_item(item.read()), *found)
    grid, _ = occlusion.effects(predictor, prepared.content, question)
    return {
        "said": question.said,
        "effects": [[round(float(value), 4) for value in row] for row in grid],
        "view": _png(prepared.content),
        "sentence": f"Each of {grid.size} parts was covered in turn. Blue parts speak for {question.said}: "
        "without them the model says it less surely. Orange ones speak against it.",
    }


def _question(task: Task, scores: np.ndarray) -> Question:
    column = int(np.argmax(scores))
    return Question(column, task.labels[column], kind=task.kind)


def _png(prepared: np.ndarray) -> str:
    """uint8 `[3, H, W]` as a data address."""
    buffer = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(prepared.transpose(1, 2, 0))).save(buffer, "PNG")
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()

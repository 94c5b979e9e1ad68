"""Answers that say where, drawn: masks as PNG files with a palette, boxes on the images themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from headstart import modalities, tasks
from headstart.core.dataset import Item
from headstart.core.files import open_atomic
from headstart.core.model import Model
from headstart.errors import BadOption, PathError
from headstart.predict.predictor import Prediction
from headstart.tasks.base import Places


def written(
    rows: Iterable[Prediction], items: Sequence[Item], model: Model, folder: Path, called: str
) -> Iterator[Prediction]:
    """The rows, each with the file in `folder` that its answer was drawn to; `items` are in their order.

    `called` is what was asked for, "masks" or "boxes". Raises `BadOption` for a model that gives no such
    answers, `PathError` for a folder that cannot be written.
    """
    task = model.task
    methods = tasks.for_task(task)
    if not isinstance(methods, Places) or methods.called != called:
        raise BadOption(f"--{called}", folder, f"left out: a model for {task.kind} draws no {called}")
    room: Any = modalities.get(model.input.modality)
    taken: set[str] = set()
    for row, item in zip(rows, items, strict=True):
        if row.error:
            yield row
            continue

        def pixels(item: Item = item) -> np.ndarray:
            return np.asarray(room.shown(room.open_item(item.read(), model.input.levels))[0])

        place = folder / _name(row.id, taken)
        _write(place, methods.drawn(row.answer, pixels, task.outputs))
        yield replace(row, drawing=str(place))


def _name(ident: str, taken: set[str]) -> str:
    """A file name inside the folder that no other drawing has."""
    parts = [part for part in PurePosixPath(ident.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    stem = PurePosixPath(parts[-1] if parts else "drawing").stem or "drawing"
    name, number = f"{stem}.png", 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}.png"
    taken.add(name.lower())
    return name


def _write(path: Path, image: Any) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_atomic(path) as file:
            image.save(file, format="PNG")
    except OSError as error:
        raise PathError(path, f"cannot be written: {error.strerror or error}") from None

"""Masks that were predicted, as PNG files with a palette, in the size of their images."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path, PurePosixPath

import numpy as np

from headstart import tasks
from headstart.core.files import open_atomic
from headstart.core.maps import palette
from headstart.core.task import Task
from headstart.errors import BadOption, PathError
from headstart.predict.predictor import Prediction
from headstart.tasks.base import Places


def written(rows: Iterable[Prediction], task: Task, folder: Path) -> Iterator[Prediction]:
    """The rows, each with the file in `folder` that its mask was written to.

    Raises `BadOption` for a model without masks, `PathError` for a folder that cannot be written.
    """
    if not isinstance(tasks.for_task(task), Places):
        raise BadOption("--masks", folder, f"left out: a model for {task.kind} draws no masks")
    colours = palette(task.outputs).ravel().tolist()
    taken: set[str] = set()
    for row in rows:
        if not isinstance(row.answer, np.ndarray):
            yield row
            continue
        place = folder / _name(row.id, taken)
        _write(place, row.answer, colours)
        yield replace(row, mask=str(place))


def _name(ident: str, taken: set[str]) -> str:
    """A file name inside the folder that no other mask has."""
    parts = [part for part in PurePosixPath(ident.replace("\\", "/")).parts if part not in ("/", "..", ".")]
    stem = PurePosixPath(parts[-1] if parts else "mask").stem or "mask"
    name, number = f"{stem}.png", 1
    while name.lower() in taken:
        number += 1
        name = f"{stem}-{number}.png"
    taken.add(name.lower())
    return name


def _write(path: Path, mask: np.ndarray, colours: list[int]) -> None:
    from PIL import Image

    image = Image.fromarray(mask)
    image.putpalette(colours)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open_atomic(path) as file:
            image.save(file, format="PNG")
    except OSError as error:
        raise PathError(path, f"cannot be written: {error.strerror or error}") from None

"""Images in memory, with their labels: arrays, Pillow images, or paths."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from headstart.core.dataset import ArrayItem, Dataset, FileItem, Item, Note
from headstart.core.task import MULTILABEL
from headstart.data import labels
from headstart.data.reading import Reading
from headstart.errors import BadOption, DataError
from headstart.modalities.image import as_array

WHERE = "the images given"


def accepts(data: Any) -> bool:
    """An array, or a sequence that is no text."""
    return hasattr(data, "__array__") or (isinstance(data, Sequence) and not isinstance(data, (str, bytes)))


def read(data: Any, reading: Reading) -> Dataset:
    """A data set from images in memory. Raises `DataError` for what is no image or does not fit."""
    if reading.names_columns:
        raise BadOption("a column", "named", "left out: images in memory have no columns")
    items = _from_block(np.asarray(data)) if hasattr(data, "__array__") else _from_list(data)
    if not items:
        raise DataError(WHERE, "there are none", "give at least two images of each class")
    task, y, notes = None, None, tuple[Note, ...]()
    if reading.labels is not None:
        values, classes = _values(reading.labels)
        if len(values) != len(items):
            raise DataError(WHERE, f"there are {len(items)} images, but {len(values)} labels")
        kind = MULTILABEL if classes is not None else reading.task
        task, y, notes = labels.encode(values, where=WHERE, kind=kind, classes=classes)
    elif reading.task is not None:
        raise BadOption("task", reading.task, "left out when no labels are given")
    return Dataset(
        name=reading.name or "images",
        modality="image",
        items=tuple(items),
        task=task,
        y=y,
        origin="memory",
        notes=notes,
    )


def _from_block(block: np.ndarray) -> list[Item]:
    """`[N, H, W]`, `[N, H, W, C]`, or `[N, C, H, W]` where that cannot be mistaken."""
    if block.ndim == 4 and block.shape[3] not in (1, 3, 4) and block.shape[1] in (1, 3, 4):
        block = block.transpose(0, 2, 3, 1)
    if block.ndim not in (3, 4):
        shape = " x ".join(map(str, block.shape))
        raise DataError(
            WHERE, f"an array of shape {shape}", "give N x H x W, or N x H x W x C: reshape it first"
        )
    block = usable(block, WHERE)
    return [ArrayItem(_id(i, len(block)), block[i]) for i in range(len(block))]


def _from_list(data: Sequence[Any]) -> list[Item]:
    items: list[Item] = []
    names: set[str] = set()
    for i, entry in enumerate(data):
        name = _id(i, len(data))
        if isinstance(entry, (str, Path)):
            path = Path(entry).expanduser()
            name = str(entry) if str(entry) not in names else f"{entry} (row {i + 1})"
            items.append(FileItem(name, path))
        elif isinstance(entry, Image.Image):
            items.append(ArrayItem(name, as_array(entry)))
        elif hasattr(entry, "__array__"):
            items.append(ArrayItem(name, usable(np.asarray(entry), f"image {i}")))
        else:
            raise DataError(
                f"image {i}", f"a {type(entry).__name__}", "give an array, a Pillow image or a path"
            )
        names.add(name)
    return items


def usable(array: np.ndarray, where: str) -> np.ndarray:
    """uint8, uint16, bool, or floats in [0, 1]; whole numbers that fit are converted. Raises `DataError`."""
    if array.dtype.kind not in "uifb" or not array.size:
        raise DataError(where, f"an array of {array.dtype} with {array.size} values is no image")
    if array.dtype in (np.uint8, np.uint16, np.bool_):
        return array
    low, high = array.min(), array.max()
    if array.dtype.kind == "f":
        if not np.isfinite([low, high]).all():
            raise DataError(
                where, "some values are not finite (NaN or infinite)", "mend or leave out those images"
            )
        if low < 0 or high > 1:
            raise DataError(
                where, f"floats must lie in [0, 1], but these lie in [{low:g}, {high:g}]", "scale them first"
            )
        return array
    if low < 0 or high > 65535:
        raise DataError(where, f"whole numbers must lie in [0, 65535], but these lie in [{low}, {high}]")
    return array.astype(np.uint8 if high <= 255 else np.uint16)


def _values(given: Any) -> tuple[list[Any], list[str] | None]:
    """Labels as a list; a table of 0 and 1 `[N, C]` becomes lists of column numbers, with all names."""
    array = np.asarray(given) if hasattr(given, "__array__") else None
    if array is None or array.ndim != 2:
        return list(array.tolist() if array is not None else given), None
    if array.shape[1] == 1:
        return array[:, 0].tolist(), None
    if not np.isin(array[~np.isnan(array.astype(float))], (0, 1)).all():
        raise DataError(WHERE, "labels of two dimensions must be 0 or 1, a column for each label")
    rows = [
        None if np.isnan(row).any() else [str(c) for c in np.flatnonzero(row)] for row in array.astype(float)
    ]
    return rows, [str(c) for c in range(array.shape[1])]


def _id(row: int, total: int) -> str:
    return f"image-{row:0{len(str(max(total - 1, 0)))}d}"

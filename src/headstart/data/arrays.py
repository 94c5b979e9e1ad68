"""Images in memory with their labels: arrays or Pillow images; and lists of paths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from headstart.core.dataset import ArrayItem, Dataset, FileItem, Item, Note
from headstart.core.task import MULTILABEL
from headstart.data import columns, labels
from headstart.data.reading import Reading, as_path
from headstart.errors import BadOption, DataError, ImageError
from headstart.modalities.image import ROUNDING, as_array

WHERE = "the items given"


def accepts(data: Any) -> bool:
    """An array, or a sequence that is no text."""
    return hasattr(data, "__array__") or (isinstance(data, Sequence) and not isinstance(data, (str, bytes)))


def read(data: Any, reading: Reading) -> Dataset:
    """A data set from images in memory, or from paths. Raises `DataError` for what is no image."""
    white = reading.white is not None
    block = hasattr(data, "__array__")
    items = _from_block(np.asarray(data), white=white) if block else _from_list(data, white=white)
    paths = [str(item.path) for item in items if isinstance(item, FileItem)]
    kind = columns.modality_of(paths) if paths and len(paths) == len(items) else "image"
    return in_memory(items, kind, reading)


def in_memory(items: Sequence[Item], modality: str, reading: Reading, *, pairs: bool = False) -> Dataset:
    """The data set of items that were given with their labels. Raises `DataError`, `BadOption`."""
    noun = f"{modality}s"
    if reading.columns:
        raise BadOption("a column", "named", f"left out: {noun} in memory have no columns")
    if not items:
        raise DataError(WHERE, "there are none", "give at least two of each class")
    task, y, notes = None, None, tuple[Note, ...]()
    if reading.labels is not None:
        values, classes = _values(reading.labels)
        if len(values) != len(items):
            raise DataError(WHERE, f"there are {len(items)} {noun}, but {len(values)} labels")
        kind = MULTILABEL if classes is not None else reading.task
        task, y, notes = labels.encode(
            values,
            where=WHERE,
            kind=kind,
            classes=classes,
            typed=True,
            missing=reading.missing,
            known=reading.known,
        )
    elif reading.task is not None:
        raise BadOption("task", reading.task, "left out when no labels are given")
    return Dataset(
        name=reading.name or noun,
        modality=modality,
        items=tuple(items),
        task=task,
        y=y,
        origin="memory",
        pairs=pairs,
        notes=notes,
    )


def _from_block(block: np.ndarray, *, white: bool) -> list[Item]:
    """`[N, H, W]`, `[N, H, W, C]`, or `[N, C, H, W]` where that cannot be mistaken."""
    if block.ndim == 4 and block.shape[3] not in (1, 3, 4) and block.shape[1] in (1, 3, 4):
        block = block.transpose(0, 2, 3, 1)
    if block.ndim not in (3, 4):
        shape = " x ".join(map(str, block.shape))
        raise DataError(
            WHERE, f"an array of shape {shape}", "give N x H x W, or N x H x W x C: reshape it first"
        )
    block = usable(block, WHERE, white=white)
    return [ArrayItem(_id(i, len(block)), block[i]) for i in range(len(block))]


def _from_list(data: Sequence[Any], *, white: bool) -> list[Item]:
    items: list[Item] = []
    names: set[str] = set()
    entries = [np.asarray(entry) if _is_array(entry) else entry for entry in data]
    # one scale for all: a dark picture among brighter ones stays dark
    most = max((entry.max() for entry in entries if _is_array(entry) and _unscaled(entry)), default=0)
    for i, entry in enumerate(entries):
        name = _id(i, len(data))
        if isinstance(entry, (str, Path)):
            name = str(entry) if str(entry) not in names else f"{entry} (row {i + 1})"
            items.append(FileItem(name, as_path(entry) or Path(entry)))
        elif isinstance(entry, Image.Image):
            items.append(ArrayItem(name, usable(_decoded(entry, f"image {i}"), f"image {i}", white=white)))
        elif _is_array(entry):
            items.append(ArrayItem(name, usable(entry, f"image {i}", most=most, white=white)))
        else:
            raise DataError(
                f"item {i}", f"a {type(entry).__name__}", "give an array, a Pillow image, a path or a text"
            )
        names.add(name)
    return items


def _is_array(entry: Any) -> bool:
    return hasattr(entry, "__array__") and not isinstance(entry, Image.Image)


def _unscaled(array: np.ndarray) -> bool:
    """Whether these are whole numbers whose type does not say where white is."""
    return array.dtype.kind in "ui" and array.dtype not in (np.uint8, np.uint16) and array.size > 0


def _decoded(image: Image.Image, where: str) -> np.ndarray:
    try:
        return as_array(image)
    except ImageError as error:
        raise DataError(where, error.problem) from None


def usable(array: np.ndarray, where: str, *, most: int | None = None, white: bool = False) -> np.ndarray:
    """uint8, uint16, bool, or floats in [0, 1]; whole numbers that fit are converted. Raises `DataError`.

    Whole numbers become uint16 when `most` (by default the largest of them) is over 255, else uint8. With
    `white` it is said what is white, so that all stay as they are.
    """
    if array.dtype.kind not in "uifb" or not array.size:
        raise DataError(where, f"an array of {array.dtype} with {array.size} values is no image")
    if array.dtype.kind == "b" or (array.dtype.kind == "u" and array.dtype.itemsize <= 2):
        return array
    low, high = array.min(), array.max()
    if array.dtype.kind == "f":
        if not np.isfinite([low, high]).all():
            raise DataError(
                where, "some values are not finite (NaN or infinite)", "mend or leave out those images"
            )
        if not white and (low < -ROUNDING or high > 1 + ROUNDING):
            raise DataError(
                where,
                f"floats must lie in [0, 1], but these lie in [{low:g}, {high:g}]",
                "say what is white with white=, or scale them first",
            )
        return array
    if white:
        return array
    if low < 0 or high > 65535:
        raise DataError(where, f"whole numbers must lie in [0, 65535], but these lie in [{low}, {high}]")
    return array.astype(np.uint8 if (high if most is None else most) <= 255 else np.uint16)


def _values(given: Any) -> tuple[list[Any], list[str] | None]:
    """Labels as a list; a table of 0 and 1 `[N, C]` becomes lists of column numbers, with all names."""
    array = np.asarray(given) if hasattr(given, "__array__") else None
    if array is None:
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise DataError(WHERE, f"labels={given!r} are no labels", "give a list, one for each item")
        return list(given), None
    if array.dtype.kind in "mM":  # of which numpy would make numbers
        raise DataError(
            WHERE, f"labels of {array.dtype} are dates or durations", "write them as texts or numbers"
        )
    if array.ndim not in (1, 2):
        shape = " x ".join(map(str, array.shape)) or "no dimension"
        raise DataError(
            WHERE, f"labels of shape {shape}", "give one for each item, or a column for each label"
        )
    if array.ndim == 1 or array.shape[1] == 1:
        return array.reshape(-1).tolist(), None
    table = array.astype(float) if array.dtype.kind in "biuf" else np.full(array.shape, 2.0)
    if not np.isin(table[~np.isnan(table)], (0, 1)).all():
        raise DataError(WHERE, "labels of two dimensions must be 0 or 1, a column for each label")
    rows = [None if np.isnan(row).any() else [str(c) for c in np.flatnonzero(row)] for row in table]
    return rows, [str(c) for c in range(array.shape[1])]


def _id(row: int, total: int) -> str:
    return f"image-{row:0{len(str(max(total - 1, 0)))}d}"

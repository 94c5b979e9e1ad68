"""Images in memory with their labels: arrays, tensors, Pillow images, bytes; and lists of paths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from headstart import modalities
from headstart.core.dataset import Dataset, Item, Note
from headstart.core.task import MULTILABEL
from headstart.core.untrusted import limits
from headstart.data import labels
from headstart.data.items import entries
from headstart.data.items.entries import BadItem, shown
from headstart.data.items.pictures import pictures, renamed
from headstart.data.reading import NOT_FETCHED, Reading
from headstart.errors import BadOption, DataError, ItemError

WHERE = "the items given"


def accepts(data: Any) -> bool:
    """An array, or a sequence that is no text; one picture too, which is refused with a hint."""
    return isinstance(data, Sequence) or entries.is_array(data) or entries.is_picture(data)


def read(data: Any, reading: Reading) -> Dataset:
    """A data set from images in memory, or from paths. Raises `DataError` for what is no image."""
    if entries.is_picture(data) and not entries.is_array(data):
        raise DataError(WHERE, f"{type(data).__name__} is one item", "give a list of them, with labels")
    given = rows(data, labels=reading.labels) if reading.rate is None else _sounds(data, reading.rate)
    digits = len(str(max(len(given) - 1, 0)))
    names = [f"image-{row:0{digits}d}" for row in range(len(given))]
    items = pictures(given, names, white=reading.white is not None)
    kind, seen = entries.modality_of(items), set[str]()
    noun = modalities.get(kind).NOUN
    for row, item in enumerate(items):
        if isinstance(item, BadItem) and item.problem not in (entries.NOTHING, NOT_FETCHED):
            raise DataError(f"{noun} {row}", item.problem)
        if item.id == names[row]:
            items[row] = renamed(item, item.id.replace("image", noun))
        elif item.id in seen:  # ids name items: a path in two rows is told apart by its row
            items[row] = renamed(item, f"{item.id} (row {row + 1})")
        seen.add(item.id)
    return in_memory(items, kind, reading)


def _sounds(data: Any, rate: Any) -> list[Any]:
    """(samples, rate) for each row of an array, or each array of a list; what holds no samples as it is."""
    whole = isinstance(rate, int | np.integer) and not isinstance(rate, bool)
    if not whole or not limits.LEAST_RATE <= rate <= limits.MOST_RATE:
        raise BadOption("rate", rate, "samples a second of the recordings, such as 16000")
    if entries.is_array(data) and np.ndim(data) != 2:
        remedy = "give N x samples, or a list of arrays"
        raise DataError(WHERE, f"an array of shape {shown(np.shape(data))} holds no recordings", remedy)
    listed = list(entries.numpy_of(data)) if entries.is_array(data) else list(data)
    return [(entries.numpy_of(one), int(rate)) if entries.is_array(one) else one for one in listed]


def rows(data: Any, *, one: bool = False, labels: Any = None) -> list[Any]:
    """The single things in an array, a series or a sequence, in order.

    An array or tensor is `[N, H, W]`, `[N, H, W, C]`, or `[N, C, H, W]` where that cannot be mistaken.
    One picture, `[H, W, C]`, is refused, unless `one` says that it is welcome, as `[H, W]` is then; or there
    are as many `labels` as rows. Raises `DataError`.
    """
    if not entries.is_array(data):
        return list(data)
    if hasattr(data, "to_list") and not hasattr(data, "columns"):  # a series, whose cells may be anything
        whole = data.to_list()
        if not whole or not isinstance(whole[0], list):
            return list(whole)
    try:
        array = entries.numpy_of(data)
    except ItemError as error:
        raise DataError(WHERE, error.problem) from None
    if array.dtype.kind in "OUST":
        return list(array[:, 0] if array.ndim == 2 and array.shape[1] == 1 else array)
    return list(_block(array, one=one, count=entries.length(labels)))


def _block(array: np.ndarray, *, one: bool, count: int) -> np.ndarray:
    """`[N, H, W]` or `[N, H, W, C]`. Raises `DataError` for what is neither, nor can be understood so."""
    shape = array.shape
    if one and array.ndim in (1, 2):
        return array[None]
    # grey pictures of 1, 3 or 4 columns are rarer than pictures with so many channels; square ones are meant
    if array.ndim == 3 and shape[2] in entries.CHANNELS and shape[1] != shape[2] and count != len(array):
        if one:
            return array[None]
        problem = f"an array of shape {shown(shape)} is one picture"
        raise DataError(
            WHERE, problem, "give several, in a list or as N x H x W x C; N grey ones as N x H x W x 1"
        )
    if array.ndim == 3 or (array.ndim == 4 and shape[3] in entries.CHANNELS):
        return array
    if array.ndim == 4 and shape[1] in entries.CHANNELS:
        return array.transpose(0, 2, 3, 1)
    wanted = "N x H x W, or N x H x W x C with 1, 3 or 4 channels (or N x C x H x W)"
    raise DataError(
        WHERE, f"an array of shape {shown(shape)} holds no images", f"give {wanted}: reshape or transpose it"
    )


def in_memory(items: Sequence[Item], modality: str, reading: Reading, *, pairs: bool = False) -> Dataset:
    """The data set of items that were given with their labels. Raises `DataError`, `BadOption`."""
    noun = modalities.nouns(modality)[1]
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
            values, where=WHERE, kind=kind, classes=classes, typed=True, **reading.marks
        )
    elif reading.task is not None:
        raise BadOption("task", reading.task, "left out when no labels are given")
    return Dataset(
        name=reading.name or noun,
        modality=modality,
        items=tuple(items),
        task=task,
        targets=y,
        origin="memory",
        pairs=pairs,
        notes=notes,
    )


def _values(given: Any) -> tuple[list[Any], list[str] | None]:
    """Labels as a list; a table of 0 and 1 `[N, C]` becomes lists of column numbers, with all names."""
    array = entries.numpy_of(given) if entries.is_array(given) else None
    if array is None:
        if isinstance(given, str) or not isinstance(given, Iterable):
            raise DataError(WHERE, f"labels={given!r} are no labels", "give a list, one for each item")
        return list(given), None
    if array.dtype.kind in "mM":  # of which numpy would make numbers
        raise DataError(
            WHERE, f"labels of {array.dtype} are dates or durations", "write them as texts or numbers"
        )
    if array.ndim not in (1, 2):
        remedy = "give one for each item, or a column for each label"
        raise DataError(WHERE, f"labels of shape {shown(array.shape)}", remedy)
    if array.ndim == 1 or array.shape[1] == 1:
        return array.reshape(-1).tolist(), None
    table = array.astype(float) if array.dtype.kind in "biuf" else np.full(array.shape, 2.0)
    if not np.isin(table[~np.isnan(table)], (0, 1)).all():
        raise DataError(WHERE, "labels of two dimensions must be 0 or 1, a column for each label")
    rows = [None if np.isnan(row).any() else [str(c) for c in np.flatnonzero(row)] for row in table]
    return rows, [str(c) for c in range(array.shape[1])]

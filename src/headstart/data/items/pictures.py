"""Several pictures in memory -> items with one scale of values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from headstart.core.dataset import ArrayItem, Item
from headstart.data.items import entries
from headstart.data.items.entries import BadItem
from headstart.errors import DataError
from headstart.modalities.image import ROUNDING


def pictures(given: Sequence[Any], names: Sequence[str], *, white: bool = False) -> list[Item]:
    """An item for each thing (see `entries.picture`), called by the names; what is none is a `BadItem`.

    With `white` it is known what is white, so that values stay as they are.
    """
    items = [entries.picture(entry, name) for entry, name in zip(given, names, strict=True)]
    # one scale for all whole numbers whose type does not say where white is: a dark picture among brighter
    # ones stays dark
    arrays = [item.array for item in items if isinstance(item, ArrayItem) and item.array.size]
    whole = (array for array in arrays if array.dtype.kind in "ui")
    most = max((array.max() for array in whole if array.dtype not in (np.uint8, np.uint16)), default=0)
    return [_scaled(item, most, white=white) if isinstance(item, ArrayItem) else item for item in items]


def _scaled(item: ArrayItem, most: int, *, white: bool) -> Item:
    try:
        return replace(item, array=usable(item.array, item.id, most=most, white=white))
    except DataError as error:
        return BadItem(item.id, str(error).removeprefix(f"{item.id}: "))


def renamed(item: Item, name: str) -> Item:
    """The same item under another name."""
    out: Item = replace(item, id=name)  # type: ignore[type-var]
    return out


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

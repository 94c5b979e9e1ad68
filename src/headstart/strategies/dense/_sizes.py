"""Sizes of images as they are seen."""

from __future__ import annotations

from typing import Any

from headstart import modalities
from headstart.core.dataset import Dataset

_SIZES: dict[str, tuple[int, int]] = {}
"""Height and width of images by their content, of the data set that was read last."""


def extent(dataset: Dataset, row: int) -> tuple[int, int]:
    """Height and width of an image as it is seen."""
    digest = dataset.digests()[row]
    if digest not in _SIZES:
        if len(_SIZES) > 100_000:
            _SIZES.clear()
        room: Any = modalities.get(dataset.modality)
        _SIZES[digest] = room.extent(room.open_item(dataset.items[row].read(), dataset.levels))
    return _SIZES[digest]

"""What a person may hand to `predict`, as items: paths, folders, globs, archives, arrays, images; texts."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.dataset import ArrayItem, Item
from headstart.data import frames
from headstart.data.reading import Reading
from headstart.modalities.image import SUFFIXES
from headstart.run._files import BadItem, from_path
from headstart.run.text_inputs import texts_of

__all__ = ["BadItem", "ImageItem", "items_of"]


@dataclass(frozen=True)
class ImageItem:
    """An image in memory, such as one from Pillow; its bytes are those of the TIFF or PNG format."""

    id: str
    image: Any = field(repr=False)

    def read(self) -> bytes:
        buffer = io.BytesIO()
        self.image.save(buffer, format="PNG" if self.image.mode in _PNG_MODES else "TIFF")
        return buffer.getvalue()


_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


def items_of(inputs: Any, modality: str = "image", **reading: str | None) -> tuple[Item, ...]:
    """Everything named by `inputs`, in order; what cannot be found is an item that fails to read.

    `inputs` is one of these or a sequence of them: a path (file, folder, .zip), a glob, an item of a data
    set; for images a numpy array `[H, W]`, `[H, W, C]` or `[N, H, W, C]`, or a Pillow image. For texts a
    string is a path if there is such a file, else the text itself; a tuple of two strings is a pair of texts;
    a table (.csv, .parquet, .json, ...) has one item a row, in columns recognised as in data to learn from,
    or named by `text_column` and `pair_column`, and so has a data frame (of pandas or polars), or a dict of
    columns. Raises `DataError` for a table that cannot be read so.
    """
    if frames.accepts(inputs):
        return frames.items_of(inputs, Reading.of(reading))
    if modality == "text":
        return texts_of(inputs, Reading.of(reading))
    if _single(inputs):
        inputs = [inputs]
    found: list[Item] = []
    for number, entry in enumerate(inputs):
        found.extend(_expand(entry, number))
    return tuple(found)


def _single(inputs: Any) -> bool:
    if isinstance(inputs, str | os.PathLike | np.ndarray):
        return True
    return not isinstance(inputs, Sequence | Iterable) or hasattr(inputs, "read")


def _expand(entry: Any, number: int) -> Iterator[Item]:
    if isinstance(entry, str | os.PathLike):
        yield from from_path(Path(entry), SUFFIXES, "images")
    elif isinstance(entry, np.ndarray):
        if entry.ndim == 4:
            yield from (
                ArrayItem(f"{number}/{row}" if number else f"{row}", a) for row, a in enumerate(entry)
            )
        else:
            yield ArrayItem(str(number), entry)
    elif hasattr(entry, "mode") and hasattr(entry, "save"):
        yield ImageItem(getattr(entry, "filename", "") or str(number), entry)
    elif isinstance(entry, Item):
        yield entry
    else:
        yield BadItem(str(number), f"{type(entry).__name__} is neither a path nor an image")

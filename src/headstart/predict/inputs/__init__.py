"""What a person may hand to `predict`, as items: paths, tables, arrays, pictures, bytes, data sets; texts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from headstart import modalities
from headstart.core.dataset import Dataset, FileItem, Item
from headstart.data.items import entries
from headstart.data.items.entries import BadItem, ImageItem
from headstart.data.items.pictures import pictures
from headstart.data.readers import arrays
from headstart.data.reading import EVERY, Reading
from headstart.predict.inputs.files import from_path, of_modality
from headstart.predict.inputs.texts import texts_of

__all__ = ["BadItem", "ImageItem", "items_of"]


def items_of(inputs: Any, modality: str = "image", **reading: str | None) -> tuple[Item, ...]:
    """Everything named by `inputs`, in order; what cannot be found is an item that fails to read.

    `inputs` is what `headstart.load` takes, labelled or not (labels are not looked at), one item of it, or a
    sequence of such: a path (file, folder, .zip, a table with an item a row) or a glob; the bytes of a file,
    or an open one; for images arrays and tensors, Pillow images and data sets of them. An array of four
    dimensions is `[N, H, W, C]` (or `[N, C, H, W]` where that cannot be mistaken); of three `[N, H, W]`,
    unless the last is 1, 3 or 4 and the one before is not the same: then it is one picture `[H, W, C]`; of
    two, one picture. In a list each array is one picture, in either order; one of four dimensions is several.

    For texts a string is a path if there is such a file, else the text itself; a tuple of two strings is a
    pair of texts. Columns of tables, data frames and dicts are recognised as in data to learn from, or named
    in `reading` (`path_column`, `text_column`, `pair_column`). Raises `DataError` for what holds no items of
    this modality.
    """
    every = {"feature_column": EVERY} if modalities.get(modality).ROWS else {}
    options = Reading.of({**reading, **every, "items_only": True})
    if not all(map(entries.is_path, inputs if isinstance(inputs, list) else [inputs])):
        # what paths and texts do not need loads polars
        from headstart.data.readers import frames, hub
        from headstart.data.readers.unpacked import unpacked

        inputs = unpacked(inputs, labels=False).items
        if isinstance(inputs, Dataset):
            return of_modality(inputs, modality)
        for reader in (hub, frames):
            if reader.accepts(inputs):
                return of_modality(reader.read(inputs, options), modality)
    if modalities.get(modality).IN_WORDS:
        return texts_of(inputs, options)
    return tuple(_files(inputs, modality, options))


def _files(inputs: Any, modality: str, reading: Reading) -> Iterator[Item]:
    listed: list[Any] = []
    names: list[str] = []
    for number, entry in enumerate(_listed(inputs)):
        if entries.is_array(entry) and np.ndim(entry) == 4:
            several = arrays.rows(entry)
            listed += several
            names += [f"{number}/{row}" for row in range(len(several))]
        else:
            listed.append(entry)
            names.append(str(getattr(entry, "filename", "") or number))
    for entry, item in zip(listed, pictures(listed, names, white=True), strict=True):
        if entries.is_path(entry) and isinstance(item, FileItem):
            yield from from_path(Path(entry), modality, reading)
        else:
            yield item


def _listed(inputs: Any) -> Iterable[Any]:
    """One thing after the other."""
    if isinstance(inputs, list) and all(map(entries.is_path, inputs)):
        return inputs
    if entries.is_array(inputs):
        return arrays.rows(inputs, one=True)
    single = entries.is_path(inputs) or entries.is_picture(inputs) or not isinstance(inputs, Iterable)
    return [inputs] if single else inputs

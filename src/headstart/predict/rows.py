"""What an estimator's `X` holds, one item a row: images or texts, in whatever form `load` takes them."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart import modalities
from headstart.core.dataset import Dataset, FileItem, Item, TextItem
from headstart.core.source import Source
from headstart.data.items import entries
from headstart.data.items.entries import BadItem, nothing
from headstart.data.items.pictures import pictures, renamed
from headstart.data.readers import frames, hub
from headstart.data.readers.arrays import rows
from headstart.data.readers.unpacked import unpacked
from headstart.data.reading import Reading
from headstart.errors import DataError
from headstart.predict.inputs import items_of
from headstart.predict.inputs.files import of_modality
from headstart.predict.inputs.texts import content


def rows_of(X: Any) -> list[Any]:
    """The rows of `X`, one entry each; a table with one column is that column. Raises `DataError`."""
    if isinstance(X, str | Path):
        raise DataError("X", "is a single path or text", "give a list with one item a row")
    if entries.is_picture(X) and not entries.is_array(X):
        raise DataError("X", f"{type(X).__name__} is one item", "give a list with one item a row")
    X = unpacked(X, labels=False).items
    if hasattr(X, "columns") and len(X.columns) == 1:
        X = X[X.columns[0]]
    if hasattr(X, "columns"):
        X = X.to_numpy()
    if isinstance(X, Mapping) and len(X) == 1:
        X = next(iter(X.values()))
    if isinstance(X, np.ndarray) and X.dtype.kind in "OUS" and X.ndim == 2 and X.shape[1] > 1:
        return [tuple(row) for row in X]
    return rows(X)


def modality_of(X: Any) -> str:
    """The modality of the rows of `X`, by the first of them that holds something."""
    whole = _whole(X)
    if whole is not None:
        return whole.modality
    first = next((row for row in rows_of(X) if not nothing(row)), None)
    if isinstance(first, tuple | list) and all(isinstance(part, str) for part in first):
        return "text"
    if not isinstance(first, str):
        return entries.modality_of([entries.picture(first, "X")])
    # os.path: what is no path at all (over 255 characters, say) is not there; Path raises
    kind = modalities.of_ending(os.path.splitext(first)[1].lower())  # noqa: PTH122
    if kind and not modalities.get(kind).IN_WORDS:
        return kind
    return "image" if os.path.exists(first) else "text"  # noqa: PTH110


def dataset_of(X: Any, modality: str) -> Dataset:
    """The rows of `X` as unlabelled items. Raises `DataError`."""
    whole = _whole(X)
    if whole is not None:
        return Dataset("X", modality, _named(of_modality(whole, modality)), pairs=whole.pairs)
    if modalities.get(modality).IN_WORDS:
        items = texts(X)
        pairs = any(isinstance(item, TextItem) and item.second is not None for item in items)
        return Dataset("X", modality, items, pairs=pairs)
    return Dataset("X", modality, files(X, modality))


def _whole(X: Any) -> Dataset | None:
    """A data set: it says itself what its items are."""
    if isinstance(X, Dataset):
        return X
    return hub.read(X, Reading(items_only=True)) if hub.accepts(X) else None


def _named(items: Sequence[Item]) -> tuple[Item, ...]:
    return tuple(renamed(item, f"row {row} ({item.id})") for row, item in enumerate(items))


def read_by(source: Source, X: Any) -> Dataset:
    """The rows of `X` as what the source reads. Raises `DataError`."""
    data = dataset_of(X, source.modality)
    if source.input.apart and len(data) and not data.pairs:
        raise DataError("X", f"holds single texts, and {source.name!r} compares the two of a pair")
    return data


def texts(X: Any) -> tuple[Item, ...]:
    """The rows of `X` as texts, or pairs of texts. Raises `DataError`."""
    rows = rows_of(X)
    found: list[Item] = []
    for row, entry in enumerate(rows):
        name, parts = f"row {row}", entry if isinstance(entry, tuple | list) else (entry,)
        if isinstance(entry, Path):
            found.append(FileItem(f"{name} ({entry})", entry))
        elif entries.is_content(entry):
            found.append(content(entry, name))
        elif len(parts) in (1, 2) and all(isinstance(part, str) for part in parts):
            found.append(TextItem(name, *map(str, parts)))
        else:
            odd = next((part for part in parts if not isinstance(part, str)), entry)
            what = "is nothing" if odd is None else f"is {type(odd).__name__}"
            what = f"a part of it {what}" if len(parts) > 1 else what
            raise DataError(name, f"{what}, and the source reads texts", "give strings, or pairs of strings")
    sizes = {item.second is None for item in found if isinstance(item, TextItem)}
    if len(sizes) > 1:
        raise DataError("X", "holds single texts and pairs of texts", "give the one or the other")
    return tuple(found)


def files(X: Any, modality: str) -> tuple[Item, ...]:
    """The rows of `X` as images, or other items that are files, one each. Raises `DataError`."""
    held = unpacked(X, labels=False).items
    if frames.accepts(held) and len(getattr(held, "columns", held)) > 1:  # recognised as those of a table
        return _named(of_modality(frames.read(held, Reading(items_only=True)), modality))
    given = rows_of(X)
    found: list[Item] = []
    items_in = pictures(given, [str(row) for row in range(len(given))], white=True)
    for row, (entry, item) in enumerate(zip(given, items_in, strict=True)):
        items = (
            items_of(item.path, modality)
            if isinstance(item, FileItem) and entries.is_path(entry)
            else (item,)
        )
        if len(items) != 1:
            noun, several = modalities.nouns(modality)
            raise DataError("X", f"row {row} is {len(items)} {several}", f"give one {noun} a row")
        named = f"row {row}" if items[0].id.isdigit() else f"row {row} ({items[0].id})"
        if isinstance(items[0], BadItem):
            raise DataError(named, items[0].problem)
        found.append(renamed(items[0], named))
    return tuple(found)

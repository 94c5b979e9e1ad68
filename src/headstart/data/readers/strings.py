"""Texts in memory with their labels: a list, an array or a series of them, or a list of pairs."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import numpy as np

from headstart import modalities
from headstart.core.dataset import Dataset, TextItem
from headstart.data.items.entries import is_array, nothing
from headstart.data.readers.arrays import WHERE, in_memory
from headstart.data.reading import Reading, suffix_of
from headstart.errors import DataError
from headstart.modalities import text

_LOOKED_AT = 200


def accepts(data: Any) -> bool:
    """Texts, or pairs of texts; not texts that are paths: those are for `headstart.data.readers.arrays`."""
    found = next((entry for entry in _entries(data) if not nothing(entry)), None)
    return is_pair(found) or (isinstance(found, str) and not are_paths(_entries(data)))


def read(data: Any, reading: Reading) -> Dataset:
    """A data set of `TextItem`s called "row 1", "row 2", ... Raises `DataError` for what is no text."""
    entries = _entries(data)
    pairs = is_pair(next(entry for entry in entries if not nothing(entry)))
    items = []
    for row, entry in enumerate(entries, start=1):
        if nothing(entry):
            items.append(TextItem(f"row {row}", "", "" if pairs else None))
        elif pairs and is_pair(entry):
            items.append(TextItem(f"row {row}", *("" if nothing(part) else str(part) for part in entry)))
        elif isinstance(entry, str) and not pairs:
            items.append(TextItem(f"row {row}", str(entry)))
        else:
            wanted = "a pair of texts" if pairs else "a text"
            found = f"{type(entry).__name__}, where {wanted} is needed"
            raise DataError(f"row {row} of {WHERE}", found, "give the same in each row")
    return in_memory(items, "text", reading, pairs=pairs)


def is_pair(entry: Any) -> bool:
    """Whether it is two texts (one of which may be missing)."""
    if not isinstance(entry, tuple | list) or len(entry) != 2:
        return False
    return any(isinstance(part, str) for part in entry) and all(
        isinstance(p, str) or nothing(p) for p in entry
    )


def are_paths(entries: Sequence[Any]) -> bool:
    """Whether most of the texts name files: by the ending of an image, or because they are there."""
    some = [entry for entry in entries if isinstance(entry, str)]
    some = some[:: max(1, len(some) // _LOOKED_AT)]
    return sum(map(is_path, some)) > len(some) / 2


def is_path(entry: str) -> bool:
    """Whether a text names a file; one that is not there must look like the name of an image or a text."""
    if "\n" in entry or len(entry) > 4096:
        return False
    ending = suffix_of(entry)
    named = ending in modalities.endings() and (ending not in text.SUFFIXES or len(entry.split()) == 1)
    return named or os.path.isfile(os.path.expanduser(entry))  # noqa: PTH111, PTH113 (Path raises for odd names)


def _entries(data: Any) -> Sequence[Any]:
    """The rows, if it has any that may hold texts."""
    if is_array(data):
        if hasattr(data, "detach"):  # a tensor
            return ()
        array = np.asarray(data)
        texts = array.dtype.kind in "UOT" and array.ndim in (1, 2)
        return array.tolist() if texts else ()
    return data if isinstance(data, Sequence) and not isinstance(data, str | bytes) else ()

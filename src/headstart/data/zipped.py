"""Archives: a .zip of anything that a folder may hold, read without unpacking it."""

from __future__ import annotations

from typing import Any

from headstart.core.dataset import Dataset
from headstart.data.folder import read_tree
from headstart.data.reading import Reading, as_path, existing, suffix_of
from headstart.data.tree import zip_tree


def accepts(data: Any) -> bool:
    """A path that ends in .zip and is no folder."""
    path = as_path(data)
    return path is not None and suffix_of(path.name) == ".zip" and not path.is_dir()


def read(data: Any, reading: Reading) -> Dataset:
    """A data set from an archive. Raises `DataError` for one that is not safe to read."""
    path = as_path(data)
    assert path is not None
    return read_tree(zip_tree(existing(path)), reading)

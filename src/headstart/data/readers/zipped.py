"""Archives: a .zip or .tar of anything that a folder may hold, read without unpacking it."""

from __future__ import annotations

from typing import Any

from headstart.core.dataset import Dataset
from headstart.data.folders.tree import archive_tree
from headstart.data.readers.folder import read_tree
from headstart.data.reading import Reading, archive_ending, as_path, existing


def accepts(data: Any) -> bool:
    """A path that ends as an archive does and is no folder."""
    path = as_path(data)
    return path is not None and archive_ending(path.name) != "" and not path.is_dir()


def read(data: Any, reading: Reading) -> Dataset:
    """A data set from an archive. Raises `DataError` for one that is not safe to read."""
    path = as_path(data)
    assert path is not None
    return read_tree(archive_tree(existing(path)), reading)

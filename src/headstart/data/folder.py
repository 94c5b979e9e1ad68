"""Folders: class folders, or a table with the images beside it."""

from __future__ import annotations

from typing import Any

from headstart.core.dataset import Dataset
from headstart.data import columns, table
from headstart.data.layout import images_in, read_folders
from headstart.data.reading import TABLES, Reading, as_path, existing, suffix_of
from headstart.data.tree import Tree, folder_tree, zip_tree
from headstart.errors import DataError, PathError


def accepts(data: Any) -> bool:
    """Any path: what is no table and no archive must be a folder."""
    return as_path(data) is not None


def read(data: Any, reading: Reading) -> Dataset:
    """A data set from a folder."""
    path = as_path(data)
    assert path is not None
    if not existing(path).is_dir():
        raise PathError(
            path,
            f"is a file that is no data set (known endings: {', '.join((*TABLES, '.zip'))})",
            "give a folder, a table or an archive",
        )
    return read_tree(folder_tree(path), reading)


def read_tree(tree: Tree, reading: Reading) -> Dataset:
    """A data set from the files of a folder or an archive."""
    found = find_table(tree, reading)
    if found is not None:
        return table.read_from_tree(tree, found, reading)
    archives = [path for path in tree.paths if suffix_of(path) == ".zip"]
    if tree.root is not None and len(archives) == 1 and not images_in(tree)[0]:
        return read_tree(zip_tree(tree.root / archives[0]), reading)
    return read_folders(tree, reading)


def find_table(tree: Tree, reading: Reading) -> str | None:
    """The one table near the root that names images. Raises `DataError` when there are several."""
    tables = [path for path in tree.paths if suffix_of(path) in TABLES]
    if not tables:
        if reading.names_columns:
            problem = f"there is no table here in which to find the column {_first(reading)!r}"
            raise DataError(tree.origin, problem, "give the table, or leave the column out")
        return None
    depth = min(path.count("/") for path in tables)
    near = [path for path in tables if path.count("/") == depth]
    if reading.path_column is None:
        near = [path for path in near if names_images(tree, path)]
    if len(near) > 1:
        raise DataError(
            tree.origin, f"several tables name images: {', '.join(near[:5])}", "give the one that is meant"
        )
    return near[0] if near else None


def names_images(tree: Tree, path: str) -> bool:
    """Whether a table has a column that looks like paths to images."""
    content = table.parse(tree.item(path).read(), path, f"{tree.origin}: {path}")
    return columns.recognise_path(content) is not None


def _first(reading: Reading) -> str | None:
    return reading.path_column or reading.label_column or reading.split_column or reading.group_column

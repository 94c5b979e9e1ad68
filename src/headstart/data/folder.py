"""Folders: class folders, or a table with the images beside it."""

from __future__ import annotations

from typing import Any

from headstart.core.dataset import Dataset
from headstart.data import columns, table
from headstart.data.layout import class_folders, images_in, read_folders
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
    tables = _candidates(tree, reading)
    found = find_table(tree, tables, reading)
    if found is not None:
        return table.read_from_tree(tree, found, reading)
    archives = [path for path in tree.paths if suffix_of(path) == ".zip"]
    if tree.root is not None and len(archives) == 1 and not images_in(tree)[0]:
        return read_tree(zip_tree(tree.root / archives[0]), reading)
    dataset = read_folders(tree, reading)
    if dataset.task is None:  # then the labels were meant to be in a table: one that is damaged is told
        for path in tables:
            table.parse_member(tree, path)
    return dataset


def _candidates(tree: Tree, reading: Reading) -> list[str]:
    """The tables nearest to the root. What lies in one of several class folders tells of that class.

    Unless columns were named: then there must be a table, wherever it is.
    """
    tables = [path for path in tree.paths if suffix_of(path) in TABLES]
    if tables and not reading.names_columns:
        inside = class_folders(images_in(tree)[0])
        tables = [path for path in tables if not any(path.startswith(f"{folder}/") for folder in inside)]
    depth = min((path.count("/") for path in tables), default=0)
    return [path for path in tables if path.count("/") == depth]


def find_table(tree: Tree, tables: list[str], reading: Reading) -> str | None:
    """The one of the tables that names images.

    Raises `DataError` when there are several, or none although columns of one were named.
    """
    near = [path for path in tables if reading.path_column is not None or names_images(tree, path)]
    if len(near) > 1:
        raise DataError(
            tree.origin, f"several tables name images: {', '.join(near[:5])}", "give the one that is meant"
        )
    if not near and reading.names_columns:
        for path in tables:
            table.parse_member(tree, path)  # a damaged one says so itself
        what = "table here that names images" if tables else "table here"
        problem = f"there is no {what} in which to find the column {_first(reading)!r}"
        raise DataError(tree.origin, problem, "give the table, or leave the column out")
    return near[0] if near else None


def names_images(tree: Tree, path: str) -> bool:
    """Whether a table can be read and has a column that looks like paths to images."""
    try:
        content = table.parse_member(tree, path)
    except DataError:
        return False
    return columns.recognise_path(content) is not None


def _first(reading: Reading) -> str | None:
    return reading.path_column or reading.label_column or reading.split_column or reading.group_column

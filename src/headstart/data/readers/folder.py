"""Folders, and archives of what they may hold, read without unpacking: class folders, a table with the files
beside it, or a table for each split."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from headstart import modalities
from headstart.core.dataset import Dataset, Note
from headstart.data import columns
from headstart.data.boxes import folders as boxes
from headstart.data.folders.layout import class_folders, items_in, read_folders
from headstart.data.folders.tree import Tree, archive_tree, folder_tree
from headstart.data.forms import fasttext
from headstart.data.masks import folders as masks
from headstart.data.readers import hub, table
from headstart.data.reading import (
    ARCHIVES,
    TABLES,
    Reading,
    archive_ending,
    as_path,
    existing,
    is_table,
    split_in,
    stem_of,
    suffix_of,
    table_ending,
)
from headstart.errors import DataError, PathError

_FEW = 8
"""Text files that are opened to see whether they are tables."""
_SHARD = re.compile(r"(.+)-\d{5}-of-(\d{5}\.\w+)")
"""How hubs name the parts of a table: "train-00000-of-00002.parquet"."""


def accepts(data: Any) -> bool:
    """Any path: what is no table must be an archive or a folder."""
    return as_path(data) is not None


def read(data: Any, reading: Reading) -> Dataset:
    """A data set from a folder or an archive. Raises `DataError` for an archive that is not safe to read."""
    path = as_path(data)
    assert path is not None
    if not existing(path).is_dir():
        if archive_ending(path.name):
            return read_tree(archive_tree(path), reading)
        raise PathError(
            path,
            f"is a file that is no data set (known endings: {', '.join((*TABLES, *ARCHIVES[:2]))})",
            "give a folder, a table or an archive",
        )
    if hub.is_saved(path):
        return hub.read_saved(path, reading)
    return read_tree(folder_tree(path), reading)


def read_tree(tree: Tree, reading: Reading) -> Dataset:
    """A data set from the files of a folder or an archive."""
    if not reading.columns and (found := _placed(tree, reading)):
        return found
    tables = _candidates(tree, reading)
    chosen = find_tables(tree, tables, reading)
    if chosen:
        return table.read_from_tree(tree, chosen, reading)
    archives = [path for path in tree.paths if archive_ending(path)]
    if tree.root is not None and len(archives) == 1 and not items_in(tree).paths:
        return read_tree(archive_tree(tree.root / archives[0]), reading)
    if len(tables) == 1 and not items_in(tree).paths:
        return table.read_from_tree(tree, tables, reading)  # which says what it lacks
    dataset = read_folders(tree, reading)
    if dataset.task is None:  # then the labels were meant to be in a table: one that is damaged is told
        for path in tables:
            if suffix_of(path) != ".json":  # which may be anything
                table.parse_member(tree, path)
    return dataset


def _placed(tree: Tree, reading: Reading) -> Dataset | None:
    """Images with masks or boxes. Raises `DataError` where these were asked for, and are not there."""
    of_masks, of_boxes = masks.wanted(reading), boxes.wanted(reading)
    pairs = masks.pairs_in(tree) if of_masks else None
    found = boxes.found_in(tree) if of_masks or of_boxes else None
    if found is None and (of_masks or of_boxes) and (whole := _with_archive(tree)):
        found = boxes.found_in(whole)
        tree = whole if found else tree
    if pairs:
        dataset = masks.read(tree, pairs, reading)
        if found is None or not of_boxes:
            return dataset
        text = f"there are boxes, too ({found.form}): to learn those, say --task {boxes.DETECTION}"
        return replace(dataset, notes=(*dataset.notes, Note("HS310", tree.origin, text)))
    if found:
        return boxes.read(tree, found, reading) if of_boxes else boxes.read_masks(tree, found, reading)
    if reading.task is not None and (of_masks or of_boxes):
        raise masks.refuse(tree) if of_masks else boxes.refuse(tree)
    if of_masks:
        masks.check_lacking(tree)
    return None


def _with_archive(tree: Tree) -> Tree | None:
    """The files of a folder and of the one archive in it, where that alone has items."""
    archives = [path for path in tree.paths if archive_ending(path)]
    if tree.root is None or len(archives) != 1 or items_in(tree).paths:
        return None
    try:
        inner = archive_tree(tree.root / archives[0])
    except (DataError, PathError):  # which is told where it is read
        return None
    own = frozenset(inner.paths)
    beside = [path for path in tree.paths if path not in {*own, *archives}]
    return replace(
        tree,
        paths=(*inner.paths, *beside),
        item=lambda path: inner.item(path) if path in own else tree.item(path),
        notes=(*tree.notes, *inner.notes),
    )


def _candidates(tree: Tree, reading: Reading) -> list[str]:
    """The tables nearest to the root. What lies in one of several class folders tells of that class.

    Unless columns were named: then there must be a table, wherever it is.
    """
    tables = [path for path in tree.paths if is_table(path)]
    if tables and not reading.columns:
        items = items_in(tree).paths
        inside = class_folders(items)
        tables = [path for path in tables if not any(path.startswith(f"{folder}/") for folder in inside)]
        # one that is called as an image beside it tells of that alone
        stems = {stem_of(path) for path in items}
        tables = [path for path in tables if suffix_of(path) != ".json" or stem_of(path) not in stems]
    if not tables:  # text files whose lines begin with labels: looked for where there are but a few files
        found = [path for path in tree.paths if table_ending(path) == ".txt"]
        few = found if len(found) <= _FEW else []
        tables = [path for path in few if fasttext.accepts(table.start_of(tree, path))]
    depth = min((path.count("/") for path in tables), default=0)
    return [path for path in tables if path.count("/") == depth]


def find_tables(tree: Tree, tables: list[str], reading: Reading) -> list[str]:
    """The one of the tables that holds or names items, or one for each split, as their names tell.

    Raises `DataError` when there are several, or none although columns of one were named.
    """
    kinds = {path: _kind(tree, path, reading) for path in tables}
    near = [path for path in tables if kinds[path][1]] or [path for path in tables if kinds[path][0]]
    if not reading.columns and any(_in_words(kinds[path][0]) for path in near):
        found = items_in(tree)  # class folders win over a table with some prose in it
        inside = not _in_words(found.modality) or class_folders(found.paths)
        near = [path for path in near if not (_in_words(kinds[path][0]) and found.paths and inside)]
    if len(near) > 1 and not _are_splits(near):
        kind = kinds[near[0]][0] or "image"
        noun = f"{'hold' if _in_words(kind) else 'name'} {modalities.nouns(kind)[1]}"
        remedy = "give the one that is meant, or call them train, val and test"
        raise DataError(tree.origin, f"several tables {noun}: {', '.join(near[:5])}", remedy)
    if not near and reading.columns:
        for path in tables:
            table.parse_member(tree, path)  # a damaged one says so itself
        what = "table here that names images or holds texts" if tables else "table here"
        problem = f"there is no {what} in which to find the column {reading.columns[0]!r}"
        raise DataError(tree.origin, problem, "give the table, or leave the column out")
    return near


def _in_words(kind: str) -> bool:
    """Whether the items of a table are texts in it, not names of files."""
    return bool(kind) and modalities.get(kind).IN_WORDS


def _are_splits(tables: list[str]) -> bool:
    """Whether the names of all tables tell a split, and not all the same; or that they are shards of one."""
    found = [split_in(path) for path in tables]
    shards = [_SHARD.fullmatch(path.rpartition("/")[2]) for path in tables]
    one = all(shards) and len({(match[1], match[2]) for match in shards if match}) == 1
    return (all(found) and len(set(found)) > 1) or one


def _kind(tree: Tree, path: str, reading: Reading) -> tuple[str, bool]:
    """What a table holds, as `columns.kind_of` says; "" for one that cannot be read.

    With a column of items named, every table may be it, and that which has it surely is.
    """
    named = reading.path_column or reading.text_column or reading.pair_column
    wanted = "image" if reading.path_column is not None else "text"
    try:
        rows = table.parse_member(tree, path)[0]
        if suffix_of(path) == ".json" and rows.height < 2:
            return "", False  # a record of settings
        cells = columns.Cells.of(rows)
    except DataError:
        return (wanted, False) if named is not None else ("", False)
    return (wanted, named in cells.names) if named is not None else columns.kind_of(cells)

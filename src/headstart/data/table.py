"""Tables: a .csv, .tsv, .parquet or .jsonl file whose rows name images and their labels."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import polars as pl

from headstart.core.dataset import Dataset, Item, Note
from headstart.data import columns, labels, parts
from headstart.data.locate import Finder, on_disk, within
from headstart.data.reading import TABLES, Reading, as_path, existing, suffix_of
from headstart.data.tree import Tree, zip_tree
from headstart.errors import DataError, PathError


def accepts(data: Any) -> bool:
    """A path with the ending of a table."""
    path = as_path(data)
    return path is not None and suffix_of(path.name) in TABLES and not path.is_dir()


def read(data: Any, reading: Reading) -> Dataset:
    """A table on disk; its images lie beside it, or in the one .zip beside it."""
    path = existing(Path(as_path(data) or ""))
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PathError(path, f"cannot be read: {error.strerror or error}") from None
    table = parse(content, path.name, str(path))
    beside = _opener(sorted(path.parent.glob("*.zip")))
    return build(table, reading, origin=str(path), name=path.stem, find=on_disk(path.parent, beside))


def read_from_tree(tree: Tree, member: str, reading: Reading) -> Dataset:
    """A table among the files of a folder or an archive. Raises `DataError`."""
    table = parse_member(tree, member)
    root = tree.root
    beside = _opener([root / path for path in tree.paths if suffix_of(path) == ".zip"] if root else [])
    return build(
        table,
        reading,
        origin=tree.origin,
        name=tree.name,
        find=within(tree, member, beside),
        notes=tree.notes,
    )


def _opener(archives: list[Path]) -> Callable[[], Tree] | None:
    """Opens the one archive there is, once it is needed: one that is not may well be damaged."""
    return cache(lambda: zip_tree(archives[0])) if len(archives) == 1 else None


def parse_member(tree: Tree, member: str) -> pl.DataFrame:
    """The table of a tree's file. Raises `DataError`, also for one that cannot be read."""
    where = f"{tree.origin}: {member}"
    try:
        content = tree.item(member).read()
    except OSError as error:
        raise DataError(where, f"the table cannot be read: {error.strerror or error}") from None
    return parse(content, member, where)


def parse(content: bytes, name: str, where: str) -> pl.DataFrame:
    """The table. CSV cells stay text: "007" is a name. Raises `DataError`."""
    readers: dict[str, Callable[[io.BytesIO], pl.DataFrame]] = {
        ".csv": lambda stream: _delimited(stream, ","),
        ".tsv": lambda stream: _delimited(stream, "\t"),
        ".parquet": pl.read_parquet,
        ".jsonl": lambda stream: pl.read_ndjson(stream, infer_schema_length=None),
        ".ndjson": lambda stream: pl.read_ndjson(stream, infer_schema_length=None),
    }
    try:
        table = readers[suffix_of(name)](io.BytesIO(content))
    except Exception as error:  # polars raises many kinds, some of them from its engine
        if not content.strip():
            raise DataError(where, "the table is empty") from None
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(where, f"the table cannot be read: {reason}") from None
    if not table.height:
        raise DataError(where, "the table has no rows")
    return table


def _delimited(stream: io.BytesIO, separator: str) -> pl.DataFrame:
    first = stream.getvalue().split(b"\n", 1)[0]
    if separator == "," and b"," not in first and b";" in first:
        separator = ";"  # how spreadsheets save .csv where the comma is a decimal sign
    return pl.read_csv(stream, separator=separator, infer_schema=False, encoding="utf8-lossy")


def build(
    table: pl.DataFrame,
    reading: Reading,
    *,
    origin: str,
    name: str,
    find: Finder,
    notes: tuple[Note, ...] = (),
) -> Dataset:
    """A data set with one item for each row, in the order of the table."""
    use = columns.find(table, reading, origin)
    items = _items(table[use.path], find, origin, use.path)
    values = table[use.label].to_list() if use.label else [None] * table.height
    task, y, decided = labels.encode(
        values, where=origin, name=use.label or "label", kind=reading.task, classes=reading.labels
    )
    return Dataset(
        name=reading.name or name,
        modality="image",
        items=tuple(items),
        task=task,
        y=y,
        groups=parts.groups(table[use.group].to_list()) if use.group else None,
        split=parts.splits(table[use.split].to_list(), use.split, origin) if use.split else None,
        origin=origin,
        notes=(*notes, *decided, *_unused(table, use, origin)),
    )


def _items(paths: pl.Series, find: Finder, origin: str, column: str) -> list[Item]:
    if paths.dtype != pl.String:
        paths = paths.cast(pl.String, strict=False)
    values = paths.to_list()
    missing = [row + 1 for row, value in enumerate(values) if not (value or "").strip()]
    if missing:
        rows = ", ".join(map(str, missing[:5])) + (" ..." if len(missing) > 5 else "")
        raise DataError(origin, f"{len(missing)} rows have nothing in {column!r} (row {rows})")
    items = [find(value.strip()) for value in values]
    seen = Counter(item.id for item in items)
    if len(seen) < len(items):  # ids name items: a path in two rows is told apart by its row
        items = [
            item if seen[item.id] == 1 else _renamed(item, f"{item.id} (row {row + 1})")
            for row, item in enumerate(items)
        ]
    return items


def _renamed(item: Item, name: str) -> Item:
    out: Item = replace(item, id=name)  # type: ignore[type-var]
    return out


def _unused(table: pl.DataFrame, use: columns.Columns, origin: str) -> tuple[Note, ...]:
    taken = {"paths": use.path, "labels": use.label, "splits": use.split, "groups": use.group}
    text = ", ".join(f"{what} from {name!r}" for what, name in taken.items() if name)
    rest = [name for name in table.columns if name not in taken.values()]
    return (Note("HS506", origin, text + (f"; not used: {', '.join(map(repr, rest))}" if rest else "")),)

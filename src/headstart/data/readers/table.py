"""Tables: .csv, .tsv, .parquet or .jsonl files whose rows hold texts, or name files, and their labels."""

from __future__ import annotations

import io
import os
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from headstart.core.dataset import Dataset, FileItem, Item, Note, TextItem
from headstart.core.task import MULTILABEL, Task
from headstart.core.untrusted import Damaged, parsing
from headstart.core.untrusted.archive import decompressor
from headstart.core.words import few
from headstart.data import columns, labels, parts
from headstart.data.columns import Cells, Columns, header, sentences
from headstart.data.columns import rows as as_rows
from headstart.data.folders.locate import Finder, on_disk, outside, within
from headstart.data.folders.tree import Tree, archive_tree
from headstart.data.forms import fasttext, is_table
from headstart.data.forms import tables as forms
from headstart.data.items import cells, entries
from headstart.data.items.pictures import renamed
from headstart.data.reading import (
    Reading,
    archive_ending,
    as_path,
    existing,
    split_in,
    stem_of,
    table_ending,
)
from headstart.errors import DataError, PathError


def accepts(data: Any) -> bool:
    """A path of a table."""
    path = as_path(data)
    return path is not None and is_table(path)


def read(data: Any, reading: Reading) -> Dataset:
    """A table on disk; the files that it names lie beside it, or in the one .zip beside it."""
    path = existing(Path(as_path(data) or ""))
    return build([sheet_on_disk(path)], reading, origin=str(path), name=stem_of(path.name))


@dataclass(frozen=True)
class Sheet:
    """One table of a data set."""

    rows: pl.DataFrame
    find: Finder
    """From a cell that names a file to the file."""
    name: str
    split: str = ""
    """What its name tells, where there are several tables."""
    notes: tuple[Note, ...] = ()
    root: Path | None = None
    """The folder on disk that its files lie in, if they should."""
    typed: bool = True
    """Whether its file says which cells are empty and which are texts: "NA" in a .csv may be either."""


def sheet_on_disk(path: Path) -> Sheet:
    """Raises `DataError`, `PathError`."""
    if not path.is_file():  # to read a pipe is to wait for it
        raise PathError(path, "it is no ordinary file")
    try:
        content = path.read_bytes()
    except OSError as error:
        raise PathError(path, f"cannot be read: {error.strerror or error}") from None
    rows, notes = parse(content, path.name, str(path))
    root, name = path.parent, path.name
    beside = _opener(sorted(file for file in root.iterdir() if archive_ending(file.name)))
    return Sheet(rows, on_disk(root, beside), stem_of(name), notes=notes, root=root, typed=has_types(name))


def read_from_tree(tree: Tree, members: Sequence[str], reading: Reading) -> Dataset:
    """A table, or one for each split, among the files of a folder or an archive. Raises `DataError`."""
    root = tree.root
    beside = _opener([root / path for path in tree.paths if archive_ending(path)] if root else [])
    sheets = []
    for member in sorted(members, key=lambda path: ("train", "val", "test", "").index(split_in(path))):
        rows, notes = parse_member(tree, member)
        split = split_in(member) if len(members) > 1 else ""
        sheets.append(
            Sheet(rows, within(tree, member, beside), stem_of(member), split, notes, root, has_types(member))
        )
    return build(sheets, reading, origin=tree.origin, name=tree.name, notes=tree.notes)


def _opener(archives: list[Path]) -> Callable[[], Tree] | None:
    """Opens the one archive there is, once it is needed: one that is not may well be damaged."""
    return cache(lambda: archive_tree(archives[0])) if len(archives) == 1 else None


def has_types(name: str) -> bool:
    """Whether a table of this name holds more than text."""
    return table_ending(name) not in (".csv", ".tsv")


Parsed = tuple[pl.DataFrame, tuple[Note, ...]]


def parse_member(tree: Tree, member: str) -> Parsed:
    """The table of a tree's file. Raises `DataError`, also for one that cannot be read."""
    where = f"{tree.origin}: {member}"
    try:
        content = (tree.root / member).read_bytes() if tree.root else tree.item(member).read()
    except OSError as error:
        raise DataError(where, f"the table cannot be read: {error.strerror or error}") from None
    return parse(content, member, where)


def start_of(tree: Tree, member: str) -> bytes:
    """What a tree's file, unpacked, begins with; nothing for one that cannot be read."""
    try:
        with parsing():
            content = tree.item(member).read()
            packed = decompressor(io.BytesIO(content))
            return content[: fasttext.LOOKED_AT] if packed is None else packed.read(fasttext.LOOKED_AT)
    except (OSError, Damaged):
        return b""


def parse(content: bytes, name: str, where: str) -> Parsed:
    """The table, and what is to be said of it. Raises `DataError`."""
    try:
        with parsing():
            table, said = forms.read(content, table_ending(name))
    except Damaged as error:
        if not content.strip():
            raise DataError(where, "the table is empty") from None
        raise DataError(where, f"the table cannot be read: {error}") from None
    if not table.height:
        raise DataError(where, "the table has no rows")
    return table, tuple(Note(code, where, text) for code, text in said)


def build(
    sheets: Sequence[Sheet], reading: Reading, *, origin: str, name: str, notes: tuple[Note, ...] = ()
) -> Dataset:
    """A data set with one item for each row, in order. Raises `DataError`, `UnknownName`."""
    sheets, again = _once(sheets, origin)
    table = joined(sheets, origin)
    header.check(table, reading, origin)
    find, seen = columns.find_items if reading.items_only else columns.find, Cells.of(table)
    reading, read_as = sentences.recognised(seen, reading, origin)
    use = find(seen, reading, origin, there=_there(sheets[0].find))
    header.check_doubled(table, use, origin)
    use = _named_classes(table, use, reading)
    items, modality, said = _items(sheets, table, use, reading, origin)
    task, y, decided = _labels(table, use, reading, origin, typed=all(sheet.typed for sheet in sheets))
    named = any(sheet.split for sheet in sheets)  # whether the tables' names say the splits
    if named and reading.split_column is None:
        use = replace(use, split=None)
        splits = [sheet.split for sheet in sheets for _ in range(sheet.rows.height)]
    else:
        splits = table[use.split].to_list() if use.split else []
    groups, names = parts.groups(table[use.group].to_list()) if use.group else (None, ())
    domains, domain_names = parts.domains(table[use.domain].to_list()) if use.domain else (None, ())
    return Dataset(
        name=reading.name or name,
        modality=modality,
        items=items,
        task=task,
        targets=y,
        groups=groups,
        group_names=names,
        domains=domains,
        domain_names=domain_names,
        split=parts.splits(splits, use.split or "the names of the tables", origin) if splits else None,
        origin=origin,
        pairs=use.pair is not None,
        notes=(
            *notes,
            *(n for sheet in sheets for n in sheet.notes),
            *again,
            *read_as,
            *said,
            *decided,
            *outside(items, sheets[0].root, origin),
            *use.unread(seen, reading, origin),
            *(() if splits else header.unread_splits(table, seen, use, reading, origin)),
            use.told(table.columns, origin, parts=f"the names of {len(sheets)} tables" if named else ""),
        ),
    )


def _labels(
    table: pl.DataFrame, use: Columns, reading: Reading, origin: str, *, typed: bool
) -> tuple[Task | None, np.ndarray | None, tuple[Note, ...]]:
    """Task, targets and notes, from one column or one for each label. Raises `DataError`, `UnknownName`."""
    kind, classes = reading.task, reading.labels
    for name in (use.label, *use.labels):
        if name is not None and table[name].dtype == pl.Struct:
            raise DataError(origin, f"the column {name!r} holds records, not labels", "name another column")
    values: list[Any] = table[use.label].to_list() if use.label else [None] * table.height
    if use.labels:
        columns.check_several(kind, origin)
        values = labels.from_columns({name: table[name].to_list() for name in use.labels}, origin)
        kind, classes = MULTILABEL, use.labels if classes is None else classes
    elif use.label:
        classes = cells.classes_of(table[use.label].dtype) if classes is None else classes
    name, typed = use.label or "label", typed or bool(use.labels)
    return labels.encode(
        values, where=origin, name=name, kind=kind, classes=classes, typed=typed, **reading.marks
    )


def items_with_kind(sheet: Sheet, reading: Reading, where: str) -> tuple[tuple[Item, ...], str, bool]:
    """(an item for each row, their modality, whether they are pairs). Raises `DataError`."""
    header.check(sheet.rows, reading, where)
    use = columns.find_items(Cells.of(sheet.rows), reading, where, there=_there(sheet.find))
    header.check_doubled(sheet.rows, use, where)
    items, modality, _ = _items([sheet], sheet.rows, use, reading, where)
    return items, modality, use.pair is not None


def _once(sheets: Sequence[Sheet], origin: str) -> tuple[list[Sheet], list[Note]]:
    """Without the rows that repeat the names of the columns, and a note on those."""
    kept, notes = [], list[Note]()
    for sheet in sheets:
        rows, said = header.once(sheet.rows, f"{origin}: {sheet.name}" if len(sheets) > 1 else origin)
        kept.append(replace(sheet, rows=rows))
        notes += said
    return kept, notes


def joined(sheets: Sequence[Sheet], origin: str) -> pl.DataFrame:
    """All rows in one table; a column that one table lacks is empty there. Raises `DataError`."""
    if len(sheets) == 1:
        return sheets[0].rows
    try:
        return pl.concat([sheet.rows for sheet in sheets], how="diagonal_relaxed")
    except pl.exceptions.PolarsError as error:
        names = ", ".join(sheet.name for sheet in sheets)
        reason = str(error).strip().splitlines()[0]
        remedy = "write the same columns in the same way in all of them"
        raise DataError(origin, f"the tables {names} do not fit together: {reason}", remedy) from None


def _there(find: Finder) -> columns.There:
    def there(cell: str) -> bool:
        try:
            item = find(cell.strip())
        except DataError:
            return False
        # os.path: what is no path at all (over 255 characters, say) is not there; Path raises
        return not isinstance(item, FileItem) or os.path.isfile(item.path)  # noqa: PTH113

    return there


def _named_classes(table: pl.DataFrame, use: Columns, reading: Reading) -> Columns:
    """With "label" and "label_text" beside each other the names are taken, if each number has one name."""
    other = f"{use.label}_text"
    if use.label is None or reading.label_column is not None or other not in table.columns:
        return use
    if cells.classes_of(table[use.label].dtype):
        return use
    found = table.select(use.label, other).drop_nulls().unique()
    one_each = found.height == found[use.label].n_unique() == found[other].n_unique()
    return replace(use, label=other) if one_each and table[other].dtype == pl.String else use


def _items(
    sheets: Sequence[Sheet], table: pl.DataFrame, use: Columns, reading: Reading, origin: str
) -> tuple[tuple[Item, ...], str, tuple[Note, ...]]:
    """(an item for each row, their modality, what is to be told of them)."""
    if use.rows:
        found, notes = as_rows.items_in(table, _names(sheets, table, use.ident), use, reading, origin)
        return found, columns.ROWS, notes
    return *items_in(sheets, table, use, origin, white=_known_white(reading)), ()


def _known_white(reading: Reading) -> bool:
    """Whether arrays stay as they are: white is said, or a model knows it."""
    return reading.white is not None or reading.items_only


def items_in(
    sheets: Sequence[Sheet], table: pl.DataFrame, use: Columns, origin: str, *, white: bool = False
) -> tuple[tuple[Item, ...], str]:
    """(an item for each row, their modality)."""
    if use.text is None:
        assert use.path is not None
        finders = [sheet.find for sheet in sheets for _ in range(sheet.rows.height)]
        if cells.may_hold(table[use.path].dtype):
            names = _names(sheets, table, use.ident)
            found = cells.items(table[use.path], names, finders, white=white)
            return tuple(found), entries.modality_of(found)
        paths = _strings(table[use.path], origin, "paths to files")
        kind = columns.modality_of([path for path in paths if path and path.strip()])
        return tuple(_files(paths, finders, origin, use.path)), kind
    firsts = _strings(table[use.text], origin, "texts")
    seconds: list[str | None] = [None] * len(firsts)
    if use.pair is not None:
        seconds = [cell or "" for cell in _strings(table[use.pair], origin, "texts")]
    names = _names(sheets, table, use.ident)
    return tuple(
        TextItem(*row) for row in zip(names, (cell or "" for cell in firsts), seconds, strict=True)
    ), "text"


def _names(sheets: Sequence[Sheet], table: pl.DataFrame, ident: str | None) -> list[str]:
    """The column of ids if each is there and once; else the rows, counted from 1."""
    if ident is not None and not table[ident].dtype.is_nested():
        found = ["" if value is None else str(value).strip() for value in table[ident].to_list()]
        if all(found) and len(set(found)) == len(found):
            return found
    prefixes = [f"{sheet.name} " if len(sheets) > 1 else "" for sheet in sheets]
    return [
        f"{prefix}row {row + 1}"
        for prefix, sheet in zip(prefixes, sheets, strict=True)
        for row in range(sheet.rows.height)
    ]


def _strings(column: pl.Series, origin: str, noun: str) -> list[str | None]:
    kind = column.dtype
    if kind.is_nested() or kind == pl.Binary:
        held = "records" if kind == pl.Struct else "bytes" if kind == pl.Binary else "lists"
        raise DataError(origin, f"the column {column.name!r} holds {held}, not {noun}", "name another column")
    try:
        return (column if kind == pl.String else column.cast(pl.String, strict=False)).to_list()
    except pl.exceptions.PolarsError:  # durations
        problem = f"the column {column.name!r} holds values of the kind {kind}, not {noun}"
        raise DataError(origin, problem, "name another column") from None


def _files(cells: Sequence[str | None], finders: Sequence[Finder], origin: str, column: str) -> list[Item]:
    missing = [row + 1 for row, value in enumerate(cells) if not (value or "").strip()]
    if missing:
        raise DataError(origin, f"{len(missing)} rows have nothing in {column!r} (row {few(missing)})")
    items = [find((cell or "").strip()) for cell, find in zip(cells, finders, strict=True)]
    seen = Counter(item.id for item in items)
    if len(seen) < len(items):  # ids name items: a path in two rows is told apart by its row
        items = [
            item if seen[item.id] == 1 else renamed(item, f"{item.id} (row {row + 1})")
            for row, item in enumerate(items)
        ]
    return items

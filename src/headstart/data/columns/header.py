"""Whether the names of a table's columns are names, and each of them the name of one column."""

from __future__ import annotations

import re

import polars as pl

from headstart.core.dataset import Note
from headstart.core.words import count, few
from headstart.data import parts
from headstart.data.columns import Cells, Columns, are_files, is_prose, is_usual, some, words_in
from headstart.data.reading import Reading, bare
from headstart.errors import DataError

_PLACED = re.compile(r" ?\(column \d+\)$")
"""What is put after the name of a column where another has it too."""
_NUMBER = re.compile(r"[+-]?\d+(?:[.,]\d+)?(?:[eE][+-]?\d+)?")
_YEARS = re.compile(r"(?:19|20)\d\d")
_PROSE_WORDS = 3


def placed(name: str, place: int) -> str:
    """The name of a column, the `place`-th, where another before it has that name."""
    return f"{name} (column {place})"


def check(table: pl.DataFrame, reading: Reading, where: str) -> None:
    """Raises `DataError` where a row of values stands in place of the names of the columns.

    Only by what no name has: it ends as the files of its column do, or one reads as the texts below it do
    while another is a value of its own column, or is a number as all others below it.
    """
    if reading.columns:
        return
    found: dict[str, str] = {}
    for name in table.columns:
        values = some(table[name]) if table[name].dtype == pl.String else []
        kind = _kind(name, values, table[name]) if values else ""
        if kind:
            found.setdefault(kind, name)
        elif is_usual(name):
            return
    shown = {kind: repr(name if len(name) <= 40 else f"{name[:40]}...") for kind, name in found.items()}
    remedy = "put a row such as text,label above it"
    if "file" in found:
        problem = f"its first row is no row of names: {shown['file']} is the path of a file"
        raise DataError(where, problem, "put a row such as path,label above it")
    other = next((kind for kind in ("label", "number") if kind in found), None)
    if "text" in found and other is not None:
        problem = f"its first row is no row of names: {shown[other]} is a {other}, and {shown['text']} a text"
        raise DataError(where, problem, remedy)


def _kind(name: str, values: list[str], column: pl.Series) -> str:
    """What a name is, if it is a value: a "file", a "text", a "label" or a "number"."""
    if is_prose(values):
        usual = is_usual(name) or not (words_in(name) >= _PROSE_WORDS or name.strip()[-1:] in (".", "!"))
        return "" if usual else "text"
    if are_files([name]) and are_files(values):
        return "file"
    held = column.unique().drop_nulls()
    if len(held) > 1 and name in held:
        return "label"
    numbers = bool(_NUMBER.fullmatch(name)) and all(_NUMBER.fullmatch(value.strip()) for value in values)
    # columns are numbered, and years head columns of numbers
    return "number" if numbers and not _YEARS.fullmatch(name) and not name.isdecimal() else ""


def once(table: pl.DataFrame, where: str) -> tuple[pl.DataFrame, tuple[Note, ...]]:
    """Without the rows that repeat the names of all columns, as those of files put together do."""
    texts = [name for name in table.columns if table[name].dtype == pl.String]
    if len(texts) < 2 or len(texts) < len(table.columns):
        return table, ()
    same = [pl.col(name).str.strip_chars() == _PLACED.sub("", name).strip() for name in texts]
    again = table.select(pl.all_horizontal(same).fill_null(value=False)).to_series()
    rows = (again.arg_true() + 1).to_list()
    if not rows or len(rows) == table.height:
        return table, ()
    verb = "repeats" if len(rows) == 1 else "repeat"
    text = f"{count(len(rows), 'row')} ({few(rows)}) {verb} the names of the columns"
    return table.filter(~again), (Note("HS510", where, f"{text}: left out, and not counted"),)


def check_doubled(table: pl.DataFrame, use: Columns, where: str) -> None:
    """Raises `DataError` where a column that is read has the name of another that holds something else."""
    for name in filter(None, (*use.items, use.label, *use.labels, use.split, use.group)):
        own = _PLACED.sub("", name)
        for other in table.columns if name == own else ():
            if other == name or _PLACED.sub("", other) != own or table[other].null_count() == table.height:
                continue
            differs = table.select(pl.col(name).ne_missing(pl.col(other))).to_series().arg_true()
            if len(differs):
                row = differs[0]
                held = f"{table[name][row]!r} and {table[other][row]!r}"
                problem = f"two columns are called {own!r}, and they differ (first in row {row + 1}: {held})"
                raise DataError(where, problem, "give one of them another name")


def unread_splits(
    table: pl.DataFrame, cells: Cells, use: Columns, reading: Reading, where: str
) -> tuple[Note, ...]:
    """A note for each column that looks as if it held the splits, where none is read."""
    taken = {*use.items, use.label, use.group, use.ident, *use.labels}
    if use.split is not None or reading.split_column is not None:
        return ()
    notes = []
    for name in table.columns:
        values = cells.texts.get(name, ())
        readable = parts.flag_of(name) or parts.are_splits(values)
        if name in taken or not (readable or bare(name) in parts.FOLDS):
            continue
        how = f": read with --split-column {name!r}" if readable else ""
        notes.append(Note("HS515", where, f"the column {name!r}{how}"))
    return tuple(notes)

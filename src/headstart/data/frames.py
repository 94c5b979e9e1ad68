"""Tables in memory: a data frame of pandas or polars, or columns in a dict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import polars as pl

from headstart.core.dataset import Dataset, Item
from headstart.core.words import whole
from headstart.data import strings, table
from headstart.data.arrays import in_memory
from headstart.data.header import placed
from headstart.data.locate import on_disk
from headstart.data.reading import Reading
from headstart.errors import DataError

WHERE = "the data frame"


def accepts(data: Any) -> bool:
    """Rows under named columns: told by what it can do, pandas need not be there."""
    if isinstance(data, Mapping):
        return bool(data) and all(isinstance(name, str) for name in data)
    return hasattr(data, "columns") and len(getattr(data, "shape", ())) == 2


def read(data: Any, reading: Reading) -> Dataset:
    """As a table on disk is read; paths in it are relative to the working directory.

    `labels` are the labels if there is one for each row, else the names of the classes. Raises `DataError`,
    `UnknownName`.
    """
    sheet = _sheet(data)
    if not sheet.rows.height:
        raise DataError(WHERE, "it has no rows")
    if _one_each(reading.labels, sheet.rows.height):
        items, modality, pairs = table.items_with_kind(sheet, reading, WHERE)
        given = Reading(
            task=reading.task,
            labels=reading.labels,
            name=reading.name,
            missing=reading.missing,
            known=reading.known,
        )
        return in_memory(items, modality, given, pairs=pairs)
    return table.build([sheet], reading, origin=WHERE, name="table")


def items_of(data: Any, reading: Reading) -> tuple[Item, ...]:
    """The items alone, whatever else is in it. Raises `DataError`."""
    return table.items_with_kind(_sheet(data), replace(reading, items_only=True), WHERE)[0]


def _one_each(labels: Any, rows: int) -> bool:
    return labels is not None and hasattr(labels, "__len__") and len(labels) == rows


def _sheet(data: Any) -> table.Sheet:
    named = data.items() if isinstance(data, Mapping) else _named(data)
    try:
        columns = [pl.Series(name, _values(column), strict=False) for name, column in named]
        rows = pl.DataFrame(columns)
    except (TypeError, ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise DataError(WHERE, f"its columns cannot be read: {reason}") from None
    return table.Sheet(rows, on_disk(Path.cwd()), "table")


def _named(data: Any) -> Iterator[tuple[str, Any]]:
    """(name, column); a column that has the name of another is called by its place, as in a file."""
    names = list(data.columns)
    for place, name in enumerate(names):
        column = data[name] if names.count(name) == 1 else data.iloc[:, place]  # only pandas has such
        earlier = str(name) in map(str, names[:place])
        yield placed(str(name), place + 1) if earlier else str(name), column


def _values(column: Any) -> list[Any]:
    values = column.to_list() if hasattr(column, "to_list") else list(column)
    clean = (whole(value) if isinstance(value, str) else value for value in values)
    return [None if strings.nothing(value) else value for value in clean]

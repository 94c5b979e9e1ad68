"""Tables in memory: a data frame of pandas or polars, or columns in a dict."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from headstart.core.dataset import Dataset
from headstart.core.untrusted import whole
from headstart.data.columns.header import placed
from headstart.data.folders.locate import on_disk
from headstart.data.items import cells, entries
from headstart.data.readers import arrays, table
from headstart.data.readers.arrays import in_memory
from headstart.data.reading import Reading
from headstart.errors import DataError

WHERE = "the data frame"


def accepts(data: Any) -> bool:
    """Rows under named columns: told by what it can do, pandas need not be there."""
    if isinstance(data, Mapping):
        return bool(data) and all(isinstance(name, str) for name in data) and not entries.is_record(data)
    return hasattr(data, "columns") and len(getattr(data, "shape", ())) == 2


def read(data: Any, reading: Reading) -> Dataset:
    """As a table on disk is read; paths in it are relative to the working directory.

    `labels` are the labels if there is one for each row, else the names of the classes. Raises `DataError`,
    `UnknownName`.
    """
    sheet = _sheet(data)
    if not sheet.rows.height:
        raise DataError(WHERE, "it has no rows")
    if hasattr(reading.labels, "__len__") and len(reading.labels) == sheet.rows.height:
        items, modality, pairs = table.items_with_kind(sheet, reading, WHERE)
        given = Reading(task=reading.task, labels=reading.labels, name=reading.name, **reading.marks)
        return in_memory(items, modality, given, pairs=pairs)
    return table.build([sheet], reading, origin=WHERE, name="table")


def _sheet(data: Any) -> table.Sheet:
    named = data.items() if isinstance(data, Mapping) else _named(data)
    columns = [_series(name, column) for name, column in named]
    lengths = {len(column) for column in columns}
    if len(lengths) > 1:
        said = ", ".join(f"{column.name!r} {len(column):,}" for column in columns[:8])
        raise DataError(WHERE, f"its columns are of different lengths: {said}", "give a value for each row")
    return table.Sheet(pl.DataFrame(columns), on_disk(Path.cwd()), "table")


def _series(name: str, column: Any) -> pl.Series:
    """A column; pictures stay the objects that they are. Raises `DataError`."""
    if isinstance(column, pl.Series) and cells.may_hold(column.dtype):
        return column.alias(name)
    if entries.is_path(column) or entries.length(column) < 0:
        problem = f"the column {name!r} is one {type(column).__name__}"
        raise DataError(WHERE, problem, "give a list, a value for each row")
    values = _values(column)
    if any(entries.is_picture(value) for value in values[:1000] if value is not None):
        return pl.Series(name, values, dtype=pl.Object)
    try:
        return pl.Series(name, values, strict=False)
    except Exception:  # polars raises many kinds
        kinds = ", ".join(sorted({type(value).__name__ for value in values if value is not None})[:5])
        problem = f"the column {name!r} holds {kinds}, which do not go together"
        raise DataError(WHERE, problem, "give texts, numbers, lists of them, or pictures") from None


def _named(data: Any) -> Iterator[tuple[str, Any]]:
    """(name, column); a column that has the name of another is called by its place, as in a file."""
    names = list(data.columns)
    for place, name in enumerate(names):
        column = data[name] if names.count(name) == 1 else data.iloc[:, place]  # only pandas has such
        earlier = str(name) in map(str, names[:place])
        yield placed(str(name), place + 1) if earlier else str(name), column


def _values(column: Any) -> list[Any]:
    if not entries.is_array(column) or (hasattr(column, "to_list") and len(np.shape(column)) == 1):
        values = column.to_list() if hasattr(column, "to_list") else list(column)
    elif np.ndim(column) > 2:
        values = arrays.rows(column, labels=column)
    else:
        values = [*entries.numpy_of(column)]
    clean = (whole(value) if isinstance(value, str) else value for value in values)
    return [None if entries.nothing(value) else value for value in clean]

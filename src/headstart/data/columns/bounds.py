"""How wide, long and heavy a table may be: what its file says is asked before the expensive part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import polars as pl

from headstart.core.untrusted import archive, limits


def few_columns(schema: Mapping[str, Any], rows: int = 1) -> None:
    """Raises `ValueError` for a table of too many columns (those inside of records count), or cells."""
    found = sum(map(_leaves, schema.values()))
    if found > limits.COLUMNS:
        raise ValueError(f"it has {found:,} columns; up to {limits.COLUMNS:,} are read")
    if found * rows > limits.CELLS:
        raise ValueError(f"it has {found:,} columns of {rows:,} rows; up to {limits.CELLS:,} cells are read")


def _leaves(kind: Any) -> int:
    """Columns of values that one column of a polars type comes to."""
    if isinstance(kind, pl.Struct):
        return sum(_leaves(field.dtype) for field in kind.fields) or 1
    return _leaves(kind.inner) if isinstance(kind, pl.List | pl.Array) else 1


def not_blown_up(table: pl.DataFrame, packed: int, rows: int = 0) -> pl.DataFrame:
    """The table, unless its texts are many times its size: one text may stand in millions of rows.

    `rows` there are where `table` holds the first of them. Raises `ValueError`.
    """
    kinds = (pl.String, pl.Binary, pl.Categorical, pl.Enum)
    held = sum(_bytes(table[name]) for name, kind in table.schema.items() if kind in kinds)
    held = held * rows // table.height if rows and table.height else held
    if held > limits.ITEM_BYTES and held > limits.ARCHIVE_RATIO * packed:
        raise ValueError(archive.too_large(held))
    return table


def _bytes(column: pl.Series) -> int:
    texts = column if column.dtype in (pl.String, pl.Binary) else column.cast(pl.String)
    sizes = texts.bin.size() if texts.dtype == pl.Binary else texts.str.len_bytes()
    return int(sizes.cast(pl.Int64).sum() or 0)

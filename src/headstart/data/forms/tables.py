"""From the bytes of a table to its rows: every form of table that is read, by its ending.

To add one: a function from bytes to (rows, what to say of how they were read), its line in `FORMS`, its
ending in `headstart.data.reading.TABLES`, and a line in `tests/fuzz`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial
from typing import cast

import polars as pl

from headstart._lazy import optional
from headstart.core.untrusted import archive, not_itself
from headstart.data.columns.bounds import few_columns, not_blown_up
from headstart.data.forms import delimited, documents, fasttext, records, sheets
from headstart.data.items import cells

Said = tuple[tuple[str, str], ...]
"""(code of a finding, what is to be said), of how a table was read."""
Read = tuple[pl.DataFrame, Said]


def read(content: bytes, ending: str) -> Read:
    """The rows of a table of that ending, unpacked first where it is packed.

    Raises `ValueError`, and whatever the parsers do: `headstart.core.untrusted.parsing` knows.
    """
    if (other := not_itself(content[:256])) is not None:
        raise ValueError(f"it is {other[0]}: {other[1]}")
    packed = archive.decompressor(io.BytesIO(content))
    if packed is not None:
        content = archive.bounded(packed)
    return FORMS[ending](content)


def _text(read: Callable[[str], Read], content: bytes) -> Read:
    """Of what is text."""
    text, said = delimited.to_text(content)
    table, more = read(text)
    return table, (*((("HS212", said),) if said else ()), *more)


def _parquet(content: bytes) -> Read:
    few_columns(pl.read_parquet_schema(io.BytesIO(content)))
    scanned = pl.scan_parquet(io.BytesIO(content))
    rows = scanned.select(pl.len()).collect().item()
    few_columns(scanned.collect_schema(), rows)
    not_blown_up(scanned.head(_PROBED).collect(), len(content), rows)
    table = _plain(not_blown_up(scanned.collect(), len(content)))
    said = str(pl.read_parquet_metadata(io.BytesIO(content)).get("huggingface", ""))
    return cells.with_class_names(table, said), ()


def _arrow(content: bytes) -> Read:
    """The file format of Arrow (also called Feather), or its stream, which `datasets` keeps.

    Read by Arrow itself: polars ends the process where a damaged length asks for more memory than there is.
    """
    arrow, feather = (
        optional(name, extra="arrow", needed_for="reading .feather and .arrow")
        for name in ("pyarrow", "pyarrow.feather")
    )
    file = arrow.BufferReader(content)
    if content.startswith((b"ARROW1", b"FEA1")):
        table = feather.read_table(file, memory_map=False)
    else:
        table = arrow.ipc.open_stream(file).read_all()
    table.validate(full=True)
    rows = cast("pl.DataFrame", pl.from_arrow(table))
    few_columns(rows.schema, rows.height)
    said = (table.schema.metadata or {}).get(b"huggingface", b"").decode("utf-8", "replace")
    return cells.with_class_names(_plain(not_blown_up(rows, len(content))), said), ()


def _plain(table: pl.DataFrame) -> pl.DataFrame:
    """Texts as texts, also where a dictionary keeps each of them once."""
    kept = [name for name, kind in table.schema.items() if kind in (pl.Categorical, pl.Enum)]
    return table.with_columns(pl.col(kept).cast(pl.String)) if kept else table


_PROBED = 10_000
"""Rows from which it is told how large a table is before all of it is read."""
FORMS: dict[str, Callable[[bytes], Read]] = {
    ".csv": partial(_text, partial(delimited.read, ending=".csv")),
    ".tsv": partial(_text, partial(delimited.read, ending=".tsv")),
    ".parquet": _parquet,
    ".jsonl": partial(_text, records.read_lines),
    ".ndjson": partial(_text, records.read_lines),
    ".json": partial(_text, documents.read),
    ".feather": _arrow,
    ".arrow": _arrow,
    ".xlsx": sheets.read,
    ".xlsm": sheets.read,
    ".xls": sheets.read,
    ".ods": sheets.read,
    ".txt": partial(_text, fasttext.read),
}
"""Ending -> what reads it."""

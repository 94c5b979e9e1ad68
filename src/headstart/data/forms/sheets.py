"""Spreadsheets: .xlsx and its relatives, through the package fastexcel."""

from __future__ import annotations

import csv
import io
import zipfile
from typing import Any

import polars as pl

from headstart._lazy import optional
from headstart.core.untrusted import Damaged, archive, limits
from headstart.data.forms import delimited
from headstart.data.reading import split_in

Said = tuple[tuple[str, str], ...]


def read(content: bytes) -> tuple[pl.DataFrame, Said]:
    """The first sheet that holds anything, its cells as text; or all, if their names are those of splits.

    Raises `MissingExtra`, `ValueError`, and whatever fastexcel does.
    """
    fastexcel = optional("fastexcel", extra="excel", needed_for="reading a spreadsheet")
    if content.startswith(b"PK"):
        _no_bomb(content)
    book = fastexcel.read_excel(content)
    sheets = {name: text for name in book.sheet_names if (text := _text_of(book, name)).strip()}
    if not sheets:
        raise ValueError("all of its sheets are empty")
    parts = [split_in(name) for name in sheets]
    if len(sheets) > 1 and all(parts) and len(set(parts)) == len(parts):
        tables = [delimited.read(text, ".csv")[0] for text in sheets.values()]
        named = [table.with_columns(split=pl.lit(part)) for table, part in zip(tables, parts, strict=True)]
        said = (("HS509", f"the sheets {', '.join(map(repr, sheets))} are the splits"),)
        return pl.concat(named, how="diagonal_relaxed"), said
    first = next(iter(sheets))
    table, told = delimited.read(sheets[first], ".csv")
    others = ", ".join(repr(name) for name in sheets if name != first)
    more = (("HS510", f"the sheet {first!r} is read; not read: {others}"),) if others else ()
    return table, (*told, *more)


def _text_of(book: Any, name: str) -> str:
    """A sheet as the text of a .csv: what stands around its rows is then told from them as it is there."""
    sheet = book.load_sheet(name, header_row=None, dtypes="string")
    if sheet.width > limits.COLUMNS or sheet.width * sheet.total_height > limits.CELLS:
        raise ValueError(f"it has {sheet.width:,} columns of {sheet.total_height:,} rows, over what is read")
    buffer = io.StringIO()
    rows = sheet.to_polars().rows()
    csv.writer(buffer, lineterminator="\n", quoting=csv.QUOTE_MINIMAL).writerows(
        ["" if cell is None else cell for cell in row] for row in rows
    )
    return "" if not any(any(row) for row in rows) else buffer.getvalue()


def _no_bomb(content: bytes) -> None:
    """Raises `Damaged` for one whose parts unpack to more than is read, whatever they say of themselves."""
    left = limits.ITEM_BYTES
    with zipfile.ZipFile(io.BytesIO(content)) as parts:
        for part in parts.infolist():
            if part.file_size > left:
                raise Damaged(archive.too_large(limits.ITEM_BYTES - left + part.file_size))
            with parts.open(part) as stream:
                left -= archive.length(stream, left)

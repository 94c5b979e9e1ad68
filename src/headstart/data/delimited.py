"""From the text of a table to its rows: .csv and .tsv as people and programs write them, and JSON lines."""

from __future__ import annotations

import csv
import io
import json
import re

import polars as pl

from headstart.modalities.text import decode

SEPARATORS = (",", ";", "\t", "|")
"""Between the cells of a .csv file; one with a comma in its first row has commas."""


def read(content: str, ending: str) -> pl.DataFrame:
    """A table whose cells stay text: "007" is a name. Raises `ValueError`, and whatever polars does.

    Cells may be in quotes, with line breaks in them. In a .tsv whose lines all have as many cells as the
    first, quotes are letters: that is how the usual benchmarks write them.
    """
    if ending == ".tsv":
        return _tabs(content)
    separator = _separator(content)
    try:
        return _polars(content, separator)
    except pl.exceptions.PolarsError as error:
        raise ValueError(_longer_row(content, separator) or str(error)) from None


def read_lines(content: str) -> pl.DataFrame:
    """A table of JSON lines. Raises `ValueError`, and whatever polars does."""
    try:
        return pl.read_ndjson(io.BytesIO(content.encode("utf-8", "replace")), infer_schema_length=None)
    except pl.exceptions.PolarsError as error:
        raise ValueError(_broken_line(content) or str(error)) from None


def _broken_line(content: str) -> str:
    for number, line in enumerate(content.split("\n"), start=1):
        try:
            record = json.loads(line) if line.strip() else {}
        except ValueError:
            return f"line {number} is no JSON"
        if not isinstance(record, dict):
            return f"line {number} is no record: write {{...}} in each line"
    return ""


def to_text(content: bytes) -> tuple[str, str]:
    """(the text without its mark, what to say of its encoding: nothing for UTF-8)."""
    text, encoding = decode(content)
    said = "it is no UTF-8: read as Windows-1252" if encoding == "cp1252" else ""
    return text.removeprefix("\ufeff"), said


def _separator(content: str) -> str:
    first = re.sub(r'"[^"]*"', "", content.split("\n", 1)[0])
    return next((mark for mark in SEPARATORS if mark in first), ",")


def _polars(content: str, separator: str, quote: str | None = '"') -> pl.DataFrame:
    stream = io.BytesIO(content.encode("utf-8", "replace"))
    return pl.read_csv(stream, separator=separator, infer_schema=False, quote_char=quote)


def _tabs(content: str) -> pl.DataFrame:
    lines = [line for line in content.split("\n") if line.strip("\r")]
    if len({line.count("\t") for line in lines}) > 1:
        return _polars(content, "\t")
    table = _polars("\n".join(lines), "\t", quote=None)
    table.columns = [_unquoted(name) or "" for name in table.columns]
    return table.with_columns(
        pl.Series(name, [_unquoted(cell) for cell in table[name]], dtype=pl.String) for name in table.columns
    )


def _unquoted(cell: str | None) -> str | None:
    """A cell that some program put in quotes, as it was."""
    if cell is None or len(cell) < 2 or cell[0] != '"' or cell[-1] != '"':
        return cell
    inner = cell[1:-1].replace('""', "\0")
    return cell if '"' in inner else inner.replace("\0", '"')


def _longer_row(content: str, separator: str) -> str:
    """Which row has more cells than the first, if that is what is wrong."""
    try:
        rows = csv.reader(io.StringIO(content, newline=""), delimiter=separator)
        width = len(next(rows))
        for number, row in enumerate(rows, start=1):
            if len(row) > width:
                text = f"row {number} has {len(row)} cells, but there are {width} columns"
                return f"{text}: put texts that hold {separator!r} in quotes"
    except (csv.Error, StopIteration):
        pass
    return ""

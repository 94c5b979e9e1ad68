"""From the text of a table to its rows: .csv and .tsv as people and programs write them, and JSON lines."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter

import polars as pl

from headstart.core import limits, words
from headstart.core.untrusted import depth
from headstart.data.bounds import few_columns
from headstart.modalities.text import decode

SEPARATORS = (",", ";", "\t", "|")
"""Between the cells of a .csv file; one with a comma in its first row has commas."""


def read(content: str, ending: str) -> pl.DataFrame:
    """A table whose cells stay text: "007" is a name. Raises `ValueError`, and whatever polars does.

    Cells may be in quotes, with line breaks in them; blank lines are no rows. In a .tsv whose lines all have
    as many cells as the first, quotes are letters: that is how the usual benchmarks write them.
    """
    return _tabs(content) if ending == ".tsv" else _quoted(content, _separator(content))


def read_lines(content: str) -> pl.DataFrame:
    """A table of JSON lines; a column with lists in some rows has lists in all of them.

    Raises `ValueError`, and whatever polars does.
    """
    try:
        table = _ndjson(content)
    except pl.exceptions.PolarsError as error:
        lists = _with_lists(content)
        if not lists:
            raise ValueError(_broken_line(content) or str(error)) from None
        return _ndjson(lists)
    # polars writes a list as text where other rows hold one
    strings = [column for column in table.get_columns() if column.dtype == pl.String]
    written = any(column.str.starts_with("[").any() for column in strings)
    lists = _with_lists(content) if written else ""
    return _ndjson(lists) if lists else table


def _ndjson(content: str) -> pl.DataFrame:
    # polars goes down into each line with a stack that an ill-meant one uses up, which ends the process
    for number, line in enumerate(content.split("\n"), start=1):
        if depth(line) > limits.JSON_DEPTH:
            most = limits.JSON_DEPTH
            raise ValueError(f"line {number} has lists or records inside each other, more than {most} deep")
    data = content.encode("utf-8", "replace")
    schema = pl.scan_ndjson(io.BytesIO(data), infer_schema_length=None).collect_schema()
    few_columns(schema)
    return pl.read_ndjson(io.BytesIO(data), schema=schema)


def _with_lists(content: str) -> str:
    """The lines with a list of one for each text and number in a column of lists; "" where there is none."""
    if _broken_line(content):
        return ""
    records = [json.loads(line) for line in content.split("\n") if line.strip()]
    forms: dict[str, set[str]] = {}
    for record in records:
        for name, value in record.items():
            forms.setdefault(name, set()).update(() if value is None else (_form(value),))
    mixed = {name for name, found in forms.items() if found == {"list", "one"}}
    for record in records:
        for name in mixed & record.keys():
            value = record[name]
            record[name] = value if value is None or isinstance(value, list) else [value]
    return "\n".join(map(json.dumps, records)) if mixed else ""


def _form(value: object) -> str:
    """ "one" text or number, a "list" of them, or something "else"."""
    if isinstance(value, list):
        return "else" if any(isinstance(entry, dict | list) for entry in value) else "list"
    return "else" if isinstance(value, dict) else "one"


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


def _quoted(content: str, separator: str) -> pl.DataFrame:
    """Raises `ValueError`."""
    wide = content.split("\n", 1)[0].count(separator) + 1
    if wide > limits.COLUMNS:
        raise ValueError(f"it has {wide:,} columns; up to {limits.COLUMNS:,} are read")
    try:
        return _polars(_without_blank_lines(content), separator)
    except pl.exceptions.PolarsError as error:
        # polars takes any quote for one that opens a cell: 6" is none
        rows = _rows(content, separator)
        if not rows:
            raise ValueError(str(error)) from None
        return _framed(rows)


def _without_blank_lines(content: str) -> str:
    """The text without the blank lines between rows; those in a cell in quotes belong to it."""
    kept, inside = [], False
    for line in content.split("\n"):
        if inside or line.strip(" \r"):
            kept.append(line)
        inside ^= line.count('"') % 2 == 1
    return "\n".join(kept)


def _polars(content: str, separator: str, quote: str | None = '"') -> pl.DataFrame:
    stream = io.BytesIO(content.encode("utf-8", "replace"))
    return pl.read_csv(stream, separator=separator, infer_schema=False, quote_char=quote)


def _tabs(content: str) -> pl.DataFrame:
    lines = [line for line in content.split("\n") if line.strip("\r")]
    if len({line.count("\t") for line in lines}) > 1:
        return _quoted(content, "\t")
    if lines and (wide := lines[0].count("\t") + 1) > limits.COLUMNS:
        raise ValueError(f"it has {wide:,} columns; up to {limits.COLUMNS:,} are read")
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


def _rows(content: str, separator: str) -> list[list[str]]:
    """All rows, the names of the columns first, where a quote inside a cell is a letter.

    Raises `ValueError`, which names the row, for one that is longer or shorter than the first, and for quotes
    of which the end is not to be seen: what follows them would be taken for one long cell.
    """
    rows: list[list[str]] = []
    try:
        for row in csv.reader(io.StringIO(content, newline=""), delimiter=separator, strict=True):
            if row and not (len(row) == 1 and row[0].isspace()):
                rows.append(row)
    except csv.Error as error:
        remedy = "put the cell in quotes, and write each quote inside it twice"
        where = f"row {len(rows)}" if rows else "the first row"
        raise ValueError(f"{where} has a quote out of place ({error}): {remedy}") from None
    width = len(rows[0]) if rows else 0
    uneven = [(number, len(row)) for number, row in enumerate(rows) if len(row) != width]
    if uneven:
        number, found = next((pair for pair in uneven if pair[1] > width), uneven[0])
        text = f"row {number} has {words.count(found, 'cell')}, but there are {words.count(width, 'column')}"
        remedy = f"put texts that hold {separator!r} in quotes" if found > width else "fill it up"
        raise ValueError(f"{text}: {remedy}")
    return rows


def _framed(rows: list[list[str]]) -> pl.DataFrame:
    """The rows below the first, as polars reads them: empty cells are none, no name is there twice."""
    seen: Counter[str] = Counter()
    columns = []
    for number, name in enumerate(rows[0]):
        own = f"{name}_duplicated_{seen[name] - 1}" if seen[name] else name
        seen[name] += 1
        columns.append(pl.Series(own, [row[number] or None for row in rows[1:]], dtype=pl.String))
    return pl.DataFrame(columns)

"""From the text of a table to its rows: .csv and .tsv as people and programs write them."""

from __future__ import annotations

import csv
import io
from collections import Counter

import polars as pl

from headstart.core import words
from headstart.core.untrusted import limits
from headstart.data.columns import dialect
from headstart.data.columns.dialect import Dialect
from headstart.data.columns.header import placed
from headstart.modalities.text import decode

_PEEKED = 1_000
"""Bytes from which the encoding of a file without a mark is told."""

CONTROL = 50
"""Control characters among the first `_PEEKED` that no text has; of random bytes they are a tenth."""


def read(content: str, ending: str) -> tuple[pl.DataFrame, tuple[tuple[str, str], ...]]:
    """(a table whose cells stay text: "007" is a name; what to say of what is not read).

    Cells may be in quotes, with line breaks in them; blank lines are no rows. In a .tsv whose lines all have
    as many cells as the first, quotes are letters: that is how the usual benchmarks write them. Raises
    `ValueError`, and whatever polars does.
    """
    found = dialect.of(content, "\t" if ending == ".tsv" else "")
    wide = found.content.split("\n", 1)[0].count(found.separator) + 1
    if wide > limits.COLUMNS:
        raise ValueError(f"it has {wide:,} columns; up to {limits.COLUMNS:,} are read")
    table = _tabs(found) if ending == ".tsv" and found.separator == "\t" else _quoted(found)
    return _named(table), found.said


def _named(table: pl.DataFrame) -> pl.DataFrame:
    """Without the columns that have neither a name nor a value; others without a name, or with that of
    another, are called by their place."""
    names: list[str] = []
    dropped: list[str] = []
    for place, name in enumerate(table.columns, start=1):
        base, sign, _ = name.rpartition("_duplicated_")
        renamed = bool(sign) and base in table.columns
        bare = base if renamed else name
        if not bare.strip() and table[name].null_count() == table.height:
            dropped.append(name)
        elif renamed or (not bare.strip() and place > 1):
            names.append(placed(bare, place).strip() if bare.strip() else f"column {place}")
        else:
            names.append(name)
    kept = table.drop(dropped)
    if len(set(names)) == len(names):
        kept.columns = names
    return kept


def to_text(content: bytes) -> tuple[str, str]:
    """(the text without its mark, what to say of its encoding: nothing for UTF-8). Raises `ValueError` for
    what is none, whatever its name says."""
    if content[:2] not in (b"\xff\xfe", b"\xfe\xff") and b"\0" in content[:_PEEKED]:
        content = _marked(content)
    text, encoding = decode(content)
    odd = sum(sign < " " and not sign.isspace() for sign in text[:_PEEKED])
    if odd > CONTROL:
        raise ValueError(
            f"it is no text: {odd} of its first {len(text[:_PEEKED]):,} characters are control characters"
        )
    said = "it is no UTF-8: read as Windows-1252" if encoding == "cp1252" else ""
    return text.removeprefix("\ufeff"), said


def _marked(content: bytes) -> bytes:
    """UTF-16 that lacks its mark, as half of its bytes are zero, with it."""
    even, odd = content[:_PEEKED:2].count(0), content[1:_PEEKED:2].count(0)
    half = min(len(content), _PEEKED) / 4
    if odd > half > even:
        return b"\xff\xfe" + content
    return b"\xfe\xff" + content if even > half > odd else content


def _quoted(found: Dialect) -> pl.DataFrame:
    """Raises `ValueError`."""
    try:
        return _polars(_without_blank_lines(found.content), found.separator)
    except pl.exceptions.PolarsError as error:
        # polars takes any quote for one that opens a cell: 6" is none
        rows = _rows(found)
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


def _tabs(found: Dialect) -> pl.DataFrame:
    lines = [line for line in found.content.split("\n") if line.strip("\r")]
    if len({line.count("\t") for line in lines}) > 1:
        return _quoted(found)
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


def _rows(found: Dialect) -> list[list[str]]:
    """All rows, the names of the columns first, where a quote inside a cell is a letter.

    Raises `ValueError`, which names the row and its line, for one that is longer or shorter than the first,
    and for quotes of which the end is not to be seen: what follows them would be taken for one long cell.
    """
    rows: list[list[str]] = []
    ends: list[int] = []
    csv.field_size_limit(limits.ITEM_BYTES)
    reader = csv.reader(io.StringIO(found.content, newline=""), delimiter=found.separator, strict=True)
    try:
        for row in reader:
            if row and not (len(row) == 1 and row[0].isspace()):
                rows.append(row)
                ends.append(reader.line_num + found.above)
    except csv.Error as error:
        remedy = "put the cell in quotes, and write each quote inside it twice"
        where = f"row {len(rows)}" if rows else "the first row"
        raise ValueError(f"{where} has a quote out of place ({error}): {remedy}") from None
    width = len(rows[0]) if rows else 0
    # separators without anything between them, at the end of a row, are those of a spreadsheet
    rows = [row[:width] if len(row) > width and not any(row[width:]) else row for row in rows]
    uneven = [(number, len(row)) for number, row in enumerate(rows) if len(row) != width]
    if uneven:
        number, cells = next((pair for pair in uneven if pair[1] > width), uneven[0])
        text = f"row {number} (line {ends[number]}) has {words.count(cells, 'cell')}, but there"
        text += f" {'is' if width == 1 else 'are'} {words.count(width, 'column')}"
        if width == 1 < cells:
            text += f" in the first line ({rows[0][0][:40]!r}; if that is a title, delete it)"
        remedy = f"put texts that hold {found.separator!r} in quotes" if cells > width else "fill it up"
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

"""From records to rows: JSON lines, and the documents that programs write to a .json."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import polars as pl

from headstart.core.untrusted import depth, limits
from headstart.data.columns.bounds import few_columns

_FRESH = 10_000_000
"""Names times lines that bring new ones: polars takes about a second for so many."""


def read_lines(content: str) -> tuple[pl.DataFrame, tuple[()]]:
    """(a table of JSON lines, nothing to say of it); a column with lists in some rows has them in all.

    NaN is no value; half a character (a lone surrogate) becomes U+FFFD. Raises `ValueError`, which names the
    line, and whatever polars does.
    """
    content = whole(content)
    shape = _Shape()
    for number, line in _lines(content):
        shape.add(_record(line, number))
    if shape.mixed or "NaN" in content or "Infinity" in content:
        return table_of([_record(line, number) for number, line in _lines(content)]), ()
    return _ndjson(content, shape), ()


def table_of(records: Iterable[dict[str, Any]]) -> pl.DataFrame:
    """The same for records in memory. Raises `ValueError`, and whatever polars does."""
    shape, kept = _Shape(), []
    for record in records:
        shape.add(record)
        kept.append(record)
    for record in kept:
        for name in shape.mixed & record.keys():
            value = record[name]
            record[name] = value if value is None or isinstance(value, list) else [value]
    return _ndjson("\n".join(map(json.dumps, kept)), shape)


def parsed(text: str) -> Any:
    """A JSON document. Raises `ValueError`."""
    if depth(text) > limits.JSON_DEPTH:
        raise ValueError(f"it has lists or records inside each other, more than {limits.JSON_DEPTH} deep")
    return json.loads(text, parse_constant=lambda _: None)


def whole(content: str) -> str:
    """JSON in which U+FFFD stands for each half of a character that stands alone."""
    if "\\ud" not in content and "\\uD" not in content:
        return content
    return _ESCAPE.sub(lambda found: "\\ufffd" if found["alone"] else found[0], content)


_ESCAPE = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(?P<alone>u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


def _lines(content: str) -> Iterator[tuple[int, str]]:
    for number, line in enumerate(content.split("\n"), start=1):
        if line.strip():
            yield number, line


def _record(line: str, number: int) -> dict[str, Any]:
    # polars goes down into a line with a stack that an ill-meant one uses up, which ends the process
    if depth(line) > limits.JSON_DEPTH:
        most = limits.JSON_DEPTH
        raise ValueError(f"line {number} has lists or records inside each other, more than {most} deep")
    try:
        found = json.loads(line, parse_constant=lambda _: None)
    except ValueError:
        raise ValueError(f"line {number} is not valid JSON") from None
    if not isinstance(found, dict):
        raise ValueError(f"line {number} is no record: write {{...}} in each line")
    return found


class _Shape:
    """The names in all records, and which of them hold a list in some and one text or number in others."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        """Those inside of records too, with the names above them."""
        self._forms: dict[str, set[str]] = {}
        self._fresh = 0

    @property
    def mixed(self) -> set[str]:
        return {name for name, found in self._forms.items() if found == {"list", "one"}}

    def add(self, record: Mapping[str, Any]) -> None:
        """Raises `ValueError` where there are too many names for a table."""
        before = len(self.names)
        for name, value in record.items():
            self._note(name, value)
            if value is not None:
                self._forms.setdefault(name, set()).add(_form(value))
        self._fresh += len(self.names) > before
        if len(self.names) > limits.COLUMNS:
            raise ValueError(f"it has more than {limits.COLUMNS:,} columns, and no more are read")
        if self._fresh * len(self.names) > _FRESH:
            raise ValueError(f"{self._fresh:,} of its records have names that are in none above them")

    def _note(self, name: str, value: Any) -> None:
        self.names.add(name)
        for entry in value if isinstance(value, list) else (value,):
            if isinstance(entry, dict):
                for inner, held in entry.items():
                    self._note(f"{name}\0{inner}", held)


def _form(value: object) -> str:
    """ "one" text or number, a "list" of them, or something "else"."""
    if isinstance(value, list):
        return "else" if any(isinstance(entry, dict | list) for entry in value) else "list"
    return "else" if isinstance(value, dict) else "one"


def _ndjson(content: str, shape: _Shape) -> pl.DataFrame:
    data = content.encode("utf-8", "replace")
    few_columns(dict.fromkeys(shape.names), content.count("\n") + 1)
    return pl.read_ndjson(io.BytesIO(data), infer_schema_length=None)

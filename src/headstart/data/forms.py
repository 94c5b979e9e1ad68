"""From the bytes of a table to its rows: every form of table that is read, by its ending.

To add one: a function from bytes to (rows, what to say of how they were read), its line in `FORMS`, its ending in
`headstart.data.reading.TABLES`, and a line in `tests/fuzz`.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from functools import partial

import polars as pl

from headstart.core import archive
from headstart.data import delimited
from headstart.data.bounds import few_columns, not_blown_up

Said = tuple[tuple[str, str], ...]
"""(code of a finding, what is to be said), of how a table was read."""
Read = tuple[pl.DataFrame, Said]


def read(content: bytes, ending: str) -> Read:
    """The rows of a table of that ending, unpacked first where it is packed.

    Raises `ValueError`, and whatever the parsers do: `headstart.core.untrusted.parsing` knows.
    """
    if content.startswith(b"version https://git-lfs.github.com/spec/"):
        raise ValueError("it is a Git LFS pointer, not the file itself: fetch that with `git lfs pull`")
    packed = archive.decompressor(io.BytesIO(content))
    if packed is not None:
        content = archive.bounded(packed)
    return FORMS[ending](content)


def _delimited(ending: str, content: bytes) -> Read:
    text, said = delimited.to_text(content)
    return delimited.read(text, ending), _encoding(said)


def _lines(content: bytes) -> Read:
    text, said = delimited.to_text(content)
    return delimited.read_lines(text), _encoding(said)


def _encoding(said: str) -> Said:
    return (("HS212", said),) if said else ()


def _parquet(content: bytes) -> Read:
    few_columns(pl.read_parquet_schema(io.BytesIO(content)))
    rows = pl.scan_parquet(io.BytesIO(content)).select(pl.len()).collect().item()
    few_columns(pl.read_parquet_schema(io.BytesIO(content)), rows)
    return not_blown_up(pl.read_parquet(io.BytesIO(content)), len(content)), ()


FORMS: dict[str, Callable[[bytes], Read]] = {
    ".csv": partial(_delimited, ".csv"),
    ".tsv": partial(_delimited, ".tsv"),
    ".parquet": _parquet,
    ".jsonl": _lines,
    ".ndjson": _lines,
}
"""Ending -> what reads it."""

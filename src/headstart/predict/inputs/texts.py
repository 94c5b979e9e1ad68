"""What a person may hand to `predict` for texts, as items: the texts themselves, pairs, files, tables."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from headstart.core.dataset import Item, TextItem
from headstart.data.items import entries as things
from headstart.data.items.entries import BadItem, BytesItem
from headstart.data.readers import strings
from headstart.data.reading import ARCHIVES, TABLES, Reading, archive_ending, is_table, suffix_of
from headstart.errors import ItemError
from headstart.modalities.text import SUFFIXES
from headstart.predict.inputs.files import from_path

NAMES_FILES = SUFFIXES | {*ARCHIVES, *TABLES}
"""A single word that ends so was meant to be a file, even where there is none."""


def texts_of(inputs: Any, reading: Reading) -> tuple[Item, ...]:
    """See `headstart.predict.inputs.items_of`."""
    pair = isinstance(inputs, tuple) and strings.is_pair(inputs)  # a list of two strings is two texts
    several = isinstance(inputs, Iterable) and not things.is_content(inputs)
    single = isinstance(inputs, str | os.PathLike | Item) or pair or not several
    entries: Iterable[Any] = [inputs] if single else inputs
    return tuple(
        item
        for number, entry in enumerate(entries, start=1)
        for item in _expand(entry, number, reading, alone=single)
    )


def _expand(entry: Any, number: int, reading: Reading, *, alone: bool) -> Iterator[Item]:
    if isinstance(entry, os.PathLike):
        yield from from_path(Path(entry), "text", reading)
    elif isinstance(entry, str):
        yield from _from_text(str(entry), number, reading, alone=alone)
    elif strings.is_pair(entry):
        yield TextItem(f"text {number}", *("" if part is None else str(part) for part in entry))
    elif isinstance(entry, Item):
        yield entry
    elif things.is_content(entry):
        yield content(entry, f"text {number}")
    else:
        yield BadItem(f"text {number}", f"{type(entry).__name__} is neither a text nor a path")


def _from_text(entry: str, number: int, reading: Reading, *, alone: bool) -> Iterator[Item]:
    """A file, a folder or a glob if there is one; else the text.

    One of several is a file only if it ends as one: people answer "." and "***", and each wants its answer.
    """
    word = len(entry.split()) == 1 and "\0" not in entry
    if not alone and not _names_file(entry):
        yield TextItem(f"text {number}", entry)
        return
    matches = sorted(glob.glob(entry, recursive=True)) if word and "*" in entry else []  # noqa: PTH207
    if "\0" not in entry and os.path.exists(entry) and entry.strip():  # noqa: PTH110 (Path raises for odd names)
        yield from from_path(Path(entry), "text", reading)
    elif matches:
        for match in matches:
            yield from from_path(Path(match), "text", reading)
    elif word and _names_file(entry):
        yield BadItem(entry, "no file matches" if "*" in entry else "no such file or folder")
    else:
        yield TextItem(f"text {number}", entry)


def _names_file(entry: str) -> bool:
    return suffix_of(entry) in NAMES_FILES or is_table(entry) or archive_ending(entry) != ""


def content(entry: Any, name: str) -> Item:
    """The bytes of a text file, or something to read them from."""
    try:
        return BytesItem(name, things.content_of(entry))
    except ItemError as error:
        return BadItem(name, error.problem)

"""Which cells are no label: empty ones; the words that programs write for nothing; what the user names."""

from __future__ import annotations

from collections.abc import Sequence

from headstart.data.labels.values.column import Cell, Column, normal, text_of
from headstart.data.labels.values.numbers import plain

WORDS = frozenset({"nan", "na", "n/a", "null"})
"""In a file without types these (in lower case) may be classes or mean that there is none: taken as none, and
told. "none" is a class: "no defect" often is."""


def drop(cells: Sequence[Cell], column: Column, *, typed: bool, marks: Sequence[str] | None) -> list[Cell]:
    """The cells, with None where there is no label.

    Empty texts are none. Others are what `marks` names; without it the `WORDS` of what is not `typed`,
    unless they are among the names that the column is known to hold.
    """
    given = frozenset(() if typed else WORDS) if marks is None else frozenset(map(_key, marks))
    found: dict[str, list[int]] = {}
    scalars = {cell for cell in cells if cell is not None and not isinstance(cell, list)}
    none = {cell for cell in scalars if given and _key(cell) in given and cell not in column.named}
    kept: list[Cell] = []
    for row, cell in enumerate(cells):
        if cell is None or cell == "":
            kept.append(None)
        elif isinstance(cell, list) or cell not in none:
            kept.append(cell)
        else:
            found.setdefault(text_of(cell), []).append(row)
            kept.append(None)
    for text, rows in found.items() if marks is None else ():
        cells_are = "cell is" if len(rows) == 1 else "cells are"
        said = f"{len(rows):,} {cells_are} {text!r}: read as no label"
        column.tell("HS315", f"{column.name!r}: {said}", rows)
    return kept


def _key(cell: str | int | float) -> str:
    """Numbers by their value, texts without regard to case."""
    number = plain(cell)
    return text_of(number) if number is not None else normal(str(cell)).lower()

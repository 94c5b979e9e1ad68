"""Tables whose rows are the items: which of their columns are learnt from, and which are not, and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import polars as pl

from headstart.core.dataset import Note
from headstart.core.words import few
from headstart.data.columns import Columns
from headstart.data.items.entries import BytesItem
from headstart.data.reading import Reading
from headstart.errors import DataError
from headstart.modalities import table as room
from headstart.modalities.table import cells as of_cell

ENOUGH = 50
"""Rows from which on a column is said to give the label away, or to be an identifier."""
REPEATED = 5
"""How often each value of a column occurs on average, at least, for it to give the label away."""
MOST_LABELS = 20
"""Different labels that one number may tell apart by its size alone."""
SAME = 0.9999
"""Correlation with the label from which on a number is the label."""


def items_in(
    table: pl.DataFrame, names: Sequence[str], use: Columns, reading: Reading, where: str
) -> tuple[tuple[BytesItem, ...], tuple[Note, ...]]:
    """(an item for each row, called as `names` say; what is to be told of the columns).

    Raises `DataError` where no column is left to learn from.
    """
    named = reading.features
    taken = {use.label, *use.labels, use.split, use.group, use.domain, use.ident}
    rest = list(named) or [name for name in table.columns if name not in taken]
    lists = [name for name in rest if table[name].dtype.is_nested() or table[name].dtype == pl.Binary]
    cells = {name: [of_cell.plain(v) for v in table[name].to_list()] for name in rest if name not in lists}
    notes: list[Note] = []
    if not reading.items_only:
        left, notes = _left_out(table, cells, use, where, keep=bool(named))
        cells = {name: held for name, held in cells.items() if name not in left}
    if lists:
        notes.append(Note("HS518", where, f"{few(lists, each=repr)}: lists or records"))
    if not cells:
        problem = "no column of paths to images, and none of texts or images, is recognised among "
        problem += f"{', '.join(table.columns)}, and none is left to learn from as rows"
        raise DataError(where, problem, "name one with --path-column or --text-column, or --feature-column")
    rows = zip(*cells.values(), strict=True)
    items = [
        BytesItem(name, room.as_bytes(dict(zip(cells, row, strict=True))))
        for name, row in zip(names, rows, strict=True)
    ]
    return tuple(items), tuple(notes)


def _left_out(
    table: pl.DataFrame, cells: dict[str, list[Any]], use: Columns, where: str, *, keep: bool
) -> tuple[set[str], list[Note]]:
    """The columns that are not learnt from, and notes on these and all others; none of those that were named
    (`keep`) is left out, but it is told."""
    label = table[use.label].to_list() if use.label else []
    kinds = {name: of_cell.kind_of(held) for name, held in cells.items()}
    left: dict[str, list[str]] = {"HS518": [], "HS519": [], "HS350": []}
    for name, held in cells.items():
        if kinds[name] in ("", of_cell.TEXT) or _constant(held):
            left["HS518"].append(name)
        elif _identifies(held, kinds[name]):
            left["HS519"].append(name)
        elif label and _tells(held, kinds[name], label):
            left["HS350"].append(name)
    gone = set(left["HS518"]) | set() if keep else {name for names in left.values() for name in names}
    why = {"HS518": "nothing in it, the same everywhere, or a text of its own in most rows",
           "HS519": "another value in every row",
           "HS350": f"it alone determines {use.label!r}"}  # fmt: skip
    kept = "learnt from, as it was named" if keep else "not learnt from"
    notes = [Note("HS517", where, text) for text in _read_as(kinds, gone)]
    for code, names in left.items():
        notes += [Note(code, where, f"{name!r}: {why[code]}; {'not learnt from' if name in gone else kept}")
                  for name in names]  # fmt: skip
    dates = [name for name, kind in kinds.items() if kind == of_cell.DATE and name not in gone]
    if dates and use.split is None:
        text = f"{few(dates, each=repr)}: rows of later days are learnt from to answer for earlier ones"
        notes.append(Note("HS414", where, text))
    return gone, notes


def _read_as(kinds: dict[str, str], gone: set[str]) -> Iterator[str]:
    """What each column is read as, in one line."""
    called = {of_cell.NUMBER: "numbers", of_cell.CATEGORY: "categories", of_cell.DATE: "dates"}
    parts = []
    for kind, noun in called.items():
        names = [name for name, own in kinds.items() if own == kind and name not in gone]
        if names:
            parts.append(f"{noun} from {few(names, 12, each=repr)}")
    yield "each row is an item: " + (", ".join(parts) or "no column is left")


def _constant(held: Sequence[Any]) -> bool:
    return len({None if of_cell.is_missing(cell) else of_cell.name(cell) for cell in held}) < 2


def _identifies(held: Sequence[Any], kind: str) -> bool:
    """Whether each row has a value of its own that says nothing: names, or whole numbers nearly in a row."""
    names = [of_cell.name(cell) for cell in held if not of_cell.is_missing(cell)]
    if len(held) < ENOUGH or len(names) < len(held) or len(set(names)) < len(names):
        return False
    if kind != of_cell.NUMBER:
        return kind == of_cell.CATEGORY
    numbers = np.array([of_cell.number(cell) or 0.0 for cell in held])
    whole = bool((numbers == np.round(numbers)).all())
    return whole and float(numbers.max() - numbers.min()) < 1.5 * len(numbers)


def _tells(held: Sequence[Any], kind: str, label: Sequence[Any]) -> bool:
    """Whether a column alone determines the label in all rows: each of its values, which recur, has one; or
    a number tells the labels apart by its size, or is the label."""
    both = [
        (of_cell.name(cell), of_cell.name(one), cell, one)
        for cell, one in zip(held, label, strict=True)
        if not of_cell.is_missing(one) and not of_cell.is_missing(cell)
    ]
    labels = {one for _, one, _, _ in both}
    if len(both) < max(ENOUGH, 0.9 * len(held)) or len(labels) < 2:
        return False
    values = {value for value, *_ in both}
    if len(values) * REPEATED <= len(both) and len({pair[:2] for pair in both}) == len(values):
        return True
    if kind != of_cell.NUMBER:
        return False
    pairs = [(x, y, one) for _, one, cell, raw in both
             if (x := of_cell.number(cell)) is not None for y in [of_cell.number(raw)]]  # fmt: skip
    if len(labels) <= MOST_LABELS:
        ordered = sorted((x, one) for x, _, one in pairs)
        changes = [(a, b) for (a, one), (b, other) in pairwise(ordered) if one != other]
        return len(changes) == len(labels) - 1 and all(a < b for a, b in changes)
    if any(y is None for _, y, _ in pairs):
        return False
    numbers = [np.array(side, np.float64) for side in zip(*((x, y) for x, y, _ in pairs), strict=True)]
    one, other = (side - side.mean() for side in numbers)
    length = float(np.sqrt((one @ one) * (other @ other)))
    return length > 0 and abs(float(one @ other)) >= SAME * length

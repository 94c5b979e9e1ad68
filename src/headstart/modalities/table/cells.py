"""Cells of a table: what is missing, and cells as numbers, dates and names."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Any

Cell = str | float | int | bool | None
NUMBER, CATEGORY, DATE, TEXT = "number", "category", "date", "text"
MISSING = frozenset({"", "na", "n/a", "nan", "null", "?"})
"""Texts that stand for a cell without a value, in small letters."""
NEARLY_ALL = 0.98
"""Share of the values of a column that must be numbers, or dates, for it to be one of these: the others are
taken for missing."""
TEXT_WORDS = 4
"""Words that values have on average from which on a column holds texts, where they hardly repeat."""


def plain(value: Any) -> Cell:
    """A value of a table as a cell that JSON can hold; what no cell can hold by how it is written."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value.isoformat() if isinstance(value, date) else str(value)


def is_missing(cell: Cell) -> bool:
    """Whether there is no value."""
    return cell is None or (isinstance(cell, str) and cell.strip().lower() in MISSING)


def number(cell: Cell) -> float | None:
    """The cell as a finite number; None for what is none."""
    if cell is None or isinstance(cell, bool):
        return None
    try:
        found = float(cell)
    except (ValueError, OverflowError):
        return None
    return found if math.isfinite(found) else None


def day(cell: Cell) -> float | None:
    """The cell as days since 1970-01-01, where it is a date of ISO 8601 with or without a time; else None."""
    if not isinstance(cell, str) or len(cell.strip()) < len("2026-1-1"):
        return None
    try:
        found = datetime.fromisoformat(cell.strip())
    except ValueError:
        return None
    return (found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp() / 86_400


def name(cell: Cell) -> str:
    """The cell as the name of a category: 3, 3.0 and "3" are one."""
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return str(cell).strip()


def kind_of(cells: Sequence[Cell]) -> str:
    """What a column holds: `NUMBER`, `DATE`, `CATEGORY` or `TEXT`; "" where it holds nothing."""
    held = [cell for cell in cells if not is_missing(cell)]
    if not held:
        return ""
    for kind, read in ((NUMBER, number), (DATE, day)):
        if sum(read(cell) is not None for cell in held) >= NEARLY_ALL * len(held):
            return kind
    names = [name(cell) for cell in held]
    words = sum(len(value.split()) for value in names) / len(names)
    return TEXT if words >= TEXT_WORDS and len(Counter(names)) > len(names) / 2 else CATEGORY

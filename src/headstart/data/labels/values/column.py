"""A column of labels as it came, each cell in a plain form; and what is to be told of how it was read."""

from __future__ import annotations

import datetime
import math
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import Any

from headstart.core.dataset import Note
from headstart.core.words import few, shortened
from headstart.errors import DataError

LISTS = (list, tuple, set, frozenset)
_NO_LABELS = (((bytes, bytearray, memoryview), "bytes"), (dict, "a record"), (LISTS, "a list"))

_OTHERS = (
    ((datetime.date, datetime.time), "a date or a time"), (datetime.timedelta, "a duration"),
    (complex, "a complex number"), (Enum, "a member of an Enum"),
)  # fmt: skip

Cell = str | int | float | list[Any] | None
"""A text without blanks around it, a number, a list of such, or None where there is none."""


@dataclass
class Column:
    """Where labels come from and what they are called, for messages; the classes known beforehand."""

    where: str
    name: str
    named: tuple[str, ...] = ()
    """Names of classes that were given, or that a model knows: words that are surely labels."""
    notes: list[Note] = field(default_factory=list)

    def tell(self, code: str, message: str, rows: Iterable[int] = ()) -> None:
        """Keep a note; `rows` are those whose cells it explains."""
        self.notes.append(Note(code, self.where, message, tuple(rows)))


def normal(name: str) -> str:
    """A name as labels are compared: composed (NFC), without blanks around it."""
    return name.strip() if name.isascii() else unicodedata.normalize("NFC", name).strip()


def cells_of(values: Sequence[Any], column: Column) -> list[Cell]:
    """The values in their plain form. Raises `DataError` for what is a class only as Python writes it."""
    cells: list[Cell] = []
    forms: dict[str, set[str]] = {}
    for row, value in enumerate(values, start=1):
        if type(value) is str and value.isascii():  # nearly all
            cells.append(value.strip())
            continue
        several = isinstance(value, LISTS)
        for one in value if several else (value,):
            held = next((noun for kinds, noun in _NO_LABELS if isinstance(one, kinds)), "")
            if held:
                text = f"the label {column.name!r} of row {row} is {'a list with ' if several else ''}{held}"
                raise DataError(column.where, text, "write labels as texts, numbers or lists of them")
            if isinstance(one, str) and not one.isascii():
                forms.setdefault(normal(one), set()).add(one.strip())
        plain = value.tolist() if hasattr(value, "tolist") else value
        listed = isinstance(plain, LISTS)
        cells.append([_scalar(one, row, column) for one in plain] if listed else _scalar(plain, row, column))
    if any(isinstance(value, bool) for value in values):
        cells = [_flag(cell, column) for cell in cells]
    for name, found in forms.items():
        if len(found) > 1:
            column.tell(
                "HS322", f"{name!r} is written in {len(found)} Unicode forms that look alike: one label"
            )
    return cells


def _flag(cell: Cell, column: Column) -> Cell:
    """ "True", where others of the column are the value True, is that value: both are called "true"."""
    if not isinstance(cell, str) or cell.lower() not in ("true", "false") or cell == cell.lower():
        return cell
    column.tell("HS322", f"the text {cell!r} in {column.name!r} is the value {cell.lower()}: one label")
    return cell.lower()


def _scalar(value: Any, row: int, column: Column) -> str | int | float | None:
    if hasattr(value, "tolist"):
        value = value.tolist()
    if value is None or isinstance(value, str):
        return value if value is None else normal(value)
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Decimal):  # 1.50 is the number 1.5, and 1.00 the class 1
        value = math.nan if value.is_nan() else float(value)
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if type(value).__name__ in ("NAType", "NaTType"):
        return None
    if not isinstance(value, int):
        kind = next(
            (noun for kinds, noun in _OTHERS if isinstance(value, kinds)), f"a {type(value).__name__}"
        )
        problem = f"the label {column.name!r} of row {row} is {kind} ({shortened(str(value), 40)})"
        raise DataError(column.where, problem, "write it as a text where it is a class, or as a number")
    try:
        str(value)
    except ValueError:  # Python writes no number of so many digits
        problem = f"the label {column.name!r} of row {row} is a whole number of thousands of digits"
        raise DataError(column.where, problem, "write it as a text, or measure in another unit") from None
    return value


def text_of(value: str | int | float) -> str:
    """3.0 -> "3": whole numbers become floats wherever a column has gaps."""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def label_type(values: Iterable[Any]) -> str:
    """The type that all labels have which were given (see `headstart.core.task.LABEL_TYPES`); else "text"."""
    kinds = set()
    for value in values:
        plain = value.tolist() if hasattr(value, "tolist") else value
        for one in plain if isinstance(plain, LISTS) else (plain,):
            if one is not None and not (isinstance(one, float) and math.isnan(one)):
                kinds.add(type(one))
    if kinds == {bool}:
        return "bool"
    if kinds <= {int, float} and kinds:
        return "int" if kinds == {int} else "float"
    return "text"


def shown(rows: Sequence[int], cells: Sequence[Cell], *, most: int = 3) -> str:
    """Row 8: '-', row 91: '-' and 12 more."""
    return few(rows, most, each=lambda row: f"row {row + 1}: {text_of(cells[row])!r}")  # type: ignore[arg-type]

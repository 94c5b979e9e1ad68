"""Numbers as people write them: with a unit, a currency, a decimal comma, thousands; and what is none."""

from __future__ import annotations

import math
import re
import shlex
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from headstart.data.labels.values.column import Cell, Column, shown, text_of
from headstart.errors import DataError

MARKS = frozenset({
    "-", "--", "---", "\u2013", "\u2014", "?", "??", ".", "..", "...", "\u2026", "/", "*",
    "n/a", "na", "n.a.", "nan", "null", "none", "nil", "unknown", "unk", "missing", "undefined", "empty",
    "not available", "not known", "no data", "tbd", "tba", "nd", "n.d.", "k.a.", "<na>",
    "#n/a", "#value!", "#ref!", "#div/0!", "#num!",
})  # fmt: skip
"""What, among numbers, can only mean that there is none (in lower case)."""
MOST = 2
"""How many different numbers there are for each other word where a column is said to hold numbers."""
MIXED = 3
"""So many units, none counted as one, may be in a column of numbers: that is told. More are names."""
MANY, FEW_EACH = 20, 3
"""So many different whole numbers that hardly repeat are no classes."""

_PADDED = re.compile(r"[+-]?0\d+")
_CURRENCIES = (
    "USD|EUR|GBP|JPY|CHF|CNY|INR|CAD|AUD|NZD|SEK|NOK|DKK|PLN|CZK|HUF|BRL|MXN|ZAR|KRW|RUB|TRY|SGD|HKD|THB"
)
_SIGNS = "$\u00a2-\u00a5\u20a0-\u20bf"
_WRITTEN = re.compile(
    rf"(?P<sign>[+-]?)\s*(?P<before>(?:[A-Z]{{0,3}}[{_SIGNS}]|{_CURRENCIES}|Rs\.?|kr\.?)?)\s*"
    r"(?P<inner>[+-]?)"
    r"(?P<body>\d[\d.,'\u2019\s]*)(?P<after>(?:[^\W\d_]|[%\u2030\u00b0\u00b5"
    + _SIGNS
    + r"])[^\d;|,]{0,11}[23]?)?"
)
_GROUPS = re.compile(r"\d{1,3}(?:[.,'\u2019\s]\d{3})+")


def plain(value: Cell) -> float | None:
    """A cell as Python reads numbers; None where it is none that is finite. Padded ones ("007") are names."""
    if isinstance(value, str):
        if _PADDED.fullmatch(value) or "_" in value:
            return None
        value = value.replace("\u2212", "-")
    elif not isinstance(value, int | float):
        return None
    try:
        number = float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


@dataclass(frozen=True)
class Numbers:
    """A column read as numbers."""

    values: Mapping[str | int | float, float]
    """Cell -> its number, for the different cells that are one."""
    rows: tuple[float, ...]
    """The numbers of all cells that are one."""
    odd: tuple[int, ...]
    """The rows of cells that are none."""
    marks: frozenset[str]
    """Those of the other cells that among numbers mean "none"."""
    others: int
    """How many different cells are neither."""
    example: tuple[str, float] | None = None
    """A cell that is written in another way, and its number."""
    comma: bool = False
    """Whether commas were taken for decimal marks."""
    unsure: str = ""
    """A cell that may as well be another number."""

    @property
    def most(self) -> bool:
        """Whether most of the different cells are numbers."""
        return bool(self.values) and len(set(self.values.values())) >= MOST * self.others

    @property
    def measured(self) -> bool:
        """Whether they are no classes: some have decimals, or they are many and hardly repeat."""
        if any(not number.is_integer() for number in self.rows):
            return True
        distinct = len(set(self.rows))
        return distinct > MANY and len(self.rows) < FEW_EACH * distinct


class _Parts(NamedTuple):
    unit: tuple[str, str]
    negative: bool
    body: str


def read(cells: Sequence[Cell]) -> Numbers:
    """What the cells (None where there is none, no lists) are as numbers."""
    different = list(dict.fromkeys(cell for cell in cells if cell is not None and not isinstance(cell, list)))
    values = {cell: number for cell in different if (number := plain(cell)) is not None}
    parts = {cell: found for cell in different if cell not in values and (found := _parts(cell)) is not None}
    bare = [*values]
    counts = Counter(part.unit for part in parts.values())
    counts[("", "")] += len(values)
    unit = max(counts, key=lambda unit: counts[unit])
    example, comma, unsure = None, False, ""
    same = {cell: part for cell, part in parts.items() if part.unit == unit}
    if same:
        # plain ones are read in the same way: 1.234 beside 1.234,50 is no fraction
        there = {cell: found for cell in values if (found := _parts(cell)) is not None}
        same |= {cell: part for cell, part in there.items() if part.unit == unit}
        comma, unsure = _decimal_comma(same)
        more = {cell: number for cell, part in same.items() if (number := _number(part, comma)) is not None}
        kept = values.items() if unit == ("", "") else ()
        values = {**{cell: number for cell, number in kept if cell not in same}, **more}
        written = next((cell for cell in same if cell in more and plain(cell) != more[cell]), None)
        example = (text_of(written), more[written]) if written is not None else None
    rest = [cell for cell in different if cell not in values]
    single = [None if isinstance(cell, list) else cell for cell in cells]
    marks = frozenset(str(cell) for cell in rest if str(cell).lower() in MARKS)
    units = {cell: part.unit for cell, part in parts.items()} | dict.fromkeys(bare, ("", ""))
    strange = sum(units.get(cell, unit) != unit for cell in rest) if len(counts) <= MIXED else 0
    return Numbers(
        values=values,
        rows=tuple(values[cell] for cell in single if cell is not None and cell in values),
        odd=tuple(i for i, cell in enumerate(single) if cell is not None and cell not in values),
        marks=marks,
        others=len(rest) - len(marks) - strange,
        example=example,
        comma=comma,
        unsure=unsure,
    )


def _parts(cell: Cell) -> _Parts | None:
    """A number in its parts; None for what is none, however it is written."""
    text = str(cell).replace("\u2212", "-")
    found = _WRITTEN.fullmatch(text) if len(text) < 64 and not _PADDED.fullmatch(text) else None
    if found is None or not (isinstance(cell, str) or plain(cell) is not None):
        return None
    after = (found["after"] or "").strip().rstrip(".")
    after = after[:-1] if len(after) > 3 and after.endswith("s") else after  # 1 year, 2 years
    negative = (found["sign"] + found["inner"]) == "-"
    return _Parts((found["before"].strip(), after), negative, found["body"].strip())


def _decimal_comma(parts: Mapping[str | int | float, _Parts]) -> tuple[bool, str]:
    """(whether commas are decimal marks, a cell that leaves it open: "1,234" where all are of this form)."""
    bodies = {part.body: cell for cell, part in parts.items()}
    # those that seem to have a decimal point, and those that surely have a decimal comma
    points = sum(body.count(".") == 1 and body.rfind(".") > body.rfind(",") for body in bodies)
    decimals = sum(map(_comma, bodies))
    if (points and decimals) or any("," in body and "." in body for body in bodies):
        return decimals > points, ""  # most decide: the others are no numbers, and are named
    commas = [body for body in bodies if "," in body]
    if not commas:
        return any(body.count(".") > 1 and _GROUPS.fullmatch(body) for body in bodies), ""
    if any(body.count(",") > 1 and _GROUPS.fullmatch(body) for body in commas):
        return False, ""
    if any(not _GROUPS.fullmatch(body) or body.startswith("0") for body in commas):
        return True, ""
    if len(commas) < len(bodies):  # beside 345 the comma of 1,234 parts thousands; beside 1234 it cannot
        return any(len(re.split(r"[.,]", body)[0]) > 3 for body in bodies if "," not in body), ""
    currency = any(sign for part in parts.values() for sign in part.unit)
    return False, "" if currency else str(bodies[commas[0]])


def _comma(body: str) -> bool:
    """Whether it surely has a decimal comma, and no thousands."""
    thousands = "." not in body and _GROUPS.fullmatch(body) and not body.startswith("0")
    return body.count(",") == 1 and body.rfind(",") > body.rfind(".") and not thousands


def _number(part: _Parts, comma: bool) -> float | None:
    """The number; None where it is not written as the others are."""
    whole, mark, fraction = part.body.partition("," if comma else ".")
    grouped = not whole.isdecimal()
    if (grouped and not _GROUPS.fullmatch(whole)) or (mark and not fraction.isdecimal()):
        return None
    number = float(re.sub(r"\D", "", whole) + (f".{fraction}" if mark else ""))
    return -number if part.negative else number


def targets(cells: Sequence[Cell], numbers: Numbers, column: Column) -> list[float | None]:
    """The numbers of a regression, None where a cell is empty or holds a mark for missing, which is told.

    Raises `DataError` for other cells that are no numbers.
    """
    name, total = column.name, len(numbers.rows) + len(numbers.odd)
    if numbers.unsure:
        problem = f"{name!r} holds numbers that can be read in two ways, such as {numbers.unsure!r}"
        remedy = "write them without the comma, or with a decimal point"
        raise DataError(column.where, problem, remedy)
    said = f"{len(numbers.rows):,} of {total:,} values of {name!r} are numbers"
    if numbers.example is not None and numbers.rows:
        said += f" such as {numbers.example[0]!r}"
    wrong = [row for row in numbers.odd if str(cells[row]) not in numbers.marks]
    if wrong:
        mark = text_of(cells[wrong[0]])  # type: ignore[arg-type]
        remedy = f"write numbers, or leave those cells empty (--missing {shlex.quote(mark)} reads them so); "
        remedy += "for classes say --task classification"
        raise DataError(column.where, f"{said}; not {shown(wrong, cells)}", remedy)
    if numbers.odd:
        column.tell("HS316", f"{said}; not {shown(numbers.odd, cells)}: read as missing", numbers.odd)
    return [None if cell is None or isinstance(cell, list) else numbers.values.get(cell) for cell in cells]


def in_order(names: Iterable[str]) -> list[str] | None:
    """Names that are all numbers by their value; None where one is none."""
    found = {name: plain(name) for name in names}
    ordered = sorted((number, name) for name, number in found.items() if number is not None)
    return [name for _, name in ordered] if len(ordered) == len(found) else None

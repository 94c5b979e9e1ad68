"""How a model wants the rows of a table: which columns, and how each becomes numbers."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from types import MappingProxyType
from typing import Any

import numpy as np

from headstart.core.source import Preprocessing, Signature
from headstart.core.untrusted import field as in_json
from headstart.modalities.table.cells import (
    CATEGORY,
    DATE,
    NUMBER,
    Cell,
    day,
    is_missing,
    kind_of,
    name,
    number,
)

MOST_VALUES = 50
"""Values of a category that have a number of their own: those of most rows."""
MOST_COLUMNS = 10_000
FAR = 10.0
"""Standard deviations at which a number is cut off."""
NO_FILES: Mapping[str, bytes] = MappingProxyType({})
Row = Mapping[str, Cell]


@dataclass(frozen=True)
class Column:
    """One column as it was in the rows that were learnt from."""

    name: str
    kind: str
    """"number", "date" (in days) or "category"."""
    values: tuple[str, ...] = ()
    """Of a category: each has a number of its own, 1 where it is the row's value. All others have none."""
    mean: float = 0.0
    sd: float = 1.0
    """Of numbers and dates: they are standardised with these."""
    missing: bool = False
    """Whether one more number says that there is no value: there were such rows to learn from."""

    @classmethod
    def of(cls, name_: str, cells: Sequence[Cell]) -> Column | None:
        """The column as it is in these cells; None for what no model here reads, or never varies."""
        kind = kind_of(cells)
        if kind == CATEGORY:
            held = Counter(name(cell) for cell in cells if not is_missing(cell))
            kept = sorted(held, key=lambda value: (-held[value], value))[:MOST_VALUES]
            missing = any(map(is_missing, cells))
            found = cls(name_, kind, tuple(sorted(kept)), missing=missing)
            return found if found.width > 1 else None
        if kind not in (NUMBER, DATE):
            return None
        read = number if kind == NUMBER else day
        values = np.array([value for cell in cells if (value := read(cell)) is not None], np.float64)
        with np.errstate(over="ignore"):
            mean, sd = float(values.mean()), float(values.std())
        if not (math.isfinite(mean) and math.isfinite(sd)):
            return None
        missing = len(values) < len(cells)
        varies = sd > 1e-12 * max(1.0, abs(mean))
        return cls(name_, kind, (), mean, sd if varies else 1.0, missing) if varies or missing else None

    @property
    def width(self) -> int:
        """Numbers that it becomes."""
        return (len(self.values) if self.kind == CATEGORY else 1) + self.missing

    @property
    def parts(self) -> tuple[str, ...]:
        """What each of its numbers is: "age", "country = Cuba", "age is missing"."""
        own = [f"{self.name} = {value}" for value in self.values] if self.kind == CATEGORY else [self.name]
        return (*own, *([f"{self.name} is missing"] if self.missing else []))

    def encode(self, cells: Sequence[Cell]) -> np.ndarray:
        """float32 `[N, width]`"""
        out = np.zeros((len(cells), self.width), np.float32)
        if self.kind == CATEGORY:
            place = {value: at for at, value in enumerate(self.values)}
            for row, cell in enumerate(cells):
                if is_missing(cell):
                    out[row, -1] = float(self.missing) if self.missing else out[row, -1]
                elif (at := place.get(name(cell))) is not None:
                    out[row, at] = 1.0
            return out
        read = number if self.kind == NUMBER else day
        for row, cell in enumerate(cells):
            value = read(cell)
            if value is not None:
                out[row, 0] = min(max((value - self.mean) / self.sd, -FAR), FAR)
            elif self.missing:
                out[row, 1] = 1.0
        return out


@dataclass(frozen=True)
class TablePreprocessing(Preprocessing):
    """The columns that a model reads, with means, deviations and values of the rows that it has learnt from.

    A prepared row is float32 `[D]`: numbers and dates standardised, cut off at ten standard deviations, the
    mean where there is none; a 1 for the value of each category; a 1 for what is missing.
    """

    columns: tuple[Column, ...] = ()

    @classmethod
    def of(cls, rows: Sequence[Row]) -> TablePreprocessing:
        """As these rows are: to be called with rows to learn from, and no others."""
        names = list(dict.fromkeys(name_ for row in rows for name_ in row))
        found = (Column.of(name_, [row.get(name_) for row in rows]) for name_ in names)
        return cls(tuple(column for column in found if column is not None))

    @property
    def modality(self) -> str:
        return "table"

    @property
    def columns_read(self) -> tuple[str, ...]:
        """All of them, in order."""
        return tuple(column.name for column in self.columns)

    @property
    def width(self) -> int:
        """Numbers of a prepared row; 1, a zero, where there is no column."""
        return sum(column.width for column in self.columns) or 1

    def matrix(self, rows: Sequence[Row]) -> np.ndarray:
        """float32 `[N, D]`: prepared rows."""
        parts = [column.encode([row.get(column.name) for row in rows]) for column in self.columns]
        return np.concatenate(parts, axis=1) if parts else np.zeros((len(rows), 1), np.float32)

    def to_json(self) -> dict[str, Any]:
        return {
            "modality": "table",
            "columns": [{**asdict(c), "values": list(c.values)} for c in self.columns],
        }

    @classmethod
    def audit(cls, data: Mapping[str, Any]) -> None:
        """Raises `ValueError`, `TypeError` or `KeyError` for columns that no table has."""
        columns = cls.from_json(data).columns
        if len(columns) > MOST_COLUMNS or len({column.name for column in columns}) < len(columns):
            raise ValueError("too many columns, or two of one name")
        for column in columns:
            if column.kind not in (NUMBER, DATE, CATEGORY) or len(column.values) > MOST_VALUES:
                raise ValueError(f"a column of the kind {column.kind!r} with {len(column.values)} values")
            if not (math.isfinite(column.mean) and 0 < column.sd < math.inf):
                raise ValueError(f"a mean and standard deviation that no column has ({column.name!r})")

    @classmethod
    def from_json(cls, data: Mapping[str, Any], files: Mapping[str, bytes] = NO_FILES) -> TablePreprocessing:  # noqa: ARG003
        """Raises `ValueError`, `TypeError`, `KeyError` for what is none."""
        columns = []
        for one in in_json(data, "columns", list):
            if not isinstance(one, Mapping):
                raise TypeError("a column that is no record")
            values = in_json(one, "values", list)
            missing = one["missing"]
            if not all(isinstance(value, str) for value in values) or not isinstance(missing, bool):
                raise TypeError("values that are no texts")
            mean, sd = (float(in_json(one, part, float)) for part in ("mean", "sd"))
            columns.append(
                Column(in_json(one, "name", str), in_json(one, "kind", str), tuple(values), mean, sd, missing)
            )
        return cls(tuple(columns))

    def signature(self) -> Signature:
        """float32 `[N, D]`"""
        return Signature("row", "float32", (self.width,))

    def wants(self) -> str:
        return f"{len(self.columns)} columns"

"""Targets: what is to be predicted, row by row. How a missing label is written is known here alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, runtime_checkable

import numpy as np


@runtime_checkable
class Targets(Protocol):
    """A target, or none, for each of N rows: `Dense`, or a class of another kind of task."""

    @property
    def known(self) -> np.ndarray:
        """bool `[N]`: the rows that have a label."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Any) -> Any:
        """What the methods of the task take as `y`, of some rows (int64, bool `[N]`, a slice); of a row its
        target. Raises `LookupError` where a row has no label."""

    def hidden(self, kept: np.ndarray) -> Targets:
        """The same with the labels of these rows (int64) alone: the others are gone."""

    def subset(self, rows: np.ndarray) -> Targets:
        """Those of the given rows (int64), in the given order."""

    def content(self) -> np.ndarray | None:
        """An array that differs where any label does; None where there are none."""

    def to_list(self) -> list[Any]:
        """Row by row, as a column of a Parquet file holds them."""


def frozen(array: np.ndarray) -> np.ndarray:
    """The array as a view that cannot be written to."""
    view = array.view()
    view.flags.writeable = False
    return view


@dataclass(frozen=True, eq=False)
class Dense:
    """Targets in one array: int64 `[N]` classes (-1: no label), float32 `[N, K]` of 0 and 1 (a row of NaN),
    or float64 `[N]` values (NaN)."""

    array: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "array", frozen(self.array))

    @cached_property
    def known(self) -> np.ndarray:
        if self.array.dtype.kind == "i":
            return np.asarray(self.array >= 0)
        known = ~np.isnan(self.array)
        return known.all(axis=1) if known.ndim == 2 else known

    def __len__(self) -> int:
        return len(self.array)

    def __getitem__(self, rows: Any) -> Any:
        if not self.known[rows].all():
            lost = int(np.sum(~self.known[rows]))
            raise LookupError(f"{lost:,} of the rows asked for have no label, or none that may be seen here")
        return self.array[rows]

    def hidden(self, kept: np.ndarray) -> Dense:
        array = np.full_like(self.array, -1 if self.array.dtype.kind == "i" else np.nan)
        array[kept] = self.array[kept]
        return type(self)(array)

    def subset(self, rows: np.ndarray) -> Dense:
        return type(self)(self.array[rows])

    def content(self) -> np.ndarray | None:
        return self.array

    def to_list(self) -> list[Any]:
        return list(self.array.tolist())


class Unlabelled(Dense):
    """Those of data that came without labels: NaN for every row."""

    def content(self) -> None:
        return None


def of(given: Targets | np.ndarray | None, rows: int) -> Targets:
    """Targets as they are, or from the array of `Dense`; None: no labels, of so many rows."""
    if given is None or isinstance(given, Unlabelled):
        return Unlabelled(np.full(rows, np.nan))
    return Dense(given) if isinstance(given, np.ndarray) else given


@runtime_checkable
class Kept(Protocol):
    """Targets that are no numbers, and are kept as bytes where they must be known without the data."""

    def kept(self) -> list[bytes | None]:
        """Row by row, None where nothing is known."""


def of_list(values: Sequence[Any]) -> Dense:
    """Back from `Dense.to_list`. Raises `ValueError` for what are no numbers."""
    several = bool(values) and isinstance(values[0], list)
    array = np.array(values, np.float32 if several else None)
    if array.dtype.kind not in "if":
        raise ValueError("no numbers")
    return Dense(array)


def classes(numbers: Iterable[int | None]) -> np.ndarray:
    """The array of class numbers, None where there is no label."""
    return np.array([-1 if number is None else number for number in numbers], dtype=np.int64)


def sets(rows: Sequence[Sequence[int] | None], outputs: int) -> np.ndarray:
    """The array of the numbers of each row's labels, None where nothing is known of them."""
    array = np.zeros((len(rows), outputs), dtype=np.float32)
    for row, numbers in enumerate(rows):
        array[row, slice(None) if numbers is None else list(numbers)] = np.nan if numbers is None else 1.0
    return array


def values(numbers: Iterable[float | None]) -> np.ndarray:
    """The array of values, None where there is no label."""
    return np.array([np.nan if number is None else number for number in numbers], dtype=np.float64)

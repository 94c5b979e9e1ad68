"""Predictions (`core.predictions`) that are no numbers: an object in each covered cell of repeats x items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO, Generic, Self, TypeVar

import numpy as np

from headstart.core import fingerprint
from headstart.core.untrusted import Damaged, limits, parsing, read_npz

T = TypeVar("T")


def column(objects: Iterable[Any]) -> np.ndarray:
    """Object array `[n]`: rows that can be picked by an array of numbers."""
    listed = list(objects)
    out = np.empty(len(listed), dtype=object)
    out[:] = listed
    return out


class Cells(Generic[T]):
    """An answer of one kind for R repeats of N items; a subclass knows the kind.

    It gives an answer with the task's outputs in another order, and how answers are written: `columns` whole
    numbers of each, and arrays in which all of them stand one behind the other.
    """

    columns: int
    """Numbers that are written of each cell, beside its place."""
    width = 64
    """What is counted of a cell, not all that is in it: that is counted once."""

    def __init__(self, shape: tuple[int, int], cells: Mapping[tuple[int, int], T]) -> None:
        self.shape, self.cells = shape, MappingProxyType(dict(sorted(cells.items(), key=_place)))

    @staticmethod
    def renumbered(one: T, outputs: Sequence[int]) -> T:
        """The answer where output k is the one that was `outputs[k]`; others are gone."""
        raise NotImplementedError

    @staticmethod
    def packed(answers: Sequence[T]) -> tuple[list[list[int]], dict[str, np.ndarray]]:
        """(the numbers of each cell, arrays of all)."""
        raise NotImplementedError

    @staticmethod
    def unpacked(table: list[list[int]], arrays: Mapping[str, np.ndarray]) -> list[T]:
        """The answers again. Raises `Damaged` for what `packed` cannot have written."""
        raise NotImplementedError

    @cached_property
    def covered(self) -> np.ndarray:
        known = np.zeros(self.shape, bool)
        for cell in self.cells:
            known[cell] = True
        known.flags.writeable = False
        return known

    def take(self, repeat: int, rows: Any) -> np.ndarray:
        """Object array `[n]` of answers."""
        return column(self.cells[repeat, row] for row in np.arange(self.shape[1])[rows].tolist())

    def averaged(self) -> np.ndarray:
        """The first of each item's answers: two of them have no mean."""
        first = {row: one for (_, row), one in reversed(list(self.cells.items()))}
        return column(first[row] for row in sorted(first))

    def hide(self, cells: np.ndarray) -> Self:
        kept = {at: one for at, one in self.cells.items() if at[0] < len(cells) and not cells[at]}
        return type(self)((len(cells), self.shape[1]), kept)

    def of_parts(self, parts: Sequence[tuple[Any, np.ndarray]]) -> Self:
        return type(self)(
            self.shape, {at: one for made, where in parts for at, one in made.cells.items() if where[at]}
        )

    def aligned(self, rows: np.ndarray, outputs: Sequence[int] | None, *, packed: bool) -> Self:
        place = {row: number for number, row in enumerate(rows.tolist())}
        same = outputs is None or list(outputs) == sorted(outputs)
        done, cells = dict.fromkeys(place, 0), {}
        for (repeat, row), one in self.cells.items():
            if row in place:
                at = done[row] if packed else repeat, place[row]
                cells[at] = one if same or outputs is None else self.renumbered(one, outputs)
                done[row] += 1
        return type(self)((self.shape[0], len(rows)), cells)

    @cached_property
    def _digest(self) -> str:
        table, arrays = self.packed(list(self.cells.values()))
        parts = [str(self.shape), *(f"{at} {row}" for at, row in zip(self.cells, table, strict=True))]
        return fingerprint.of_parts([*parts, *map(fingerprint.of_array, arrays.values())])

    def digest(self) -> str:
        return self._digest

    def save(self, file: BinaryIO) -> None:
        table, arrays = self.packed(list(self.cells.values()))
        cells = [[*at, *numbers] for at, numbers in zip(self.cells, table, strict=True)]
        shape, columns = np.array(self.shape, np.int64), np.array(cells, np.int64)
        np.savez(file, shape=shape, cells=columns.reshape(-1, 2 + self.columns), **arrays)  # type: ignore[arg-type]

    @classmethod
    def load(cls, path: Path) -> Self:
        with parsing():
            stored = read_npz(path, most=limits.ARCHIVE_BYTES)
            repeats, rows = (int(n) for n in stored["shape"])
            table = stored["cells"].tolist()
            if not all(0 <= row[0] < repeats and 0 <= row[1] < rows for row in table):
                raise Damaged("it holds an answer of an item that is none")
            answers = cls.unpacked([row[2:] for row in table], stored)
        cells = {(row[0], row[1]): one for row, one in zip(table, answers, strict=True)}
        return cls((repeats, rows), cells)

    @classmethod
    def empty(cls, repeats: int, rows: int, outputs: int) -> Self:  # noqa: ARG003
        return cls((repeats, rows), {})


def _place(entry: tuple[tuple[int, int], Any]) -> tuple[int, int]:
    return entry[0]

"""Predictions: what an arm said of rows that it was not trained on. All that evidence may ask of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

import numpy as np

from headstart.core import fingerprint
from headstart.core.targets import frozen
from headstart.core.untrusted import Damaged, limits, read_npz


@runtime_checkable
class Predictions(Protocol):
    """Out-of-fold predictions in R repeats for N rows: `Dense`, or a class of another kind of task."""

    @property
    def covered(self) -> np.ndarray:
        """bool `[R, N]`: the cells in which there is a prediction."""

    @property
    def width(self) -> int:
        """Numbers in a cell, about: by these it is reckoned what a resample costs."""

    def take(self, repeat: int, rows: Any) -> Any:
        """What scores of the task take as predictions, of some covered rows (int64, bool `[N]`, a slice)."""

    def averaged(self) -> Any:
        """The same of every row that has any, averaged over the repeats that have it."""

    def hide(self, cells: np.ndarray) -> Predictions:
        """The first R' repeats, without the predictions in these cells bool `[R', N]`."""

    def of_parts(self, parts: Sequence[tuple[Any, np.ndarray]]) -> Predictions:
        """As many repeats with only what is in each of the cells bool `[R, N]` of others of the same kind."""

    def aligned(self, rows: np.ndarray, outputs: Sequence[int] | None, *, packed: bool) -> Predictions:
        """Those of the given rows (int64), with the task's outputs in the given order; `packed`: each row's
        moved to the first repeats (where two runs held items out in different folds, their repeats have no
        order in common)."""

    def digest(self) -> str:
        """Fingerprint of the content."""

    def save(self, file: BinaryIO) -> None:
        """As an .npz archive."""

    @classmethod
    def load(cls, path: Path) -> Predictions:
        """What `save` wrote. Raises `OSError`, and `Damaged` for other archives."""

    @classmethod
    def empty(cls, repeats: int, rows: int, outputs: int) -> Predictions:
        """Nothing predicted."""


@dataclass(frozen=True, eq=False)
class Dense:
    """K numbers a cell, probabilities or the predicted value: float32 `[R, N, K]`, NaN where a row was not
    held out."""

    array: np.ndarray = field(repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "array", frozen(self.array))

    @cached_property
    def covered(self) -> np.ndarray:
        return np.asarray(~np.isnan(self.array).any(axis=2))

    @property
    def width(self) -> int:
        return self.array.shape[2]

    def take(self, repeat: int, rows: Any) -> np.ndarray:
        """float64 `[n, K]`"""
        return self.array[repeat, rows].astype(np.float64)

    def averaged(self) -> np.ndarray:
        """float64 `[n, K]`"""
        rows = np.flatnonzero(self.covered.any(axis=0))
        return np.asarray(np.nanmean(self.array[:, rows].astype(np.float64), axis=0))

    def hide(self, cells: np.ndarray) -> Dense:
        return Dense(np.where(cells[..., None], np.nan, self.array[: len(cells)]))

    def of_parts(self, parts: Sequence[tuple[Dense, np.ndarray]]) -> Dense:
        out = np.full_like(self.array, np.nan)
        for other, cells in parts:
            repeats, rows = np.nonzero(cells)
            out[repeats, rows] = other.array[repeats, rows]
        return Dense(out)

    def aligned(self, rows: np.ndarray, outputs: Sequence[int] | None, *, packed: bool) -> Dense:
        found = self.array[:, rows] if outputs is None else self.array[:, rows][..., list(outputs)]
        if packed:
            order = np.argsort(~self.covered[:, rows], axis=0, kind="stable")
            found = np.take_along_axis(found, order[..., None], axis=0)
        return Dense(found)

    def digest(self) -> str:
        return fingerprint.of_array(self.array)

    def save(self, file: BinaryIO) -> None:
        np.savez_compressed(file, predictions=self.array)

    @classmethod
    def load(cls, path: Path) -> Dense:
        array = read_npz(path, most=limits.ARCHIVE_BYTES)["predictions"]
        if array.dtype.kind != "f" or array.ndim != 3:
            raise Damaged(f"it holds {array.dtype} {list(array.shape)}, not predictions")
        return cls(array)

    @classmethod
    def empty(cls, repeats: int, rows: int, outputs: int) -> Dense:
        return cls(np.full((repeats, rows, outputs), np.nan, np.float32))


def of(given: Predictions | np.ndarray) -> Predictions:
    """Predictions as they are, or from the array of `Dense`."""
    return Dense(given) if isinstance(given, np.ndarray) else given


def both(ours: Predictions, theirs: Predictions) -> np.ndarray:
    """bool `[R, N]`: the cells that both have, in as many repeats as both have (an arm that was read from the
    run of another version may have others than this one makes)."""
    repeats = min(len(ours.covered), len(theirs.covered))
    return np.asarray(ours.covered[:repeats] & theirs.covered[:repeats])


class Column:
    """The field `Trial.predictions`, which may be given as the array of `Dense`."""

    def __get__(self, trial: object | None, owner: type) -> Predictions:
        return Dense.empty(0, 0, 0) if trial is None else trial.__dict__["predictions"]

    def __set__(self, trial: object, given: Predictions | np.ndarray) -> None:
        trial.__dict__["predictions"] = of(given)

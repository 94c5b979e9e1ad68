"""Rows: one column over many shards, read by row number without ever loading it whole."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from headstart.core.untrusted import Damaged, read_npy
from headstart.errors import StoreError

MAPS = 256
"""Files kept mapped at most; a mapping holds no file open."""

_maps: OrderedDict[Path, np.ndarray] = OrderedDict()
_lock = threading.Lock()


def mapped(path: Path) -> np.ndarray:
    """The array in a .npy file, mapped into memory. Raises `StoreError` when it is gone or damaged."""
    with _lock:
        if path in _maps:
            _maps.move_to_end(path)
            return _maps[path]
    try:
        array = read_npy(path, mapped=True)
    except FileNotFoundError as error:
        raise StoreError(path, "was removed while it was in use", "run the same command again") from error
    except (OSError, Damaged) as error:
        remedy = "run `headstart cache verify --repair`, then the same command again"
        raise StoreError(path, f"cannot be read ({error})", remedy) from error
    with _lock:
        _maps[path] = array
        while len(_maps) > MAPS:
            _maps.popitem(last=False)
    return array


def forget_maps() -> None:
    """Let go of all mapped files."""
    with _lock:
        _maps.clear()


class StoredRows:
    """A `headstart.core.features.Rows`: `rows[index]` reads those rows and nothing else.

    Row i lies in file `files[shard[i]]` at `row[i]`. Rows are gathered file by file in the order in
    which they lie on disk, and come back in the order asked for.
    """

    def __init__(
        self,
        files: Sequence[Path],
        shard: np.ndarray,
        row: np.ndarray,
        *,
        shape: tuple[int, ...],
        dtype: np.dtype[Any],
        keep: Any = None,
    ) -> None:
        self._files, self._shard, self._row = tuple(files), shard, row
        self.shape, self.dtype = (len(row), *shape), np.dtype(dtype)
        self._keep = keep  # what must live as long as these rows are read, such as a pin

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        return f"StoredRows({self.shape}, {self.dtype}, {len(self._files)} files)"

    def __getitem__(self, index: Any) -> np.ndarray:
        """Rows by an integer array (negative numbers count from the end), a mask, a slice or a number.

        Raises `IndexError` for rows that are not there, `StoreError` for files that cannot be read.
        """
        if isinstance(index, slice):
            wanted = np.arange(len(self))[index]
        else:
            wanted = np.asarray(index)
            if wanted.dtype == bool:
                wanted = np.arange(len(self))[wanted]
            elif wanted.size == 0:
                wanted = wanted.astype(np.int64)
        shard, row = self._shard[wanted], self._row[wanted]
        out = np.empty((*wanted.shape, *self.shape[1:]), dtype=self.dtype)
        self._gather(
            np.atleast_1d(shard).ravel(), np.atleast_1d(row).ravel(), out.reshape(-1, *self.shape[1:])
        )
        return out

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """All rows: for small data only."""
        return self[:].astype(dtype or self.dtype, copy=False)

    def _gather(self, shard: np.ndarray, row: np.ndarray, out: np.ndarray) -> None:
        order = np.lexsort((row, shard))
        borders = np.flatnonzero(np.diff(shard[order])) + 1
        for part in np.split(order, borders):
            if len(part):
                out[part] = mapped(self._files[shard[part[0]]])[row[part]]

"""Union-find over row numbers."""

from __future__ import annotations

from collections.abc import Hashable, Iterable

import numpy as np


class Unions:
    """Rows that belong together, joined pair by pair or by equal keys."""

    def __init__(self, count: int) -> None:
        self._parent = list(range(count))

    def find(self, row: int) -> int:
        """The representative of a row: the smallest row of its set."""
        root = row
        while self._parent[root] != root:
            root = self._parent[root]
        while self._parent[row] != root:
            self._parent[row], row = root, self._parent[row]
        return root

    def join(self, one: int, other: int) -> None:
        """Put two rows, and all that belong to them, together."""
        low, high = sorted((self.find(one), self.find(other)))
        self._parent[high] = low

    def join_equal(self, keys: Iterable[Hashable]) -> None:
        """Put rows with equal keys together; one key for each row, in order."""
        first: dict[Hashable, int] = {}
        for row, key in enumerate(keys):
            self.join(first.setdefault(key, row), row)

    def numbers(self) -> np.ndarray:
        """int64 `[N]`: equal for rows that belong together, numbered from 0 by first row."""
        roots = [self.find(row) for row in range(len(self._parent))]
        number: dict[int, int] = {}
        return np.array([number.setdefault(root, len(number)) for root in roots], dtype=np.int64)

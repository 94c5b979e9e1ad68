"""Which rows of a section are on disk, and where: looked up by key, kept up to date while others write."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from headstart.core.words import printable
from headstart.store.disk import shard as shards
from headstart.store.disk.keys import KEY
from headstart.store.disk.shard import Shard

NOWHERE = -1
_log = logging.getLogger("headstart.store")


@dataclass(eq=False)
class _Index:
    """Keys of many shards, sorted; new ones wait in a short list until sorting them in pays."""

    keys: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=KEY))
    shard: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    row: np.ndarray = field(default_factory=lambda: np.empty(0, dtype=np.int32))
    waiting: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = field(default_factory=list)

    def add(self, keys: np.ndarray, number: int) -> None:
        rows = np.arange(len(keys), dtype=np.int32)
        self.waiting.append((keys, np.full(len(keys), number, dtype=np.int32), rows))

    def find(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        if sum(len(part[0]) for part in self.waiting) > 4096 + len(self.keys) // 4 or len(self.waiting) > 64:
            self._settle()
        shard = np.full(len(keys), NOWHERE, dtype=np.int32)
        row = np.full(len(keys), NOWHERE, dtype=np.int32)
        _look(keys, self.keys, self.shard, self.row, (shard, row))
        for part in self.waiting:
            order = np.argsort(part[0])
            _look(keys, part[0][order], part[1][order], part[2][order], (shard, row))
        return shard, row

    def _settle(self) -> None:
        parts = [(self.keys, self.shard, self.row), *self.waiting]
        keys, shard, row = (np.concatenate([part[k] for part in parts]) for k in range(3))
        order = np.argsort(keys, kind="stable")
        self.keys, self.shard, self.row, self.waiting = keys[order], shard[order], row[order], []


def _look(
    wanted: np.ndarray,
    keys: np.ndarray,
    shard: np.ndarray,
    row: np.ndarray,
    found: tuple[np.ndarray, np.ndarray],
) -> None:
    """Fill in what is still nowhere."""
    if not len(keys):
        return
    place = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    hit = (keys[place] == wanted) & (found[0] == NOWHERE)
    found[0][hit], found[1][hit] = shard[place[hit]], row[place[hit]]


class Catalogue:
    """The shards of one section's folder."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.shards: list[Shard] = []
        self._names: set[str] = set()
        self._indexes: dict[frozenset[str], _Index] = {}

    def reload(self) -> None:
        """Look at every shard again, its files included."""
        self.shards, self._names, self._indexes = [], set(), {}
        self.refresh()

    def refresh(self) -> None:
        """Take in the shards that have appeared since."""
        for name in sorted(shard_names(self.path) - self._names):
            self._names.add(name)
            found = shards.read(self.path / name)
            if found is None:
                _tell(self.path / name)
            elif found.columns:
                self._index(found, len(self.shards))
                self.shards.append(found)

    def _index(self, found: Shard, number: int) -> None:
        self._indexes.setdefault(frozenset(found.columns), _Index()).add(found.keys, number)

    def _left_out(self, columns: Iterable[str], numbers: np.ndarray) -> bool:
        """Leave out what is not as it was written of these columns in these shards; whether there was any."""
        wanted, some = set(columns), False
        for number in np.flatnonzero(np.bincount(numbers[numbers != NOWHERE])).tolist():
            shard = self.shards[number]
            bad = {name for name in wanted & set(shard.columns) if not shards.sound(shard, name)}
            if bad:
                some = True
                _tell(shard.path)
                kept = {name: column for name, column in shard.columns.items() if name not in bad}
                self.shards[number] = replace(shard, columns=kept)
        if some:
            self._indexes = {}
            for number, shard in enumerate(self.shards):
                self._index(shard, number)
        return some

    def find(self, column: str, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """int32 `[n]` twice: number of the shard that holds the key in that column, and its row; -1: none.

        What is not as it was written is nowhere."""
        shard = np.full(len(keys), NOWHERE, dtype=np.int32)
        row = np.full(len(keys), NOWHERE, dtype=np.int32)
        for columns, index in self._indexes.items():
            if column in columns:
                open_ = shard == NOWHERE
                shard[open_], row[open_] = index.find(keys[open_])
        return self.find(column, keys) if self._left_out([column], shard) else (shard, row)

    def missing(self, columns: Iterable[str], keys: np.ndarray) -> np.ndarray:
        """bool `[n, columns]`: what is on disk nowhere. Columns stored together are looked up once."""
        wanted = list(columns)
        gone = np.ones((len(keys), len(wanted)), dtype=bool)
        for present, index in self._indexes.items():
            inside = [number for number, column in enumerate(wanted) if column in present]
            if inside:
                shard = index.find(keys)[0]
                if self._left_out([wanted[number] for number in inside], shard):
                    return self.missing(wanted, keys)
                gone[np.ix_(shard != NOWHERE, inside)] = False
        return gone


_told: set[Path] = set()


def _tell(path: Path) -> None:
    """Say once that a shard is damaged, unless it was given up meanwhile."""
    if path.is_dir() and path not in _told:
        _told.add(path)
        _log.warning(
            "headstart: stored features are damaged and computed again: %s; remove them with "
            "`headstart cache verify --repair`",
            printable(str(path)),
        )


def shard_names(section: Path) -> set[str]:
    """Names of the published shards in a section's folder."""
    try:
        with os.scandir(section) as entries:
            return {e.name for e in entries if e.is_dir() and not e.name.startswith(shards.TEMPORARY)}
    except FileNotFoundError:
        return set()

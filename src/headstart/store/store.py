"""The feature store: rows of features in a folder, keyed by content.

    ROOT/features/SECTION/section.json      what its columns share (`headstart.store.disk.keys.Section`)
    ROOT/features/SECTION/used-*.json       when a table was last used; locked while it is in use
    ROOT/features/SECTION/SHARD/            see `headstart.store.disk.shard`
    ROOT/features/locks/                    who is computing which chunk

Nothing is ever changed in place: shards appear whole and disappear column by column. So readers need
no lock, writers only agree on who computes what, and a process killed at any moment leaves nothing
but a temporary folder, which the next one sweeps away.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from filelock import FileLock, Timeout

from headstart.core import words
from headstart.core.files import write_json
from headstart.errors import StoreError
from headstart.store import upkeep
from headstart.store.disk import keys, shard, sizes
from headstart.store.disk.catalogue import NOWHERE, Catalogue
from headstart.store.disk.keys import Section
from headstart.store.disk.pins import Pin
from headstart.store.disk.rows import StoredRows
from headstart.store.disk.shard import ShardWriter

FOLDER = "features"
_TAG = "Signature: 8a477f597d28d172789f06886806bc55\n# Features that Headstart can compute again.\n"


class FeatureStore:
    """Features on disk under `root`, at most `cap_bytes` of them; nothing is created before a write.

    `cap_bytes` None: HEADSTART_CACHE_CAP, else 20 GB or a fifth of the free disk. Beyond it the
    tables used longest ago are given up, never those that a process is using.
    """

    def __init__(self, root: Path, *, cap_bytes: int | None = None) -> None:
        self.root = Path(root)
        self.path = self.root / FOLDER
        self._cap = cap_bytes
        self._catalogues: dict[str, Catalogue] = {}

    @classmethod
    def default(cls) -> FeatureStore:
        """The store at HEADSTART_CACHE or in the user's cache folder."""
        return cls(sizes.default_root())

    def __repr__(self) -> str:
        return f"FeatureStore({str(self.root)!r})"

    # reading

    def catalogue(self, section: Section) -> Catalogue:
        """What is on disk of a section, as it was last looked at (`refresh`, `reload`)."""
        if section.id not in self._catalogues:
            self._catalogues[section.id] = Catalogue(self.path / section.id)
            self._catalogues[section.id].refresh()
        return self._catalogues[section.id]

    def rows(
        self, section: Section, column: str, digests: Sequence[str], view: int = 0, pin: Pin | None = None
    ) -> StoredRows:
        """The rows of a column for these items, in this order. Raises `StoreError` if one is missing."""
        items = keys.item_keys(digests)
        catalogue = self.catalogue(section)
        catalogue.refresh()
        number, row = catalogue.find(column, keys.row_keys(items, [view]))
        absent = int((number == NOWHERE).sum())
        if absent:
            problem = f"{absent} of {len(items)} rows of {column} (view {view}) are not there"
            raise StoreError(self.root, problem, "run the same command again")
        holders = [entry if column in entry.columns else None for entry in catalogue.shards]
        sample = holders[int(number[0])] if len(number) else next(filter(None, holders), None)
        if sample is None:
            raise StoreError(self.root, f"holds no {column}")
        entry = sample.columns[column]
        return StoredRows(
            [s.path / s.columns[column].file if s is not None else Path() for s in holders],
            number,
            row,
            shape=entry.shape[1:],
            dtype=np.dtype(entry.dtype),
            keep=pin,
        )

    def pin(self, section: Section, columns: Sequence[str], pin: Pin | None = None) -> Pin:
        """Mark columns as used and keep them from being given up while the pin lives."""
        pin = pin or Pin()
        for group in dict.fromkeys(map(keys.family, columns)):
            if (self.path / section.id).is_dir():
                pin.add(self.path / section.id, group)
        return pin

    # writing

    def prepare(self, section: Section) -> None:
        """Make the folder of a section. Raises `StoreError` where nothing can be written."""
        folder = self.path / section.id
        with shard.sentences(self.root):
            if not (folder / upkeep.SECTION).exists():
                sizes.make_root(self.root)
                folder.mkdir(parents=True, exist_ok=True)
                (self.root / "CACHEDIR.TAG").write_text(_TAG)
                write_json(folder / upkeep.SECTION, section.to_json())

    def writer(self, section: Section, columns: Sequence[str], rows: int, *, data: str = "") -> ShardWriter:
        """A new shard of a prepared section."""
        return ShardWriter(self.path / section.id, columns, rows, data=data)

    @contextlib.contextmanager
    def claim(self, name: str) -> Iterator[bool]:
        """Whether this process may compute the chunk of that name; nobody else may inside the block."""
        folder = self.path / "locks"
        with shard.sentences(self.root):
            sizes.make_root(self.root)
            folder.mkdir(parents=True, exist_ok=True)
            lock = FileLock(folder / f"{name}.lock", timeout=0)
            with contextlib.suppress(Timeout):
                lock.acquire()
        if not lock.is_locked:
            yield False
            return
        try:
            yield True
        finally:
            with contextlib.suppress(OSError):
                (folder / f"{name}.lock").unlink(missing_ok=True)
            lock.release()

    # upkeep

    def cap(self) -> int:
        """Bytes this store may hold."""
        return self._cap if self._cap is not None else sizes.default_cap(self.root, self.held())

    def held(self) -> int:
        """Bytes it holds now."""
        return upkeep.held(self.path)

    def make_room(self, needed: int) -> int:
        """Give up the tables used longest ago until `needed` more bytes fit; the bytes freed.

        Raises `StoreError`, and gives up nothing, when they cannot fit: what is in use stays.
        """
        free = sizes.free_bytes(self.root)
        held, cap = self.held(), self.cap()
        over = max(held + needed - cap, 0 if free is None else needed - free)
        if over <= 0:
            return 0
        idle = [table for table in reversed(upkeep.tables(self.path)) if not upkeep.in_use(self.path, table)]
        if sum(table.bytes for table in idle) < over:
            raise _too_much(self.root, needed, held, cap, free)
        freed = 0
        for table in idle:
            if freed < over:
                freed += upkeep.remove(self.path, table)
        return freed


def _too_much(root: Path, needed: int, held: int, cap: int, free: int | None) -> StoreError:
    what = f"{words.size(needed)} of features are to be stored, but"
    if free is not None and needed > free:
        remedy = f"free some space, `headstart cache clear`, or move the store with {sizes.ROOT}"
        return StoreError(root, f"{what} only {words.size(free)} of disk are free", remedy)
    enough = words.size(1.2 * (held + needed)).replace(" ", "")
    remedy = f"allow more with {sizes.CAP}, such as {sizes.CAP}={enough}"
    return StoreError(root, f"{what} it may hold {words.size(cap)}, and the rest is in use", remedy)

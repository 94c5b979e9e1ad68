"""Memo: what was found out about an item, kept by the item's digest. Small facts, not features."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
import threading
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import Any

from headstart.core.untrusted import Damaged, read_object
from headstart.store.disk.sizes import default_root, make_root

_PATIENCE = 30.0
"""Seconds to wait for another process that is writing."""


class Memo(MutableMapping[str, dict[str, Any]]):
    """A mapping from text to JSON that outlives the process; threads and processes may share it.

    One SQLite file, by default `memo.sqlite` in the feature store's folder; created by the first
    write. It saves work and holds no truth: where it cannot be written it lasts as long as the
    process, and a damaged file is started again.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path if path is not None else default_root() / "memo.sqlite"
        self._lock = threading.RLock()
        self._connection: sqlite3.Connection | None = None
        self._owner = 0

    def __getitem__(self, key: str) -> dict[str, Any]:
        found = self._ask("SELECT value FROM memo WHERE key = ?", (key,))
        if not found:
            raise KeyError(key)
        try:
            return read_object(str(found[0][0]))
        except Damaged:
            raise KeyError(key) from None  # as good as absent

    def __setitem__(self, key: str, value: dict[str, Any]) -> None:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
        self._change("INSERT OR REPLACE INTO memo VALUES (?, ?)", (key, text))

    def __delitem__(self, key: str) -> None:
        if self._change("DELETE FROM memo WHERE key = ?", (key,)) == 0:
            raise KeyError(key)

    def __iter__(self) -> Iterator[str]:
        return iter([row[0] for row in self._ask("SELECT key FROM memo ORDER BY rowid", ())])

    def __len__(self) -> int:
        found = self._ask("SELECT count(*) FROM memo", ())
        return int(found[0][0]) if found else 0

    def clear(self) -> None:
        """Forget everything."""
        self._change("DELETE FROM memo", ())

    def close(self) -> None:
        """Let go of the file; the next use opens it again."""
        with self._lock:
            if self._connection is not None and self._owner == os.getpid():
                self._connection.close()
            self._connection = None

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    def _ask(self, query: str, values: tuple[str, ...]) -> list[Any]:
        with self._lock:
            if self._mine() is None and not self.path.exists():
                return []
            try:
                return self._open().execute(query, values).fetchall()
            except sqlite3.DatabaseError:
                self._start_anew()
                return []

    def _change(self, query: str, values: tuple[str, ...]) -> int:
        with self._lock:
            for attempt in range(2):
                try:
                    return self._open().execute(query, values).rowcount
                except sqlite3.DatabaseError:
                    self._start_anew(in_memory=attempt == 1)
            return self._open().execute(query, values).rowcount

    def _mine(self) -> sqlite3.Connection | None:
        """The open connection; one that was opened before a fork is not ours to use."""
        return self._connection if self._owner == os.getpid() else None

    def _open(self) -> sqlite3.Connection:
        connection = self._mine()
        if connection is None:
            try:
                make_root(self.path.parent)
                connection = _connect(str(self.path))
            except (OSError, sqlite3.OperationalError):
                connection = _connect(":memory:")
            self._connection, self._owner = connection, os.getpid()
        return connection

    def _start_anew(self, *, in_memory: bool = False) -> None:
        """After an error: remove a damaged file; give up on one that cannot be written."""
        self.close()
        if not in_memory and _damaged(self.path):
            with contextlib.suppress(OSError):
                for suffix in ("", "-wal", "-shm"):
                    Path(f"{self.path}{suffix}").unlink(missing_ok=True)
        elif in_memory:
            self._connection, self._owner = _connect(":memory:"), os.getpid()


def _connect(path: str) -> sqlite3.Connection:
    connection = sqlite3.connect(path, timeout=_PATIENCE, isolation_level=None, check_same_thread=False)
    try:
        # a write-ahead log needs no flush at every entry and survives a killed process
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("CREATE TABLE IF NOT EXISTS memo (key TEXT PRIMARY KEY, value TEXT NOT NULL)")
    except sqlite3.DatabaseError:
        connection.close()
        raise
    return connection


def _damaged(path: Path) -> bool:
    """Whether the file is there and is not a sound database."""
    if not path.is_file():
        return False
    try:
        with contextlib.closing(sqlite3.connect(path, timeout=_PATIENCE)) as connection:
            return connection.execute("PRAGMA quick_check").fetchone()[0] != "ok"
    except sqlite3.OperationalError:
        return False  # busy or not writable, which is no damage
    except sqlite3.DatabaseError:
        return True

"""Pins: who is using a table, so that nobody gives it up meanwhile. They end with their process.

A table's mark is a small file whose time of change is its last use and whose shared lock is a pin.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from pathlib import Path
from typing import IO

from headstart.core import fingerprint
from headstart.core.files import write_atomic

try:
    import fcntl
except ImportError:  # pragma: no cover - no such locks on Windows: only this process's pins count
    fcntl = None  # type: ignore[assignment]

MARK = "used-"


def mark_of(section: Path, family: str) -> Path:
    """Where the mark of a table lies."""
    return section / f"{MARK}{fingerprint.of_bytes(family.encode())[:16]}.json"


def touch(section: Path, family: str) -> None:
    """Note that a table is used now."""
    mark = mark_of(section, family)
    with contextlib.suppress(OSError):  # a store that may only be read is still good to read
        if mark.exists():
            os.utime(mark)
        else:
            write_atomic(mark, json.dumps({"family": family}).encode())


def last_used(section: Path, family: str) -> float:
    """Seconds since 1970; 0 when nobody remembers."""
    try:
        return mark_of(section, family).stat().st_mtime
    except OSError:
        return 0.0


class Pin:
    """Keeps tables from being given up, until it is closed or collected."""

    def __init__(self) -> None:
        self._held: dict[Path, IO[bytes]] = {}

    def add(self, section: Path, family: str) -> None:
        """Pin one more table and mark it as used. Nothing happens where there is no such table yet."""
        touch(section, family)
        mark = mark_of(section, family)
        if mark in self._held:
            return
        with contextlib.suppress(OSError):
            handle = mark.open("rb")
            if fcntl is not None:
                try:
                    _patiently(handle)
                except OSError:
                    handle.close()
                    raise
            self._held[mark] = handle
            _ours[mark] = _ours.get(mark, 0) + 1

    def close(self) -> None:
        """Let go."""
        while self._held:
            mark, handle = self._held.popitem()
            handle.close()
            _ours[mark] -= 1

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()


_ours: dict[Path, int] = {}


def _patiently(handle: IO[bytes]) -> None:
    """A shared lock; whoever looks whether the table is pinned holds it for a moment only."""
    for attempt in range(50):
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if attempt == 49:
                raise
            time.sleep(0.02)


@contextlib.contextmanager
def unpinned(section: Path, family: str):  # type: ignore[no-untyped-def]
    """Whether nobody, in this process or another, uses the table; nobody can begin to in the block."""
    mark = mark_of(section, family)
    if _ours.get(mark, 0) > 0:
        yield False
        return
    with contextlib.ExitStack() as stack:
        free = True
        if fcntl is not None and mark.exists():
            try:
                handle = stack.enter_context(mark.open("rb"))
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                free = False
            except OSError:
                free = True
        yield free

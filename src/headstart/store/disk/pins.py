"""Pins: who is using a table, so that nobody gives it up meanwhile. They end with their process.

A table's mark is a small file whose time of change is its last use and whose shared lock is a pin.
"""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from headstart.core import fingerprint

try:
    import fcntl
except ImportError:  # pragma: no cover - no such locks on Windows: only this process's pins count
    fcntl = None  # type: ignore[assignment]

MARK = "used-"
_ATTEMPTS = 50
"""How often a lock is asked for, and a mark that vanished made again, before giving up."""


def mark_of(section: Path, family: str) -> Path:
    """Where the mark of a table lies."""
    return section / f"{MARK}{fingerprint.of_bytes(family.encode())[:16]}.json"


def touch(section: Path, family: str) -> None:
    """Note that a table is used now."""
    mark = mark_of(section, family)
    with contextlib.suppress(OSError):  # a store that may only be read is still good to read
        try:
            # never put in the place of another: that would take the file from under its locks
            with mark.open("xb") as file:
                file.write(json.dumps({"family": family}).encode())
        except FileExistsError:
            os.utime(mark)


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
            self._held[mark] = _locked(section, family, _patiently)
            _ours[mark] = _ours.get(mark, 0) + 1

    def close(self) -> None:
        """Let go."""
        while self._held:
            mark, handle = self._held.popitem()
            handle.close()
            _ours[mark] -= 1

    def __del__(self) -> None:
        if contextlib is not None:  # at the interpreter's end modules may be gone already
            with contextlib.suppress(Exception):
                self.close()


_ours: dict[Path, int] = {}


def _locked(section: Path, family: str, lock: Callable[[IO[bytes]], None]) -> IO[bytes]:
    """The mark, open and locked. Raises `OSError`, of it `BlockingIOError` where others hold it.

    While one waits, somebody may have given the table up and its mark with it: a lock on a file that
    is no longer there keeps nobody away, so then the mark is made again.
    """
    mark = mark_of(section, family)
    for _ in range(_ATTEMPTS):
        try:
            handle = mark.open("rb")
        except FileNotFoundError:
            if not section.is_dir():
                raise
            touch(section, family)
            continue
        try:
            if fcntl is None:
                return handle
            lock(handle)
            if os.fstat(handle.fileno()).st_ino == mark.stat().st_ino:
                return handle
        except FileNotFoundError:
            pass
        except BaseException:
            handle.close()
            raise
        handle.close()
        touch(section, family)
    raise FileNotFoundError(mark)


def _patiently(handle: IO[bytes]) -> None:
    """A shared lock; whoever looks whether the table is pinned holds it for a moment only."""
    for attempt in range(_ATTEMPTS):
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if attempt == _ATTEMPTS - 1:
                raise
            time.sleep(0.02)


def _alone(handle: IO[bytes]) -> None:
    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def unpinned(section: Path, family: str):  # type: ignore[no-untyped-def]
    """Whether nobody, in this process or another, uses the table; nobody can begin to in the block."""
    mark = mark_of(section, family)
    if _ours.get(mark, 0) > 0:
        yield False
        return
    with contextlib.ExitStack() as stack:
        free = True
        if fcntl is not None:
            if not mark.exists():  # nobody used it yet; there must be something to lock
                touch(section, family)
                with contextlib.suppress(OSError):
                    os.utime(mark, (0, 0))
            try:
                stack.enter_context(_locked(section, family, _alone))
            except BlockingIOError:
                free = False
            except OSError:
                free = True
        yield free

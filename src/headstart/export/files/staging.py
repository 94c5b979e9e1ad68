"""Writing beside the target and moving into place only when everything went well."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from headstart.errors import PathError


@contextmanager
def staged(*targets: Path) -> Iterator[Path]:
    """A temporary folder beside the targets, which share a folder; write `room / target.name`.

    At the end each target is replaced by what was written under its name; when anything fails all
    of it is removed and the targets are as they were. Raises `PathError` when the place cannot be
    written.
    """
    target = targets[0]
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        room = Path(tempfile.mkdtemp(dir=target.parent, prefix=f".{target.name}.", suffix=".tmp"))
    except OSError as error:
        raise PathError(target, f"cannot be written ({error.strerror})", "choose another place") from error
    try:
        yield room
        _move(room, targets)
    except OSError as error:
        problem = f"could not be written ({error.strerror or error})"
        raise PathError(
            target, problem, "what was there before is unchanged; free some space and repeat the command"
        ) from error
    finally:
        shutil.rmtree(room, ignore_errors=True)


def _move(room: Path, targets: tuple[Path, ...]) -> None:
    """Put all in place, or, when one cannot be, put back what was there."""
    if len(targets) == 1 and not targets[0].is_dir():
        (room / targets[0].name).replace(targets[0])  # one step: there is no moment without a file
        _flush(targets[0].parent)
        return
    backup = room / ".old"
    backup.mkdir()
    moved: list[Path] = []
    try:
        for target in targets:
            if target.exists() or target.is_symlink():
                target.rename(backup / target.name)
            moved.append(target)
            (room / target.name).rename(target)
    except OSError:
        for target in moved:
            with suppress(OSError):
                _remove(target)
                (backup / target.name).rename(target)
        raise
    _flush(targets[0].parent)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def _flush(folder: Path) -> None:
    """Make the renames last through a power cut, where the system can."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)

"""Reading members of .zip archives: each archive is opened once a process, whatever the threads do."""

from __future__ import annotations

import os
import threading
import zipfile
import zlib
from collections import OrderedDict
from pathlib import Path

_KEPT = 4
"""Archives held open at most; the least recently used one is closed."""

_Key = tuple[int, str, int, int]
_open: OrderedDict[_Key, zipfile.ZipFile] = OrderedDict()
_lock = threading.Lock()


def read_member(archive: Path, member: str) -> bytes:
    """The bytes of a member. Raises `OSError` whatever is wrong with the archive or the member."""
    try:
        with _lock:  # opening counts references without a lock of its own
            handle = _archive(archive).open(member)
        try:
            return handle.read()
        finally:
            with _lock:
                handle.close()
    except (zipfile.BadZipFile, zlib.error, EOFError, KeyError, RuntimeError, NotImplementedError) as error:
        raise OSError(f"{member} in {archive}: {error}") from error


def _archive(path: Path) -> zipfile.ZipFile:
    """The open archive; opened anew when the file has changed or this is another process."""
    status = path.stat()
    key = (os.getpid(), str(path), status.st_mtime_ns, status.st_size)
    if key not in _open:
        _open[key] = zipfile.ZipFile(path)
        while len(_open) > _KEPT:
            # not closed here: another thread may still read from it; it closes with its last reader
            _open.popitem(last=False)
    _open.move_to_end(key)
    return _open[key]

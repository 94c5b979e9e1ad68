"""Reading files, and members of archives: each archive is opened once a process, whatever the threads do.

Nothing is unpacked to more than `headstart.core.untrusted.limits` allows, whatever a header promises.
"""

from __future__ import annotations

import atexit
import bz2
import contextlib
import gzip
import importlib
import lzma
import os
import stat
import tempfile
import threading
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any, BinaryIO, TypeVar, cast

from headstart.core.untrusted import Damaged, limits, parsing

_KEPT = 4
"""Archives held open at most; the least recently used one is closed."""
_CHUNK = 2**20

_Key = tuple[int, str, int, int]
_Opened = TypeVar("_Opened", zipfile.ZipFile, BinaryIO)
_zips: OrderedDict[_Key, zipfile.ZipFile] = OrderedDict()
_tars: OrderedDict[_Key, BinaryIO] = OrderedDict()
_lock = threading.Lock()


def read_file(path: Path) -> bytes:
    """The bytes of a file. Raises `OSError`, also for what is no file and for over `limits.ITEM_BYTES`."""
    try:
        status = path.stat()
    except ValueError as error:  # a zero byte in the path
        raise OSError(str(error)) from None
    if not stat.S_ISREG(status.st_mode):  # a pipe never ends, nor does /dev/zero
        raise OSError("it is a folder" if stat.S_ISDIR(status.st_mode) else "it is no ordinary file")
    if status.st_size > limits.ITEM_BYTES:
        raise OSError(
            f"it holds {limits.in_words(status.st_size)}; up to {limits.in_words(limits.ITEM_BYTES)} are read"
        )
    return path.read_bytes()


def read_member(archive: Path, member: str) -> bytes:
    """The bytes of a member of a .zip. Raises `OSError` whatever is wrong with the archive or the member."""
    try:
        with parsing():
            with _lock:  # opening counts references without a lock of its own
                archived = _kept(_zips, archive, zipfile.ZipFile)
                size = archived.getinfo(member).file_size
                if size > limits.ITEM_BYTES:
                    raise Damaged(too_large(size))
                handle = archived.open(member)
            try:
                return bounded(handle)
            finally:
                with _lock:
                    handle.close()
    except Damaged as error:
        raise OSError(f"{member} in {archive}: {error}") from error


def read_part(archive: Path, member: str, start: int, size: int) -> bytes:
    """The bytes of a member of a .tar, of which it is known where they are. Raises `OSError`."""
    if size > limits.ITEM_BYTES:
        raise OSError(f"{member} in {archive}: {too_large(size)}")
    try:
        with parsing(), _lock:
            file = _kept(_tars, archive, plain_tar)
            file.seek(start)
            found = file.read(size)
            if len(found) < size:
                raise Damaged("the archive ends before the file does")
            return found
    except Damaged as error:
        raise OSError(f"{member} in {archive}: {error}") from error


def _kept(held: OrderedDict[_Key, _Opened], path: Path, opener: Callable[[Path], _Opened]) -> _Opened:
    """The open archive; reopened when the file has changed or this is another process."""
    status = path.stat()
    key = (os.getpid(), str(path), status.st_mtime_ns, status.st_size)
    if key not in held:
        held[key] = opener(path)
        while len(held) > _KEPT:
            _, oldest = held.popitem(last=False)
            if not isinstance(oldest, zipfile.ZipFile):
                oldest.close()
            # a .zip is not closed here: another thread may still read from it; it closes with its last reader
    held.move_to_end(key)
    return held[key]


def open_tar(path: Path) -> BinaryIO:
    """The bytes of a .tar, unpacked where it is compressed, held open. Raises `OSError`, `Damaged`."""
    with parsing(), _lock:
        return _kept(_tars, path, plain_tar)


def plain_tar(path: Path) -> BinaryIO:
    """A .tar as a file to seek in; a compressed one is unpacked into a temporary file without a name."""
    with contextlib.ExitStack() as unless_returned:
        file = unless_returned.enter_context(path.open("rb"))
        stream = decompressor(file)
        if stream is None:
            unless_returned.pop_all()
            return file
        size = path.stat().st_size
        most = min(limits.TEMPORARY_BYTES, max(limits.RATIO_FROM, size * limits.ARCHIVE_RATIO))
        out = unless_returned.enter_context(cast("BinaryIO", tempfile.TemporaryFile()))  # noqa: SIM115
        with stream:
            while chunk := stream.read(_CHUNK):
                out.write(chunk)
                if out.tell() > most:
                    raise Damaged(
                        f"it unpacks to more than {limits.in_words(most)}: unpack it yourself if you trust it"
                    )
        unless_returned.pop_all()
    file.close()
    return out


@atexit.register
def _close() -> None:
    for file in _tars.values():
        file.close()


def decompressor(file: BinaryIO) -> BinaryIO | None:
    """What unpacks a .gz, .bz2, .xz or .zst file from its start, known by its first bytes; None for others.

    Raises `Damaged` where this Python cannot unpack it.
    """
    start = file.read(6)
    file.seek(0)
    for mark, opener in _PACKERS:
        if start.startswith(mark):
            return cast("BinaryIO", opener(file))
    return None


def _zstandard(file: BinaryIO) -> Any:
    try:
        return importlib.import_module("compression.zstd").ZstdFile(file)
    except ImportError:
        raise Damaged("Zstandard is unpacked from Python 3.14 on: unpack it first (zstd -d)") from None


_PACKERS: tuple[tuple[bytes, Callable[[Any], Any]], ...] = (
    (b"\x1f\x8b", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", bz2.BZ2File),
    (b"\xfd7zXZ\0", lzma.LZMAFile),
    (b"\x28\xb5\x2f\xfd", _zstandard),
)


def bounded(stream: IO[bytes]) -> bytes:
    """All that a stream unpacks to. Raises `Damaged` as soon as that is over `limits.ITEM_BYTES`."""
    return b"".join(_pieces(stream, limits.ITEM_BYTES))


def length(stream: IO[bytes], most: int) -> int:
    """How many bytes a stream unpacks to. Raises `Damaged` as soon as that is more than `most`."""
    return sum(map(len, _pieces(stream, most)))


def _pieces(stream: IO[bytes], most: int) -> Iterator[bytes]:
    total = 0
    while chunk := stream.read(_CHUNK):
        total += len(chunk)
        if total > most:
            raise Damaged(f"it unpacks to more than the {limits.in_words(limits.ITEM_BYTES)} that are read")
        yield chunk


def too_large(size: int) -> str:
    """Of something packed that is over `limits.ITEM_BYTES`."""
    return f"it would unpack to {limits.in_words(size)}; up to {limits.in_words(limits.ITEM_BYTES)} are read"

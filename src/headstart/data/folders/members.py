"""What an archive holds: each member with its size, a way to read it, and why it is not read, if so.

A .tar is read as a .zip is: no member is written to disk, no link is followed, each is read where it lies.
Some programs on Windows write backslashes between folders, against the rules of both: they are read as "/".
"""

from __future__ import annotations

import errno
import os
import stat
import tarfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from headstart.core.dataset import Item, TarItem, ZipItem
from headstart.core.untrusted import Damaged, archive, limits, parsing
from headstart.data.reading import suffix_of
from headstart.errors import DataError, PathError

_HEADER = 2**20
"""A header of a .tar that is longer than this holds no name that is read."""


@dataclass(frozen=True)
class Member:
    """One file, or one folder, of an archive."""

    name: str
    folder: bool
    size: int
    """Bytes, unpacked, as the archive says."""
    danger: str
    """Why it is not read; "" for one that is."""
    item: Callable[[str], Item]
    """From the id that it is to have to the item."""


@dataclass(frozen=True)
class Missing:
    """A file that was looked for in an archive, and is not there."""

    id: str
    archive: Path

    def read(self) -> bytes:
        raise FileNotFoundError(errno.ENOENT, f"there is no such file in {self.archive}", self.id)


def members_of(path: Path) -> list[Member]:
    """All members, in the order of the archive. Raises `DataError` for one that is damaged, `PathError`."""
    ending = ".zip" if suffix_of(path.name) == ".zip" else ".tar"
    try:
        with parsing():
            return _of_zip(path) if ending == ".zip" else _of_tar(path)
    except Damaged as error:
        raise DataError(str(path), f"not a {ending} archive that can be read: {error}") from None
    except OSError as error:
        raise PathError(path, f"cannot be read: {error.strerror or error}") from None


def _of_zip(path: Path) -> list[Member]:
    with zipfile.ZipFile(path) as opened:
        found = opened.infolist()
    return [
        Member(
            _slashed(info.filename),
            _slashed(info.filename).endswith("/"),  # its own is_dir() fails for a member without a name
            info.file_size,
            _danger(_slashed(info.filename), stat.S_ISLNK(info.external_attr >> 16))
            or _bomb(info.file_size, info.compress_size),
            partial(ZipItem, archive=path, member=info.filename),
        )
        for info in found
    ]


def _of_tar(path: Path) -> list[Member]:
    """A name that is there twice counts as it was written last, as `tar` unpacks it."""
    found: dict[str, Member] = {}
    with tarfile.TarFile(fileobj=cast("BinaryIO", _Bounded(archive.open_tar(path))), mode="r") as opened:
        last = -1
        while (info := opened.next()) is not None:
            if info.offset <= last:
                raise Damaged("its headers go round in a circle")
            last = info.offset
            name = _slashed(info.name).removeprefix("./")
            if info.isdir() and name in ("", "."):
                continue
            other = "" if info.isreg() or info.isdir() else "is neither a file nor a folder"
            other = other or ("is a sparse file" if info.issparse() else "")
            danger = _danger(name, info.issym() or info.islnk()) or other
            item = partial(TarItem, archive=path, start=info.offset_data, size=info.size)
            found.pop(name, None)
            found[name] = Member(name, info.isdir(), info.size, danger, item)
            vars(opened)["members"] = []  # else it keeps them all
    return list(found.values())


class _Bounded:
    """An open .tar of which nobody reads more at once than a header has."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._at = 0
        self._size = file.seek(0, os.SEEK_END)

    def read(self, size: int = -1) -> bytes:
        if not 0 <= size <= _HEADER:
            raise Damaged(f"a header of {size:,} bytes")
        self._file.seek(self._at)
        found = self._file.read(size)
        self._at += len(found)
        return found

    def seek(self, at: int) -> int:
        if not 0 <= at <= self._size:
            raise Damaged("it ends in the middle of a file")
        self._at = at
        return at

    def tell(self) -> int:
        return self._at


def _slashed(name: str) -> str:
    return name.replace("\\", "/")


def _danger(name: str, link: bool) -> str:
    """Why a member is not read, or nothing: it has no name, lies too deep, escapes, or is a link."""
    size = len(name.encode("utf-8", "replace"))
    if not name:
        return "has no name"
    if size > limits.NAME_BYTES:
        return f"has a name of {size:,} bytes, over the {limits.NAME_BYTES:,} allowed"
    deep = name.rstrip("/").count("/")
    if deep > limits.ARCHIVE_DEPTH:
        return f"lies {deep:,} folders deep, over the {limits.ARCHIVE_DEPTH} allowed"
    if name.startswith("/") or ".." in PurePosixPath(name).parts or (len(name) > 1 and name[1] == ":"):
        return "points out of the archive"
    return "is a link" if link else ""


def _bomb(size: int, packed: int) -> str:
    ratio = size / max(1, packed)
    blown = size > limits.RATIO_FROM and ratio > limits.ARCHIVE_RATIO
    return f"unpacks to {ratio:,.0f} times its size" if blown else ""

"""A shard: some rows of some columns, in a folder that is there as a whole or not at all.

    shard.json      columns with dtype, shape, size and checksum; for which data set it was made
    index.npy       uint8 [n, 34]: the key of every row (`headstart.store.disk.keys`)
    COLUMN.npy      one file a column, [n, ...], to be mapped into memory

A folder whose name begins with ".tmp-" is a shard that somebody writes, or was writing when killed.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import socket
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from headstart.core import fingerprint, untrusted
from headstart.core.untrusted import Damaged, parsing, read_npy, read_object
from headstart.errors import StoreError
from headstart.store.disk import keys
from headstart.store.disk.sizes import CAP, ROOT

RECORD, INDEX = "shard.json", "index.npy"
TEMPORARY = ".tmp-"


@dataclass(frozen=True)
class Column:
    """One file of a shard."""

    file: str
    dtype: str
    shape: tuple[int, ...]
    bytes: int
    sha256: str
    clipped: int = 0
    """Values that were too large for float16."""


@dataclass(frozen=True, eq=False)
class Shard:
    """A shard on disk, as its record describes it; only columns whose files are there."""

    path: Path
    keys: np.ndarray = field(repr=False)
    """S34 `[n]`"""
    columns: Mapping[str, Column]
    index: Column
    data: str = ""
    """Name of the data set it was first made for."""


def host() -> str:
    """A word for this machine that does not name it."""
    return fingerprint.of_bytes(socket.gethostname().encode())[:8]


def read(path: Path) -> Shard | None:
    """The shard in a folder; None where there is no sound record (its rows count as missing).

    Columns are believed by their size here; `sound` reads them.
    """
    try:
        sizes = {entry.name: entry.stat().st_size for entry in os.scandir(path)}
        index, columns, data = record(path)
        if sizes.get(INDEX) != index.bytes or not as_written(path, index):
            return None
        raw = read_npy(path / INDEX)
    except (OSError, Damaged):
        return None
    found = np.ascontiguousarray(raw).view(keys.KEY)[:, 0]
    present = {name: column for name, column in columns.items() if sizes.get(column.file) == column.bytes}
    return Shard(path, found, present, index, data)


def record(path: Path) -> tuple[Column, dict[str, Column], str]:
    """(index, columns, name of the data set) as shard.json tells. Raises `Damaged`, `OSError`."""
    with parsing():
        content = read_object(path / RECORD)
        index = _column(untrusted.field(content, "index", dict))
        listed = untrusted.field(content, "columns", dict)
        columns = {name: _column(about) for name, about in listed.items()}
        if index.dtype != "|u1" or index.shape[1:] != (keys.DIGEST + 2,):
            raise Damaged(f"its index is of {index.dtype} {index.shape}")
        if any(column.shape[:1] != index.shape[:1] for column in columns.values()):
            raise Damaged("its columns have not as many rows as its index")
        return index, columns, str(content.get("data", ""))


def _column(about: Any) -> Column:
    for name, kind in (("file", str), ("dtype", str), ("shape", list), ("bytes", int), ("sha256", str)):
        untrusted.field(about, name, kind)
    whole = all(type(side) is int and side >= 0 for side in about["shape"])
    if not whole or np.dtype(about["dtype"]).hasobject:
        raise Damaged(f"a column of {about['dtype']} {about['shape']}")
    return Column(**{**about, "shape": tuple(about["shape"])})


def sound(shard: Shard, column: str) -> bool:
    """Whether a column's file is what was written; False also when it was given up meanwhile."""
    return as_written(shard.path, shard.columns[column])


def as_written(path: Path, column: Column, *, again: bool = False) -> bool:
    """Whether a file of the shard at `path` is that of its record, read against its checksum once a process
    (or once more with `again`)."""
    try:
        place = _place(path / column.file)
        if again or place not in _known:
            with (path / column.file).open("rb") as file:
                same = hashlib.file_digest(file, "sha256").hexdigest() == column.sha256
            header = read_npy(path / column.file, mapped=True) if same and 0 not in column.shape else None
            if header is not None:
                same = (header.dtype.str, header.shape) == (column.dtype, column.shape)
            _known[place] = same
        return _known[place]
    except (OSError, Damaged):
        return False


_known: dict[tuple[str, int, int, int], bool] = {}
"""Files that this process has read against their checksums, or has written."""


def _place(file: Path) -> tuple[str, int, int, int]:
    status = file.stat()
    return str(file), status.st_ino, status.st_size, status.st_mtime_ns


def file_of(column: str) -> str:
    """The file name of a column: any text may name a cut, not any text a file."""
    return f"{column.partition(':')[0]}-{fingerprint.of_bytes(column.encode())[:16]}.npy"


class _Writing:
    """A .npy file that grows row by row and is hashed on the way."""

    def __init__(self, path: Path, rows: int, sample: np.ndarray) -> None:
        self.path, self.shape, self.dtype = path, (rows, *sample.shape[1:]), sample.dtype
        self.rows = self.clipped = 0
        self._file: BinaryIO = path.open("wb")
        self._sha = hashlib.sha256()
        np.lib.format.write_array_header_1_0(
            self,  # type: ignore[arg-type]  # all it does is write
            {"descr": sample.dtype.str, "fortran_order": False, "shape": self.shape},
        )

    def write(self, data: Any) -> None:
        self._file.write(data)
        self._sha.update(data)

    def append(self, rows: np.ndarray) -> None:
        if rows.dtype != self.dtype or rows.shape[1:] != self.shape[1:]:
            raise ValueError(f"{rows.dtype} {rows.shape} does not go with {self.dtype} {self.shape}")
        self.write(np.ascontiguousarray(rows).data)
        self.rows += len(rows)

    def finish(self) -> Column:
        self._file.flush()
        os.fsync(self._file.fileno())
        size = self._file.tell()
        self.close()
        name, dtype = self.path.name, self.dtype.str
        return Column(name, dtype, self.shape, size, self._sha.hexdigest(), self.clipped)

    def close(self) -> None:
        with contextlib.suppress(OSError):  # what cannot be flushed on a full disk is not wanted either
            self._file.close()


class ShardWriter:
    """Writes `rows` rows of the given columns, then publishes them at once. Use as a context manager.

    Leaving the block without `publish` removes everything. Raises `StoreError` when the disk is
    full or the folder cannot be written.
    """

    def __init__(self, section: Path, columns: Sequence[str], rows: int, *, data: str = "") -> None:
        self.columns, self.rows, self.data = tuple(columns), rows, data
        self._section = section
        self._folder = section / f"{TEMPORARY}{host()}-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        self._files: dict[str, _Writing] = {}
        self._keys: list[np.ndarray] = []

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *error: object) -> None:
        """Remove what is not published."""
        for file in self._files.values():
            file.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def append(
        self, row_keys: np.ndarray, arrays: Mapping[str, np.ndarray], clipped: Mapping[str, int] | None = None
    ) -> None:
        """Some rows of every column, with their keys (S34)."""
        with sentences(self._section.parents[1]):
            if not self._files:
                self._folder.mkdir(parents=True)
                for name in self.columns:
                    self._files[name] = _Writing(self._folder / file_of(name), self.rows, arrays[name])
            for name, file in self._files.items():
                if len(arrays[name]) != len(row_keys):
                    raise ValueError(f"{name}: {len(arrays[name])} rows for {len(row_keys)} keys")
                file.append(arrays[name])
                file.clipped += (clipped or {}).get(name, 0)
        self._keys.append(row_keys)

    def publish(self) -> Path:
        """Flush everything and move it into place; the shard's folder. Rows must be complete."""
        found = np.concatenate(self._keys)
        if len(found) != self.rows:
            raise ValueError(f"{len(found)} of {self.rows} rows were written")
        with sentences(self._section.parents[1]):
            columns = {name: asdict(file.finish()) for name, file in self._files.items()}
            raw = found.view(np.uint8).reshape(len(found), keys.DIGEST + 2)
            index = _Writing(self._folder / INDEX, self.rows, raw)
            index.append(raw)
            record = {"version": 1, "data": self.data, "index": asdict(index.finish()), "columns": columns}
            with (self._folder / RECORD).open("w", encoding="utf-8") as file:
                json.dump(record, file, indent=1)
                file.flush()
                os.fsync(file.fileno())
            sync_folder(self._folder)
            return self._move(fingerprint.of_parts([fingerprint.of_array(raw), *sorted(self.columns)])[:24])

    def _move(self, name: str) -> Path:
        """Two processes that wrote the same rows meet here: the second one's copy is not needed."""
        target = self._section / name
        try:
            self._folder.rename(target)
        except OSError:
            there = read(target)
            if there is not None and all(c in there.columns and sound(there, c) for c in self.columns):
                return target
            target = self._section / f"{name}-{uuid.uuid4().hex[:6]}"
            self._folder.rename(target)
        sync_folder(self._section)
        for file in (INDEX, *map(file_of, self.columns)):
            _known[_place(target / file)] = True
        return target


def sync_folder(path: Path) -> None:
    """Make the entries of a folder last through a power cut, where the system can do that."""
    with contextlib.suppress(OSError):
        handle = os.open(path, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


@contextlib.contextmanager
def sentences(where: Path) -> Iterator[None]:
    """What the system says about writing is raised as one sentence of ours, a `StoreError`."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, getattr(errno, "EDQUOT", None)):
            remedy = f"free some space, `headstart cache clear`, lower {CAP}, or move the store with {ROOT}"
            raise StoreError(where, "the disk is full; nothing half-written was kept", remedy) from error
        reason = error.strerror or str(error)
        remedy = f"name another folder with {ROOT}"
        raise StoreError(where, f"cannot be written ({reason})", remedy) from error

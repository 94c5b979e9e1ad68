"""The two shapes of a bundle, a folder and a .zip: bounded reading, atomic and repeatable writing."""

from __future__ import annotations

import os
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from headstart.errors import BundleError, PathError
from headstart.export.schema import FILES, MANIFEST, TOKENIZER

LARGEST_MANIFEST = 64 * 2**20
LARGEST = 64 * 2**30
LARGEST_TOKENIZER = 2**30
LIMITS = {MANIFEST: LARGEST_MANIFEST, TOKENIZER: LARGEST_TOKENIZER}
"""File -> most bytes; `LARGEST` for the others."""
LARGEST_RATIO = 100
"""Bundles are stored, not compressed; someone may have packed one again, but weights shrink little."""
_EPOCH = (1980, 1, 1, 0, 0, 0)


def is_zip(path: Path) -> bool:
    """Whether a bundle at `path` is (to be) an archive: by its ending."""
    return path.suffix.lower() == ".zip"


def read_all(path: Path) -> dict[str, bytes]:
    """The files of a bundle by name. Raises `BundleError` or `PathError`."""
    if path.is_dir():
        names = (*FILES, TOKENIZER) if (path / TOKENIZER).is_file() else FILES
        return {name: _read_file(path, name) for name in names}
    if not path.is_file():
        raise PathError(path, "there is no model here", "name a model folder, a run folder or a .zip")
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members(path, archive)
            return {name: archive.read(member) for name, member in members.items()}
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError) as error:
        raise BundleError(path, f"not a readable archive ({error})", "fetch or save it again") from error


def _read_file(folder: Path, name: str) -> bytes:
    file = folder / name
    if not file.is_file():
        if name == MANIFEST:
            raise PathError(folder, f"there is no model here (no {MANIFEST})", "name a model or run folder")
        raise BundleError(folder, f"{name} is missing", "fetch or save it again")
    if file.stat().st_size > LIMITS.get(name, LARGEST):
        raise BundleError(folder, f"{name} is larger than any that a model has")
    return file.read_bytes()


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The bundle's members, at the top or in one folder, none of them dangerous."""
    listed = archive.infolist()
    for member in listed:
        file = PurePosixPath(member.filename)
        if file.is_absolute() or ".." in file.parts or "\\" in member.filename or ":" in member.filename:
            raise BundleError(path, f"the archive holds {member.filename!r}, which points outside of it")
    found: dict[str, zipfile.ZipInfo] = {}
    for member in listed:
        file = PurePosixPath(member.filename)
        if (
            file.name in (*FILES, TOKENIZER)
            and len(file.parts) <= 2
            and not file.parts[0].startswith("__MACOSX")
        ):
            if file.name in found:
                raise BundleError(path, f"the archive holds {file.name} twice")
            found[file.name] = member
    if MANIFEST not in found:
        raise BundleError(path, f"the archive holds no model (no {MANIFEST})")
    for name in FILES:
        if name not in found:
            raise BundleError(path, f"{name} is missing", "fetch or save it again")
    for name, member in found.items():
        limit = LIMITS.get(name, LARGEST)
        ratio = member.file_size / max(1, member.compress_size)
        if member.file_size > limit or (member.file_size > 2**20 and ratio > LARGEST_RATIO):
            raise BundleError(
                path, f"{name} would unpack to {member.file_size:,} bytes, so it was not opened"
            )
    return found


def write(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a bundle at `path`, which does not exist yet; flushed to the disk. Raises `OSError`."""
    if is_zip(path):
        with path.open("xb") as handle:
            with zipfile.ZipFile(handle, "w", zipfile.ZIP_STORED) as archive:
                for name in files:
                    member = zipfile.ZipInfo(name, _EPOCH)
                    member.external_attr = 0o644 << 16
                    member.create_system = 3
                    archive.writestr(member, files[name])
            handle.flush()
            os.fsync(handle.fileno())
        return
    path.mkdir()
    for name in files:
        with (path / name).open("xb") as handle:
            handle.write(files[name])
            handle.flush()
            os.fsync(handle.fileno())


def check_target(target: Path) -> None:
    """Raises `PathError` when something other than a bundle is in the way."""
    if not target.exists() and not target.is_symlink():
        return
    if is_zip(target):
        replaceable = target.is_file() and (target.stat().st_size == 0 or zipfile.is_zipfile(target))
    else:
        replaceable = target.is_dir() and ((target / MANIFEST).is_file() or not any(target.iterdir()))
    if not replaceable:
        raise PathError(target, "exists and is not a model", "choose another place")

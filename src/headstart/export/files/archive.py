"""The two shapes of a bundle, a folder and a .zip: bounded reading, atomic and repeatable writing."""

from __future__ import annotations

import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from pathlib import Path, PurePosixPath

from headstart.core import fingerprint
from headstart.core.untrusted import Damaged, limits, parsing, reason
from headstart.errors import BundleError, PathError, RunError
from headstart.export.files import schema
from headstart.export.files.schema import FILES, MANIFEST, Manifest
from headstart.modalities import MODALITIES

_EPOCH = (1980, 1, 1, 0, 0, 0)
Parts = Mapping[str, tuple[int, Callable[[], bytes]]]
"""By name each file's size and what reads it."""


def is_zip(path: Path) -> bool:
    """Whether a bundle at `path` is (to be) an archive: by its ending."""
    return path.suffix.lower() == ".zip"


def resolve(path: Path | str) -> Path:
    """The bundle that a run folder, a bundle folder or a .zip means. Raises `RunError`."""
    path = Path(path).expanduser()
    if (path / "run.json").is_file() and not (path / MANIFEST).is_file():
        if not (path / "model" / MANIFEST).is_file():
            raise RunError(
                path, "it has no model yet", "repeat the command that began it: it goes on from here"
            )
        return path / "model"
    return path


def read_all(path: Path) -> tuple[Manifest, dict[str, bytes]]:
    """The description of a bundle, audited, and its other files by name, with the digests that it states.

    A file that is not as large as stated is not even read. Raises `BundleError` or `PathError`.
    """
    with _parts(path) as parts:
        manifest = _described(path, parts)
        files = {}
        for name, about in manifest.files.items():
            if name not in parts:
                raise BundleError(path, f"{name} is missing", "fetch or save it again")
            if not isinstance(about, Mapping):
                raise BundleError(path, f"{MANIFEST} does not describe {name}", "fetch or save it again")
            size, read = parts[name]
            content = read() if size == about.get("bytes") else b""
            if fingerprint.of_bytes(content) != about.get("sha256"):
                raise BundleError(path, f"{name} is damaged or was changed", "fetch or save it again")
            files[name] = content
        return manifest, files


def described(path: Path) -> Manifest:
    """The description of a bundle alone, audited. Raises `BundleError` or `PathError`."""
    with _parts(path) as parts:
        return _described(path, parts)


@contextmanager
def _parts(path: Path) -> Iterator[Parts]:
    """The files of a bundle by name. Raises `BundleError` or `PathError`."""
    if path.is_dir():
        if not (path / MANIFEST).is_file():
            raise PathError(path, f"there is no model here (no {MANIFEST})", "name a model or run folder")
        found = [file for file in path.iterdir() if file.is_file()]
        yield {file.name: (file.stat().st_size, file.read_bytes) for file in found}
        return
    if not path.is_file():
        raise PathError(path, "there is no model here", "name a model folder, a run folder or a .zip")
    try:
        with path.open("rb") as file, _parsing(), zipfile.ZipFile(file) as archive:
            members = _members(path, archive)
            yield {name: (m.file_size, partial(archive.read, m)) for name, m in members.items()}
    except Damaged as error:
        raise BundleError(path, f"not a readable archive ({error})", "fetch or save it again") from error


def _described(path: Path, parts: Parts) -> Manifest:
    size, read = parts[MANIFEST]
    if size > limits.JSON_BYTES:
        raise BundleError(path, f"{MANIFEST} is larger than any that a model has")
    return schema.parse(path, read())


@contextmanager
def _parsing() -> Iterator[None]:
    """`parsing`, for a file that is open: what the system says then comes of a place that lies."""
    with parsing():
        try:
            yield
        except OSError as error:
            raise Damaged(reason(error)) from error


def _members(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """The bundle's members, at the top or in one folder, none of them dangerous."""
    listed = archive.infolist()
    for member in listed:
        file = PurePosixPath(member.filename)
        if file.is_absolute() or ".." in file.parts or "\\" in member.filename or ":" in member.filename:
            raise BundleError(path, f"the archive holds {member.filename!r}, which points outside of it")
    found: dict[str, zipfile.ZipInfo] = {}
    every = {*FILES, *(file for name in MODALITIES for file in MODALITIES[name].PREPROCESSING.FILES)}
    for member in listed:
        file = PurePosixPath(member.filename)
        if file.name in every and len(file.parts) <= 2 and not file.parts[0].startswith("__MACOSX"):
            if file.name in found:
                raise BundleError(path, f"the archive holds {file.name} twice")
            found[file.name] = member
    if MANIFEST not in found:
        raise BundleError(path, f"the archive holds no model (no {MANIFEST})")
    for name, member in found.items():
        if member.file_size > max(limits.RATIO_FROM, limits.BUNDLE_RATIO * member.compress_size):
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

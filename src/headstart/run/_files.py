"""Files that a person names for `predict`: by path, folder, glob or archive."""

from __future__ import annotations

import glob
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from headstart.core.dataset import FileItem, Item, ZipItem
from headstart.data.reading import printable
from headstart.data.tree import danger

LARGEST_MEMBER = 512 * 2**20
"""A larger member of an archive is no item, and is not unpacked."""


@dataclass(frozen=True)
class BadItem:
    """Something that was named and cannot be read; reading it says why."""

    id: str
    problem: str

    def read(self) -> bytes:
        raise OSError(self.problem)


def from_path(path: Path, endings: frozenset[str], noun: str) -> Iterator[Item]:
    """The files that a path or a glob names; of folders and archives those with the endings.

    `noun` says in messages what they are.
    """
    # os.path: what is no path at all (over 255 characters, say) is not there; Path raises
    if os.path.isdir(path):  # noqa: PTH112
        yield from _from_folder(path, endings, noun)
    elif os.path.isfile(path):  # noqa: PTH113
        if path.suffix.lower() == ".zip":
            yield from _from_zip(path, endings, noun)
        else:
            yield FileItem(printable(str(path)), path)
    elif os.path.exists(path):  # noqa: PTH110
        yield BadItem(str(path), "neither a file nor a folder")
    elif glob.has_magic(str(path)):
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 (takes absolute patterns)
        if not matches:
            yield BadItem(str(path), "no file matches")
        for match in matches:
            yield from from_path(Path(match), endings, noun)
    else:
        yield BadItem(str(path), "no such file or folder")


def _from_folder(path: Path, endings: frozenset[str], noun: str) -> Iterator[Item]:
    found = False
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in endings:
                found = True
                file = Path(folder) / name
                yield FileItem(printable(str(file)), file)
    if not found:
        yield BadItem(str(path), f"there are no {noun} in this folder")


def _from_zip(path: Path, endings: frozenset[str], noun: str) -> Iterator[Item]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = sorted(archive.infolist(), key=lambda member: member.filename)
    except (OSError, zipfile.BadZipFile, NotImplementedError) as error:
        yield BadItem(str(path), f"not a readable .zip archive ({error})")
        return
    found = False
    for member in members:
        name = PurePosixPath(member.filename)
        hidden = any(part.startswith((".", "__MACOSX")) for part in name.parts if part != "..")
        if member.is_dir() or hidden or name.suffix.lower() not in endings:
            continue
        found = True
        ident = f"{path}/{member.filename}"
        problem = _problem(member)
        yield BadItem(ident, problem) if problem else ZipItem(ident, path, member.filename)
    if not found:
        yield BadItem(str(path), f"there are no {noun} in this archive")


def _problem(member: zipfile.ZipInfo) -> str:
    """Why a member is not unpacked, or nothing."""
    if member.file_size > LARGEST_MEMBER:
        return f"it would unpack to {member.file_size / 1e6:,.0f} MB, which no item needs"
    found = danger(member)
    return f"it {found}" if found else ""

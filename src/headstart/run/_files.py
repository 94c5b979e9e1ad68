"""Files that a person names for `predict`: by path, folder, glob or archive."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from headstart import modalities
from headstart.core.dataset import FileItem, Item
from headstart.data import load
from headstart.data.members import members_of
from headstart.data.reading import Reading, archive_ending, printable
from headstart.errors import HeadstartError


@dataclass(frozen=True)
class BadItem:
    """Something that was named and cannot be read; reading it says why."""

    id: str
    problem: str

    def read(self) -> bytes:
        raise OSError(self.problem)


def from_path(
    path: Path, endings: frozenset[str], noun: str, reading: Reading | None = None
) -> Iterator[Item]:
    """The files that a path or a glob names; of folders and archives those with the endings.

    A folder or an archive without such files is read as one to learn from is: by its table, say. `noun` says
    in messages what the files are.
    """
    # os.path: what is no path at all (over 255 characters, say) is not there; Path raises
    if os.path.isdir(path):  # noqa: PTH112
        yield from _from_folder(path, endings, noun, reading)
    elif os.path.isfile(path):  # noqa: PTH113
        if archive_ending(path.name):
            yield from _from_archive(path, endings, noun, reading)
        else:
            yield FileItem(printable(str(path)), path)
    elif os.path.exists(path):  # noqa: PTH110
        yield BadItem(str(path), "neither a file nor a folder")
    elif glob.has_magic(str(path)):
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 (takes absolute patterns)
        if not matches:
            yield BadItem(str(path), "no file matches")
        for match in matches:
            yield from from_path(Path(match), endings, noun, reading)
    else:
        yield BadItem(str(path), "no such file or folder")


def _from_folder(path: Path, endings: frozenset[str], noun: str, reading: Reading | None) -> Iterator[Item]:
    found = False
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in endings:
                found = True
                file = Path(folder) / name
                yield FileItem(printable(str(file)), file)
    if not found:
        yield from _as_data(path, reading, noun, f"there are no {noun} in this folder")


def _from_archive(path: Path, endings: frozenset[str], noun: str, reading: Reading | None) -> Iterator[Item]:
    try:
        members = sorted(members_of(path), key=lambda member: member.name)
    except HeadstartError as error:
        yield BadItem(str(path), str(error).removeprefix(f"{path}: "))
        return
    found = False
    for member in members:
        name = PurePosixPath(member.name)
        hidden = any(part.startswith((".", "__MACOSX")) for part in name.parts if part != "..")
        if member.folder or hidden or name.suffix.lower() not in endings:
            continue
        found = True
        ident = printable(f"{path}/{member.name}")
        yield BadItem(ident, f"it {member.danger}") if member.danger else member.item(ident)
    if not found:
        yield from _as_data(path, reading, noun, f"there are no {noun} in this archive")


def _as_data(path: Path, reading: Reading | None, noun: str, otherwise: str) -> Iterator[Item]:
    """The items of a folder or an archive that has a table."""
    options = {name: value for name, value in vars(reading or Reading()).items() if value}
    try:
        dataset = load(path, **{**options, "items_only": True})
    except HeadstartError as error:
        found = str(error).removeprefix(f"{path}: ")
        yield BadItem(str(path), otherwise if found.startswith("there are no") else f"{otherwise}; {found}")
        return
    if modalities.nouns(dataset.modality)[1] != noun:
        yield BadItem(str(path), otherwise)
        return
    for item in dataset.items:
        yield replace(item, id=f"{path} {item.id}")  # type: ignore[type-var]

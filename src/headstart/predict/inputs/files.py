"""Files that a person names for `predict`: by path, folder, glob or archive."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from headstart import modalities
from headstart.core.dataset import Dataset, FileItem, Item
from headstart.data import load
from headstart.data.folders.members import members_of
from headstart.data.forms import is_table
from headstart.data.items.entries import BadItem
from headstart.data.items.pictures import renamed
from headstart.data.reading import Reading, archive_ending, printable
from headstart.errors import DataError, HeadstartError


def from_path(path: Path, modality: str, reading: Reading) -> Iterator[Item]:
    """The items that a path or a glob names.

    Files; of folders and archives those with the endings of the modality; of tables one a row. A folder or an
    archive without such files is read as one to learn from is. Raises `DataError` for a table without items
    of the modality.
    """
    # os.path: what is no path at all (over 255 characters, say) is not there; Path raises
    if os.path.isdir(path):  # noqa: PTH112
        yield from _from_folder(path, modality, reading)
    elif os.path.isfile(path):  # noqa: PTH113
        if is_table(path):
            yield from of_table(path, modality, reading)
        elif archive_ending(path.name):
            yield from _from_archive(path, modality, reading)
        else:
            yield FileItem(printable(str(path)), path)
    elif os.path.exists(path):  # noqa: PTH110
        yield BadItem(str(path), "neither a file nor a folder")
    elif glob.has_magic(str(path)):
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 (takes absolute patterns)
        if not matches:
            yield BadItem(str(path), "no file matches")
        for match in matches:
            yield from from_path(Path(match), modality, reading)
    else:
        yield BadItem(str(path), "no such file or folder")


def _from_folder(path: Path, modality: str, reading: Reading) -> Iterator[Item]:
    found, endings = False, modalities.get(modality).SUFFIXES
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in endings:
                found = True
                file = Path(folder) / name
                yield FileItem(printable(str(file)), file)
    if not found:
        yield from _as_data(path, modality, reading, "folder")


def _from_archive(path: Path, modality: str, reading: Reading) -> Iterator[Item]:
    try:
        members = sorted(members_of(path), key=lambda member: member.name)
    except HeadstartError as error:
        yield BadItem(str(path), str(error).removeprefix(f"{path}: "))
        return
    found, endings = False, modalities.get(modality).SUFFIXES
    for member in members:
        name = PurePosixPath(member.name)
        hidden = any(part.startswith((".", "__MACOSX")) for part in name.parts if part != "..")
        if member.folder or hidden or name.suffix.lower() not in endings:
            continue
        found = True
        ident = printable(f"{path}/{member.name}")
        yield BadItem(ident, f"it {member.danger}") if member.danger else member.item(ident)
    if not found:
        yield from _as_data(path, modality, reading, "archive")


def _as_data(path: Path, modality: str, reading: Reading, place: str) -> Iterator[Item]:
    """The items of a folder or an archive that has a table, or is a saved data set."""
    otherwise = f"there are no {modalities.nouns(modality)[1]} in this {place}"
    try:
        dataset = load(path, **vars(reading))
    except HeadstartError as error:
        found = str(error).removeprefix(f"{path}: ")
        yield BadItem(str(path), otherwise if found.startswith("there are no") else f"{otherwise}; {found}")
        return
    if dataset.modality != modality:
        yield BadItem(str(path), otherwise)
        return
    for item in dataset.items:
        yield renamed(item, f"{path} {item.id}")


def of_modality(dataset: Dataset, modality: str) -> tuple[Item, ...]:
    """Its items. Raises `DataError` where they are of another modality."""
    if dataset.modality != modality:
        held, read = modalities.nouns(dataset.modality)[1], modalities.nouns(modality)[1]
        raise DataError(dataset.origin or dataset.name, f"it holds {held}, but {read} are read here")
    return dataset.items


def of_table(path: Path, modality: str, reading: Reading) -> Iterator[Item]:
    """A row each; what has no file of its own is called by the table's path too. Raises `DataError`."""
    for item in of_modality(load(path, **vars(reading)), modality):
        named = hasattr(item, "path") or hasattr(item, "archive")
        yield item if named else renamed(item, f"{path} {item.id}")

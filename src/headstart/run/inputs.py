"""What a person may hand to `predict`, as items: paths, folders, globs, archives, arrays, images."""

from __future__ import annotations

import glob
import io
import os
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from headstart.core.dataset import ArrayItem, FileItem, Item, ZipItem
from headstart.data.tree import danger
from headstart.modalities.image import SUFFIXES

LARGEST_MEMBER = 512 * 2**20
"""A larger member of an archive is no image, and is not unpacked."""


@dataclass(frozen=True)
class BadItem:
    """Something that was named and cannot be read; reading it says why."""

    id: str
    problem: str

    def read(self) -> bytes:
        raise OSError(self.problem)


@dataclass(frozen=True)
class ImageItem:
    """An image in memory, such as one from Pillow; its bytes are those of the TIFF or PNG format."""

    id: str
    image: Any = field(repr=False)

    def read(self) -> bytes:
        buffer = io.BytesIO()
        self.image.save(buffer, format="PNG" if self.image.mode in _PNG_MODES else "TIFF")
        return buffer.getvalue()


_PNG_MODES = frozenset({"1", "L", "LA", "P", "RGB", "RGBA", "I;16"})


def items_of(inputs: Any, modality: str = "image") -> tuple[Item, ...]:
    """Everything named by `inputs`, in order; what cannot be found is an item that fails to read.

    `inputs` is one of these or a sequence of them: a path (file, folder, .zip), a glob, a numpy
    array `[H, W]`, `[H, W, C]` or `[N, H, W, C]`, a Pillow image, an item of a data set.
    """
    del modality
    if _single(inputs):
        inputs = [inputs]
    found: list[Item] = []
    for number, entry in enumerate(inputs):
        found.extend(_expand(entry, number))
    return tuple(found)


def _single(inputs: Any) -> bool:
    if isinstance(inputs, str | os.PathLike | np.ndarray):
        return True
    return not isinstance(inputs, Sequence | Iterable) or hasattr(inputs, "read")


def _expand(entry: Any, number: int) -> Iterator[Item]:
    if isinstance(entry, str | os.PathLike):
        yield from _from_path(Path(entry))
    elif isinstance(entry, np.ndarray):
        if entry.ndim == 4:
            yield from (
                ArrayItem(f"{number}/{row}" if number else f"{row}", a) for row, a in enumerate(entry)
            )
        else:
            yield ArrayItem(str(number), entry)
    elif hasattr(entry, "mode") and hasattr(entry, "save"):
        yield ImageItem(getattr(entry, "filename", "") or str(number), entry)
    elif isinstance(entry, Item):
        yield entry
    else:
        yield BadItem(str(number), f"{type(entry).__name__} is neither a path nor an image")


def _from_path(path: Path) -> Iterator[Item]:
    # os.path: what is no path at all (over 255 characters, say) is not there; Path raises
    if os.path.isdir(path):  # noqa: PTH112
        yield from _from_folder(path)
    elif os.path.isfile(path):  # noqa: PTH113
        if path.suffix.lower() == ".zip":
            yield from _from_zip(path)
        else:
            yield FileItem(str(path), path)
    elif os.path.exists(path):  # noqa: PTH110
        yield BadItem(str(path), "neither a file nor a folder")
    elif glob.has_magic(str(path)):
        matches = sorted(glob.glob(str(path), recursive=True))  # noqa: PTH207 (takes absolute patterns)
        if not matches:
            yield BadItem(str(path), "no file matches")
        for match in matches:
            yield from _from_path(Path(match))
    else:
        yield BadItem(str(path), "no such file or folder")


def _from_folder(path: Path) -> Iterator[Item]:
    found = False
    for folder, folders, files in os.walk(path):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(files):
            if not name.startswith(".") and Path(name).suffix.lower() in SUFFIXES:
                found = True
                file = Path(folder) / name
                yield FileItem(str(file), file)
    if not found:
        yield BadItem(str(path), "there are no images in this folder")


def _from_zip(path: Path) -> Iterator[Item]:
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
        if member.is_dir() or hidden or name.suffix.lower() not in SUFFIXES:
            continue
        found = True
        ident = f"{path}/{member.filename}"
        problem = _problem(member)
        yield BadItem(ident, problem) if problem else ZipItem(ident, path, member.filename)
    if not found:
        yield BadItem(str(path), "there are no images in this archive")


def _problem(member: zipfile.ZipInfo) -> str:
    """Why a member is not unpacked, or nothing."""
    if member.file_size > LARGEST_MEMBER:
        return f"it would unpack to {member.file_size / 1e6:,.0f} MB, which no image needs"
    found = danger(member)
    return f"it {found}" if found else ""

"""A tree of files, in a folder or in an archive: names, and a way to read each of them."""

from __future__ import annotations

import os
import stat
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from headstart.core.dataset import FileItem, Item, Note, ZipItem
from headstart.data.reading import is_junk, natural, printable
from headstart.errors import DataError, PathError

MOST_BYTES = 20_000_000_000
"""Archives that unpack to more are refused."""
MOST_RATIO = 200
"""Members over `RATIO_FROM` bytes that are compressed more than this are refused."""
RATIO_FROM = 10_000_000


@dataclass(frozen=True)
class Tree:
    """Files by their path relative to the root, "/" between the parts, in natural order."""

    origin: str
    name: str
    paths: tuple[str, ...]
    item: Callable[[str], Item]
    """Relative path -> an item whose id is that path."""
    notes: tuple[Note, ...] = ()
    root: Path | None = None
    """The folder on disk; None for archives."""


def folder_tree(root: Path) -> Tree:
    """All files under a folder. Links are followed, but no folder is entered twice."""
    paths: list[str] = []
    junk: list[str] = []
    empty: list[str] = []
    seen: set[str] = set()

    def refuse(error: OSError) -> None:
        raise PathError(error.filename or root, f"cannot be read: {error.strerror or error}") from None

    for here, folders, files in os.walk(root, followlinks=True, onerror=refuse):
        real = os.path.realpath(here)
        if real in seen:
            folders.clear()
            continue
        seen.add(real)
        relative = Path(here).relative_to(root).as_posix()
        prefix = "" if relative == "." else f"{relative}/"
        junk += [f"{prefix}{name}" for name in (*files, *folders) if is_junk(name)]
        folders[:] = sorted(name for name in folders if not is_junk(name))
        good = [f"{prefix}{name}" for name in files if not is_junk(name)]
        paths += good
        if not good and not folders and prefix:
            empty.append(prefix.rstrip("/"))
    notes = [*_junk_notes(junk), *(Note("HS502", printable(path), "the folder is empty") for path in empty)]

    def item(path: str) -> Item:
        return FileItem(printable(path), root / path)

    name = root.resolve().name or "data"
    return Tree(str(root), name, tuple(sorted(paths, key=natural)), item, tuple(notes), root)


def zip_tree(path: Path) -> Tree:
    """All files in an archive. Raises `DataError` for one that is damaged, escapes or blows up."""
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, EOFError) as error:
        raise DataError(str(path), f"not a .zip archive that can be read: {error}") from None
    except OSError as error:
        raise PathError(path, f"cannot be read: {error.strerror or error}") from None
    _audit(path, members)
    files = {member.filename for member in members if not member.is_dir()}
    folders = {member.filename.rstrip("/") for member in members if member.is_dir()}
    junk = sorted(name for name in files | folders if any(map(is_junk, name.split("/"))))
    paths = sorted(files - set(junk), key=natural)
    empty = sorted(folders - _above(paths) - _above(folders) - set(junk))
    notes = [*_junk_notes(junk), *(Note("HS502", name, "the folder is empty") for name in empty)]

    def item(name: str) -> Item:
        return ZipItem(name, path, name)

    return Tree(str(path), path.stem, tuple(paths), item, tuple(notes))


def _above(names: Iterable[str]) -> set[str]:
    """Every folder that one of the paths lies in."""
    found: set[str] = set()
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _junk_notes(names: list[str]) -> list[Note]:
    return [
        Note("HS501", printable(name), "hidden, or left by the operating system: ignored")
        for name in sorted(names)
    ]


def _audit(path: Path, members: list[zipfile.ZipInfo]) -> None:
    wrong = [f"{member.filename!r} {text}" for member in members if (text := danger(member))]
    total = sum(member.file_size for member in members)
    if total > MOST_BYTES:
        wrong.append(f"it would unpack to {total / 1e9:.0f} GB, over the {MOST_BYTES / 1e9:.0f} GB allowed")
    if wrong:
        shown = [*wrong[:5], *([f"and {len(wrong) - 5} more"] if len(wrong) > 5 else [])]
        raise DataError(
            str(path), "this archive is not safe to read", "unpack it yourself if you trust it", shown
        )


def danger(member: zipfile.ZipInfo) -> str:
    """Why a member of an archive is not read, or nothing: it escapes, is a link, or blows up."""
    name = member.filename.replace("\\", "/")
    if name.startswith("/") or ".." in PurePosixPath(name).parts or (len(name) > 1 and name[1] == ":"):
        return "points out of the archive"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "is a link"
    ratio = member.file_size / max(1, member.compress_size)
    if member.file_size > RATIO_FROM and ratio > MOST_RATIO:
        return f"unpacks to {ratio:,.0f} times its size"
    return ""

"""A tree of files, in a folder or in an archive: names, and a way to read each of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from headstart import modalities
from headstart.core.dataset import FileItem, Item, Note
from headstart.core.untrusted import limits
from headstart.core.words import count
from headstart.data.folders.members import Member, Missing, members_of
from headstart.data.reading import is_junk, natural, printable, stem_of, suffix_of
from headstart.errors import DataError, PathError


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
    linked: list[str] = []
    again: list[Note] = []
    seen: dict[str, str] = {}
    whole = os.path.realpath(root)

    def refuse(error: OSError) -> None:
        raise PathError(error.filename or root, f"cannot be read: {error.strerror or error}") from None

    for here, folders, files in os.walk(root, followlinks=True, onerror=refuse):
        real = os.path.realpath(here)
        relative = Path(here).relative_to(root).as_posix()
        if real in seen:
            first = "the folder of all" if seen[real] == "." else f"{printable(seen[real])}/"
            text = f"by a link the same folder as {first}, which is read: left out"
            again.append(Note("HS514", printable(relative), text))
            folders.clear()
            continue
        seen[real] = relative
        prefix = "" if relative == "." else f"{relative}/"
        junk += [f"{prefix}{name}" for name in (*files, *folders) if is_junk(name)]
        folders[:] = sorted(name for name in folders if not is_junk(name))
        good = [f"{prefix}{name}" for name in files if not is_junk(name)]
        paths += good
        links = [path for path in good if os.path.islink(root / path)]  # noqa: PTH114
        linked += good if _leaves(Path(real), whole) else [p for p in links if _leaves(root / p, whole)]
        if not good and not folders and prefix:
            empty.append(prefix.rstrip("/"))
    notes = [*_not_read(junk, empty), *again]
    if linked:
        text = f"links lead to {count(len(linked), 'file')} outside of it, such as {printable(linked[0])}"
        notes.append(Note("HS512", str(root), text))

    def item(path: str) -> Item:
        return FileItem(printable(path), root / path)

    name = root.resolve().name or "data"
    return Tree(str(root), name, tuple(sorted(paths, key=natural)), item, tuple(notes), root)


def _leaves(path: Path, whole: str) -> bool:
    return os.path.commonpath((whole, os.path.realpath(path))) != whole


def archive_tree(path: Path) -> Tree:
    """All files in a .zip or .tar. Raises `PathError`; `DataError` if it is damaged, escapes or blows up."""
    members = members_of(path)
    _audit(path, members)
    files = {member.name: member for member in members if not member.folder}
    folders = {member.name.rstrip("/") for member in members if member.folder}
    junk = sorted(name for name in files.keys() | folders if any(map(is_junk, name.split("/"))))
    paths = sorted(files.keys() - set(junk), key=natural)
    empty = sorted(folders - _above(paths) - _above(folders) - set(junk))

    def item(name: str) -> Item:
        return files[name].item(printable(name)) if name in files else Missing(printable(name), path)

    return Tree(str(path), stem_of(path.name), tuple(paths), item, tuple(_not_read(junk, empty)))


def _above(names: Iterable[str]) -> set[str]:
    """Every folder that one of the paths lies in."""
    found: set[str] = set()
    for name in names:
        folder = name.rpartition("/")[0]
        while folder and folder not in found:
            found.add(folder)
            folder = folder.rpartition("/")[0]
    return found


def _not_read(junk: list[str], empty: list[str]) -> Iterator[Note]:
    for name in sorted(junk):
        yield Note("HS501", printable(name), "hidden, or left by the operating system: ignored")
    for name in empty:
        yield Note("HS502", printable(name), "the folder is empty")


def _audit(path: Path, members: list[Member]) -> None:
    wrong = [f"{member.name[:200]!r} {member.danger}" for member in members if member.danger]
    total, most = sum(member.size for member in members), limits.ARCHIVE_BYTES
    if total > most:
        wrong.append(f"it would unpack to {total / 1e9:.0f} GB, over the {most / 1e9:.0f} GB allowed")
    if wrong:
        shown = [*wrong[:5], *([f"and {len(wrong) - 5} more"] if len(wrong) > 5 else [])]
        raise DataError(
            str(path), "this archive is not safe to read", "unpack it yourself if you trust it", shown
        )


def may_be_item(path: str) -> bool:
    """By its ending; a file without one may be an item, so it is looked at."""
    return suffix_of(path) in modalities.endings() | {""}

"""From what a table says about a file to the file itself."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path, PurePosixPath
from urllib.parse import unquote

from headstart.core.dataset import FileItem, Item, Note
from headstart.core.words import count
from headstart.data.folders.tree import Tree, may_be_item
from headstart.data.reading import ADDRESSES, without_ending
from headstart.errors import DataError

Finder = Callable[[str], Item]
"""A cell of the path column -> the item; a file that is not there is found out when it is read."""


def on_disk(folder: Path, archive: Callable[[], Tree] | None = None) -> Finder:
    """Paths relative to a folder on disk, or absolute; what is not there may lie in the archive.

    `archive` opens it, and is only called for a path that is not on disk.
    """
    inside = cache(lambda: _index(archive())) if archive is not None else None

    def find(cell: str) -> Item:
        _no_url(cell, str(folder))
        plain = _plain(cell)
        for path in (folder / cell, folder / plain, folder / SAFE.sub("", plain)):
            # os.path: a cell that is no path at all (over 255 characters, say) is not there; Path raises
            if os.path.exists(path):  # noqa: PTH110
                return FileItem(plain, path)
        known = inside()(cell) if inside is not None else None
        return FileItem(plain, folder / plain) if known is None else known

    return find


SAFE = re.compile(r"^'(?='*[=+\-@\t\r])")
"""The apostrophe with which predictions and proposals in .csv keep a name from being a formula."""


def within(tree: Tree, table: str, archive: Callable[[], Tree] | None = None) -> Finder:
    """Paths inside a tree: relative to the table, to the root, or by a file name that occurs once."""
    here = str(PurePosixPath(table).parent)
    index = _index(tree, "" if here == "." else here)
    fallback = on_disk(tree.root / here, archive) if tree.root is not None else None

    def find(cell: str) -> Item:
        _no_url(cell, tree.origin)
        item = index(cell)
        if item is not None:
            return item
        return fallback(cell) if fallback is not None else tree.item(cell)

    return find


def _index(tree: Tree, here: str = "") -> Callable[[str], Item | None]:
    """A lookup in a tree: by path, else by its last parts, with or without the ending."""
    every = set(tree.paths)
    tails = cache(lambda parts: _tails(tree, parts))  # made only if a path is not there as it stands

    def find(cell: str) -> Item | None:
        wanted = _plain(cell).removeprefix("./")
        safe = SAFE.sub("", wanted)
        for path in (f"{here}/{wanted}" if here else wanted, wanted, f"{here}/{safe}" if here else safe):
            if path in every:
                return tree.item(path)
        parts = wanted.count("/") + 1
        only = tails(parts).get(wanted) if parts <= deepest else None
        return tree.item(only) if only else None

    deepest = max((path.count("/") + 1 for path in tree.paths), default=0)
    return find


def _tails(tree: Tree, parts: int) -> dict[str, str | None]:
    """The last so many parts of each item's path -> the path; None where several share them."""
    tails: dict[str, str | None] = {}
    for path in filter(may_be_item, tree.paths):
        last = path.rsplit("/", parts)
        if len(last) < parts:
            continue
        tail = "/".join(last[-parts:])
        for key in {tail, without_ending(tail)}:
            tails[key] = None if tails.get(key, path) != path else path
    return tails


def outside(items: Sequence[Item], root: Path | None, origin: str) -> tuple[Note, ...]:
    """A note where items on disk lie outside of the folder that their data lie in."""
    if root is None:
        return ()
    files = (item for item in items if isinstance(item, FileItem))
    may_leave = [item for item in files if item.id.startswith("/") or ".." in item.id or item.id[1:2] == ":"]
    # as written: links are for `headstart.data.folders.tree`
    whole = os.path.abspath(root)  # noqa: PTH100
    left = [item for item in may_leave if not Path(os.path.abspath(item.path)).is_relative_to(whole)]  # noqa: PTH100
    if not left:
        return ()
    text = f"{count(len(left), 'item')} from outside {root}, such as {left[0].id}"
    return (Note("HS512", origin, text),)


def missing(path: Path | None, name: str) -> str:
    """Why a file cannot be had that is not there."""
    if path is not None and path.is_symlink():
        return f"a link to nothing ({str(path.readlink())!r})"
    if (plain := unquote(name)) != name:
        return f"there is no such file (its name is written as in an address: {plain!r} may be meant)"
    return "there is no such file"


def _plain(cell: str) -> str:
    """A path: of an address of a file what it names, else the cell with its backslashes turned."""
    if not cell.lower().startswith("file:"):
        return cell.replace("\\", "/")
    path = unquote(cell[5:].replace("\\", "/"))
    host, _, below = path[2:].partition("/") if path.startswith("//") else ("", "", path.lstrip("/"))
    if host.lower() not in ("", "localhost"):
        return cell
    return below if below[1:2] == ":" else f"/{below}"  # file:///C:/photos


def _no_url(cell: str, where: str) -> None:
    if cell.lower().startswith(ADDRESSES):
        raise DataError(
            where, f"the table names an address on the net ({cell})", "fetch the files first, then name them"
        )

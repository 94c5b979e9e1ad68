"""The images of a tree: found by the names that annotation files give them, and known by their headers."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from headstart import modalities
from headstart.core.dataset import FileItem, Item
from headstart.data.boxes.formats.written import folder_split
from headstart.data.boxes.placing.corners import Outline
from headstart.data.folders.tree import Tree
from headstart.data.masks.folders import MASKS
from headstart.data.reading import suffix_of, without_ending
from headstart.errors import HeadstartError
from headstart.modalities import image

_HEAD = 2**18
"""Bytes of a file that hold its header, mostly."""


class Images:
    """The images of a tree, in order."""

    def __init__(self, tree: Tree) -> None:
        endings = modalities.get("image").SUFFIXES
        every = [path for path in tree.paths if suffix_of(path) in endings]
        others = [path for path in every if not MASKS & set(path.lower().split("/")[:-1])]
        self.paths = others or every
        self._named: dict[str, list[str]] = defaultdict(list)
        for path in every:
            name = path.rpartition("/")[2]
            for key in {name, name.lower(), without_ending(name), without_ending(name).lower()}:
                self._named[key].append(path)

    def find(self, name: str, near: str = "", split: str = "") -> str | None:
        """The path of the image that the file `near` it calls so, with or without folders and ending.

        Of several the one with the most of the name, in the split, nearest to the file.
        """
        parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
        if not parts:
            return None
        bare = without_ending(parts[-1])
        keys = (parts[-1], parts[-1].lower(), bare, bare.lower())
        found = next((self._named[key] for key in keys if key in self._named), [])
        return max(found, key=lambda path: _fit(path, parts, near, split), default=None)


def _fit(path: str, parts: Sequence[str], near: str, split: str) -> tuple[bool, int, int]:
    folders = path.split("/")[:-1]
    above = list(parts[:-1])
    same = 0
    while same < min(len(folders), len(above)) and folders[-1 - same] == above[-1 - same]:
        same += 1
    return folder_split(path) == split, same, _shared(folders, near.split("/")[:-1])


def _shared(one: Sequence[str], other: Sequence[str]) -> int:
    """How many folders two paths have in common, from the root on."""
    return next(
        (i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def outlines(items: Sequence[Item]) -> list[Outline | None]:
    """Of each image; None for one that cannot be read, of which the doctor tells."""
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        return list(pool.map(_outline, items))


def _outline(item: Item) -> Outline | None:
    try:
        if isinstance(item, FileItem) and item.path.is_file():
            with item.path.open("rb") as file:
                start = file.read(_HEAD)
            try:
                return Outline(*image.outline(start))
            except HeadstartError:  # a header that is longer, or at the end
                pass
        return Outline(*image.outline(item.read()))
    except (OSError, HeadstartError):
        return None

"""What annotation files say, before it is laid on images: the same for every format."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from headstart.core.dataset import Note
from headstart.core.untrusted import Damaged, parsing
from headstart.data.folders.tree import Tree
from headstart.data.reading import printable, split_in
from headstart.errors import DataError

_FEW = 8
"""Files that are opened to see what they are."""

Corners = tuple[float, float, float, float]
"""Left, top, right, bottom as written."""


class Mark(NamedTuple):
    """One object."""

    label: str
    corners: Corners
    crowd: bool = False
    shape: Any = None
    """Its outline: a list of polygons, each a list x, y, x, y, ..., or a record of COCO's RLE; None for a box
    alone."""


@dataclass(frozen=True)
class Sheet:
    """What is said of one image."""

    image: str
    """Its file, as it is named: often without its folder, or without its ending."""
    marks: tuple[Mark, ...] = ()
    size: tuple[int, int] | None = None
    """Width and height, where they are told."""
    split: str = ""
    source: str = ""
    """The file that says it: a path of the tree."""


@dataclass(frozen=True)
class Written:
    """All of the annotation files of one data set."""

    sheets: tuple[Sheet, ...]
    labels: tuple[str, ...] = ()
    """Classes in the order in which they are listed; empty where none is."""
    notes: tuple[Note, ...] = ()
    shares: bool = False
    """Whether the format has coordinates from 0 to 1."""


def around(points: Sequence[float]) -> Corners:
    """The box around x, y, x, y, ...; raises `ValueError` for fewer than two points."""
    across, down = points[::2], points[1::2]
    if len(down) < 2 or len(across) != len(down):
        raise ValueError(f"a shape of {len(points)} numbers")
    return min(across), min(down), max(across), max(down)


def joined(points: Sequence[Corners]) -> Corners:
    """The box around several."""
    left, top, right, bottom = zip(*points, strict=True)
    return min(left), min(top), max(right), max(bottom)


def folder_split(path: str) -> str:
    """The split that a folder above a file tells by its name: train/, images/val2017/; "" where none does."""
    return split_in(path.rpartition("/")[0])


def one_each(
    tree: Tree, files: Sequence[str], parse: Callable[[bytes, str], Sheet | Sequence[Sheet]], form: str
) -> list[Sheet]:
    """The sheets of files that are parsed each by itself. Raises `DataError` for one that is damaged."""
    found: list[Sheet] = []
    for path in files:
        try:
            with parsing():
                sheets = parse(tree.item(path).read(), path)
        except (Damaged, OSError) as error:
            problem = f"{printable(path)} is no {form} that can be read: {error}"
            raise DataError(tree.origin, problem, "mend it, or take it out") from None
        found += [sheets] if isinstance(sheets, Sheet) else sheets
    return found


def looked_at(tree: Tree, files: Sequence[str]) -> Iterator[tuple[str, bytes]]:
    """A few of the files, with what is in them, to tell what they are."""
    for path in files[:: max(1, len(files) // _FEW)][:_FEW]:
        with suppress(OSError):
            yield path, tree.item(path).read()

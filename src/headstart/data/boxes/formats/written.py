"""What annotation files say, before it is laid on images: the same for every format."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from headstart.core.dataset import Note

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

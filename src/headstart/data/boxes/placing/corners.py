"""From boxes as they are written to boxes on the upright image: unit, EXIF orientation, size, edges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL.Image import Transpose

from headstart.core.boxes import Boxes
from headstart.core.words import count
from headstart.data.boxes.formats.written import Sheet
from headstart.errors import DataError

Size = tuple[int, int]
"""Width and height."""

SLACK = 0.01
"""By how much shares may lie outside of 0 to 1: they are rounded."""
BEYOND = 1.0
"""Pixels by which a box may reach over an edge without being told: edges are rounded, too."""
ALIKE = 0.02
"""By how much the shape of an image may differ from what is written, if it was scaled."""
FAR = 1e7
"""Pixels: nothing lies further away."""
SIDEWAYS = frozenset({Transpose.TRANSPOSE, Transpose.ROTATE_270, Transpose.TRANSVERSE, Transpose.ROTATE_90})


@dataclass(frozen=True)
class Outline:
    """An image by its header."""

    size: Size
    """As stored."""
    turn: Transpose | None = None
    """What turns it upright."""

    @property
    def upright(self) -> Size:
        return self.size[::-1] if self.turn in SIDEWAYS else self.size


@dataclass
class Frame:
    """How coordinates of a data set are to be read."""

    shares: bool
    """They go from 0 to 1."""
    stored: bool | None
    """They belong to images as stored, before EXIF turns them; None: no image is turned, or none tells."""


@dataclass
class Placed:
    """The boxes of an image, and what was done to them."""

    boxes: Boxes
    told: dict[str, str] = field(default_factory=dict)
    """Finding code -> what is said of the image."""


def in_shares(sheets: Sequence[Sheet], *, expected: bool, where: str) -> bool:
    """Whether coordinates go from 0 to 1, or are pixels; found from all boxes together.

    Raises `DataError` where some seem to be the one and some the other, and where none tells.
    """
    corners = np.array([mark.corners for sheet in sheets for mark in sheet.marks], np.float64).reshape(-1, 4)
    corners = corners[np.isfinite(corners).all(axis=1)]
    if not len(corners):
        return expected
    small = (np.abs(corners) <= 1 + SLACK).all(axis=1)
    large = (np.abs(corners) > 2).any(axis=1)
    broken = (corners != np.round(corners)).any(axis=1)
    remedy = "write all in pixels, or all as shares of the image's width and height"
    if small.all():
        if expected or broken.any():
            return True
        text = (
            f"all {len(corners)} boxes lie within one pixel, or cover shares of their images: cannot be told"
        )
        raise DataError(where, text, "write boxes in pixels, or as shares with decimals")
    if expected and not large.any():
        return True
    likely = float((small & (broken | expected)).mean())
    if 0.1 < likely < 0.9:
        text = f"{count(int(small.sum()), 'box', 'boxes')} within 0 to 1, {int((~small).sum()):,} beyond"
        raise DataError(where, f"{text}: some are in pixels, and some are shares", remedy)
    return likely >= 0.9


def turned_before(pairs: Sequence[tuple[Sheet, Outline]]) -> bool | None:
    """Whether sizes are written of images as stored; by all of those that lie on their side."""
    votes: Counter[bool] = Counter()
    for sheet, outline in pairs:
        if outline.turn in SIDEWAYS and sheet.size is not None and outline.size[0] != outline.size[1]:
            if _alike(sheet.size, outline.size):
                votes[True] += 1
            elif _alike(sheet.size, outline.upright):
                votes[False] += 1
    return votes.most_common(1)[0][0] if votes else None


def _alike(one: Size, other: Size) -> bool:
    """Whether two sizes have one shape."""
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1) <= ALIKE


def place(sheet: Sheet, outline: Outline | None, numbers: Mapping[str, int], frame: Frame) -> Placed | None:
    """The boxes of a sheet on its upright image; of an image that cannot be read by the size that is written.

    Marks of labels without a number are left out. None where there is no size at all.
    """
    marks = [mark for mark in sheet.marks if mark.label in numbers]
    corners = np.array([mark.corners for mark in marks], np.float64).reshape(-1, 4)
    corners[~np.isfinite(corners).all(axis=1)] = 0  # has no area, of which is told
    corners = corners.clip(-FAR, FAR)
    classes = np.array([numbers[mark.label] for mark in marks], np.int64)
    crowd = np.array([mark.crowd for mark in marks], bool)
    if outline is None:
        if sheet.size is None:
            return None
        outline = Outline(sheet.size)
    corners, size = on_image(corners.reshape(-1, 2), sheet, outline, frame)
    corners = corners.reshape(-1, 4)
    corners = np.concatenate(
        [np.minimum(corners[:, :2], corners[:, 2:]), np.maximum(corners[:, :2], corners[:, 2:])], 1
    )
    kept, told = _judged(corners, size)
    corners = np.clip(corners[kept], 0, [*size, *size]).astype(np.float32)
    classes, crowd = classes[kept], crowd[kept]
    rows = np.column_stack([corners, classes, crowd])
    first = np.sort(np.unique(rows, axis=0, return_index=True)[1])
    if len(first) < len(rows):
        twice = len(rows) - len(first)
        told["HS332"] = f"{twice:,} of {count(len(rows), 'box', 'boxes')} there twice: counted once"
    some = crowd[first] if crowd.any() else None
    return Placed(Boxes(size[::-1], corners[first], classes[first], crowd=some), told)


def on_image(points: np.ndarray, sheet: Sheet, outline: Outline, frame: Frame) -> tuple[np.ndarray, Size]:
    """Points float `[n, 2]` (across, down) as written -> in pixels of the upright image; and its size.

    Where the size that is written has another shape than the image, points stay, and that size is returned.
    """
    turn, base = _base(outline, frame)
    if frame.shares:
        points = points * base
    elif scaled(sheet, outline, frame):
        points = points * (np.array(base) / sheet.size)
    elif sheet.size is not None and sheet.size != base:
        return points, sheet.size
    return _turned(points, base, turn), outline.upright


def scaled(sheet: Sheet, outline: Outline, frame: Frame) -> bool:
    """Whether pixels are of an image of the same shape that is larger or smaller."""
    base = _base(outline, frame)[1]
    return not frame.shares and sheet.size is not None and sheet.size != base and _alike(sheet.size, base)


def _base(outline: Outline, frame: Frame) -> tuple[Transpose | None, Size]:
    """How what is written has to be turned, and the size of the image that it belongs to."""
    turn = outline.turn if frame.stored else None
    return turn, outline.size if turn is not None else outline.upright


def _turned(points: np.ndarray, size: Size, turn: Transpose | None) -> np.ndarray:
    """Points of an image of that size after it is turned as Pillow does."""
    (width, height), (across, down) = size, points.T
    ways = {
        Transpose.FLIP_LEFT_RIGHT: (width - across, down),
        Transpose.ROTATE_180: (width - across, height - down),
        Transpose.FLIP_TOP_BOTTOM: (across, height - down),
        Transpose.TRANSPOSE: (down, across),
        Transpose.ROTATE_270: (height - down, across),
        Transpose.TRANSVERSE: (height - down, width - across),
        Transpose.ROTATE_90: (down, width - across),
    }
    return points if turn is None else np.column_stack(ways[turn])


def _judged(corners: np.ndarray, size: Size) -> tuple[np.ndarray, dict[str, str]]:
    """bool `[n]`: the boxes that are kept, and what is said of the others."""
    told: dict[str, str] = {}
    sides = corners[:, 2:] - corners[:, :2]
    flat = ~(sides > 0).all(axis=1)
    inside = np.clip(corners, 0, [*size, *size])
    outside = ~flat & ((inside[:, 2:] - inside[:, :2]) <= 0).any(axis=1)
    over = ~flat & ~outside & (np.abs(inside - corners) > BEYOND).any(axis=1)
    of_all = f"of {count(len(corners), 'box', 'boxes')}"
    if flat.any():
        told["HS330"] = f"{flat.sum():,} {of_all} without an area: left out"
    said = [f"{over.sum():,} {of_all} over its edge: cut there"] if over.any() else []
    said += [f"{outside.sum():,} {of_all} outside of it: left out"] if outside.any() else []
    if said:
        told["HS331"] = "; ".join(said)
    return ~(flat | outside), told

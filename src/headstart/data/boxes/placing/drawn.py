"""Masks that are drawn of outlines when they are read: polygons and run lengths as ids of classes."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from headstart.core.maps import VOID
from headstart.core.untrusted import Damaged, limits
from headstart.data.boxes.formats import rle
from headstart.data.boxes.formats.written import Sheet
from headstart.data.boxes.placing.corners import FAR, Frame, Outline, Size, on_image
from headstart.errors import DataError, ItemError

Part = tuple[int, Any]
"""The number of a class, and polygons float64 `[n, 2]` on the upright image, or a record of RLE."""


@dataclass(frozen=True)
class Drawn:
    """The mask of one image: an item (`core.dataset`) whose bytes are those of a PNG of ids."""

    id: str
    size: Size
    """Width and height, upright."""
    parts: tuple[Part, ...] = field(default=(), repr=False)
    """In the order in which they are drawn."""
    turn: Image.Transpose | None = None
    """What turns a mask of run lengths upright."""

    def read(self) -> bytes:
        """Raises `ItemError` for damaged run lengths."""
        width, height = self.size
        if width * height > limits.PIXELS:
            raise ItemError("HS323", f"{width} x {height} pixels, over {limits.PIXELS // 10**6} million")
        ids = np.zeros((height, width), np.uint8)
        for number, shape in self.parts:
            try:
                if not isinstance(shape, list):
                    ids[self._of_runs(shape)] = number
                elif shape:
                    self._fill(ids, shape, number)
            except Damaged as error:
                raise ItemError("HS323", str(error)) from None
        file = io.BytesIO()
        Image.fromarray(ids).save(file, "PNG", compress_level=1)
        return file.getvalue()

    def _fill(self, ids: np.ndarray, polygons: list[np.ndarray], number: int) -> None:
        """Draw in the part of the image where polygons are: objects may be many, and images large."""
        points = np.concatenate(polygons)
        left, top = np.floor(points.min(axis=0)).clip(0, self.size).astype(int).tolist()
        right, bottom = np.ceil(points.max(axis=0)).clip((left, top), self.size).astype(int).tolist()
        inside = filled([one - (left, top) for one in polygons], (right - left, bottom - top))
        ids[top:bottom, left:right][inside] = number

    def _of_runs(self, shape: Any) -> np.ndarray:
        found = Image.fromarray(rle.decoded(shape))
        found = found if self.turn is None else found.transpose(self.turn)
        return np.asarray(
            found if found.size == self.size else found.resize(self.size, Image.Resampling.NEAREST)
        )


def filled(polygons: list[np.ndarray], size: Size) -> np.ndarray:
    """bool `[H, W]`: the pixels whose centres lie in one of the polygons float `[n, 2]` (across, down)."""
    width, height = size
    found = np.zeros((height, width), bool)
    for polygon in polygons:
        edges = np.zeros((height, width + 1), bool)
        for (x0, y0), (x1, y1) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
            first, last = (int(np.clip(np.ceil(y - 0.5), 0, height)) for y in sorted((y0, y1)))
            if first < last:  # each row that the edge crosses changes from out to in there, or back
                rows = np.arange(first, last)
                across = x0 + (rows + 0.5 - y0) * (x1 - x0) / (y1 - y0)
                edges[rows, np.ceil(across - 0.5).clip(0, width).astype(np.int64)] ^= True
        found |= np.logical_xor.accumulate(edges, axis=1)[:, :width]
    return found


def _rings(polygons: list[Any], name: str) -> list[np.ndarray]:
    """float64 `[n, 2]` each, without those that have no inside. Raises `DataError` for no numbers."""
    try:
        rings = [np.array(ring[: len(ring) // 2 * 2], np.float64).reshape(-1, 2) for ring in polygons]
    except (ValueError, TypeError, OverflowError) as error:
        remedy = "write a polygon as x, y, x, y, ..."
        raise DataError(name, f"an outline that is none ({error})", remedy) from None
    return [ring.clip(-FAR, FAR) for ring in rings if len(ring) > 2 and np.isfinite(ring).all()]


def mask(
    name: str, sheet: Sheet, outline: Outline | None, numbers: Mapping[str, int], frame: Frame
) -> Drawn | None:
    """The mask of an image: large objects first, so that they hide none that lie on them; crowds, and objects
    with a box alone, are void. None where there is no size. Raises `DataError` for outlines that are none."""
    if outline is None and sheet.size is None:
        return None
    outline = outline or Outline(sheet.size or (1, 1))
    parts: list[tuple[float, Part]] = []
    size = on_image(np.zeros((0, 2)), sheet, outline, frame)[1]
    for mark in sheet.marks:
        if mark.label not in numbers:
            continue
        left, top, right, bottom = mark.corners
        shape = mark.shape
        if shape is None:
            shape = [[left, top, right, top, right, bottom, left, bottom]]
        if isinstance(shape, list):
            shape = [on_image(ring, sheet, outline, frame)[0] for ring in _rings(shape, name)]
        number = VOID if mark.crowd or mark.shape is None else numbers[mark.label]
        parts.append((abs((right - left) * (bottom - top)), (number, shape)))
    parts.sort(key=lambda part: -part[0])
    turn = outline.turn if frame.stored else None
    return Drawn(f"drawn for {name}", size, tuple(part for _, part in parts), turn)

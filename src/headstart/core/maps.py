"""Maps: an answer for every place of an item, packed, and the predictions that are made of such answers."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import MappingProxyType
from typing import Any, BinaryIO

import numpy as np

from headstart.core import fingerprint
from headstart.core.untrusted import Damaged, limits, parsing, read_npz

VOID = 255
"""The number of a place that belongs to no class: it counts in no metric."""
MOST_CLASSES = 255


class LabelMap:
    """uint8 `[H, W]`: the class of every place, packed. What was counted against a mask stays with it."""

    __slots__ = ("counted", "data", "shape")

    def __init__(self, shape: tuple[int, int], data: bytes) -> None:
        self.shape, self.data = shape, data
        self.counted: dict[str, np.ndarray] = {}
        """By the digest of a mask: what a task has counted of the two."""

    @classmethod
    def of(cls, labels: np.ndarray) -> LabelMap:
        """From uint8 `[H, W]`."""
        return cls(
            (labels.shape[0], labels.shape[1]), zlib.compress(np.ascontiguousarray(labels).tobytes(), 1)
        )

    def unpacked(self) -> np.ndarray:
        """uint8 `[H, W]`. Raises `Damaged` for other bytes."""
        height, width = self.shape
        size = height * width
        with parsing():
            opened = zlib.decompressobj()
            found = opened.decompress(self.data, size + 1)
        if len(found) != size:
            raise Damaged(f"a map of {height} x {width} places has {len(found)} bytes")
        return np.frombuffer(found, np.uint8).reshape(self.shape)


def column(maps: Iterable[LabelMap]) -> np.ndarray:
    """Object array `[n]`: rows that can be picked by an array of numbers."""
    listed = list(maps)
    out = np.empty(len(listed), dtype=object)
    out[:] = listed
    return out


class Maps:
    """Predictions (`core.predictions`) of R repeats for N items: a `LabelMap` in each covered cell."""

    def __init__(self, shape: tuple[int, int], cells: Mapping[tuple[int, int], LabelMap]) -> None:
        self.shape, self.cells = shape, MappingProxyType(dict(cells))

    @cached_property
    def covered(self) -> np.ndarray:
        known = np.zeros(self.shape, bool)
        for cell in self.cells:
            known[cell] = True
        known.flags.writeable = False
        return known

    @property
    def width(self) -> int:
        """What is counted of a cell, not its places: those are counted once."""
        return 64

    def take(self, repeat: int, rows: Any) -> np.ndarray:
        """Object array `[n]` of `LabelMap`."""
        return column(self.cells[repeat, row] for row in np.arange(self.shape[1])[rows].tolist())

    def averaged(self) -> np.ndarray:
        """The first of each item's maps: the mean of two classes is none."""
        first = {row: one for (_, row), one in sorted(self.cells.items(), key=_cell, reverse=True)}
        return column(first[row] for row in sorted(first))

    def hide(self, cells: np.ndarray) -> Maps:
        kept = {at: one for at, one in self.cells.items() if at[0] < len(cells) and not cells[at]}
        return Maps((len(cells), self.shape[1]), kept)

    def of_parts(self, parts: Sequence[tuple[Any, np.ndarray]]) -> Maps:
        return Maps(
            self.shape, {at: one for made, where in parts for at, one in made.cells.items() if where[at]}
        )

    def aligned(self, rows: np.ndarray, outputs: Sequence[int] | None, *, packed: bool) -> Maps:
        place = {row: number for number, row in enumerate(rows.tolist())}
        done, cells = dict.fromkeys(place, 0), {}
        for (repeat, row), one in sorted(self.cells.items(), key=_cell):
            if row in place:
                cells[done[row] if packed else repeat, place[row]] = _renumbered(one, outputs)
                done[row] += 1
        return Maps((self.shape[0], len(rows)), cells)

    @cached_property
    def _digest(self) -> str:
        parts = [str(self.shape)]
        for at, one in sorted(self.cells.items(), key=_cell):
            parts += [f"{at} {one.shape}", fingerprint.of_bytes(one.data)]
        return fingerprint.of_parts(parts)

    def digest(self) -> str:
        return self._digest

    def save(self, file: BinaryIO) -> None:
        cells = sorted(self.cells.items(), key=_cell)
        table = [[*at, *one.shape, len(one.data)] for at, one in cells]
        packed = np.frombuffer(b"".join(one.data for _, one in cells), np.uint8)
        shape, columns = np.array(self.shape, np.int64), np.array(table, np.int64).reshape(-1, 5)
        np.savez(file, shape=shape, cells=columns, packed=packed)

    @classmethod
    def load(cls, path: Path) -> Maps:
        with parsing():
            stored = read_npz(path, most=limits.ARCHIVE_BYTES)
            repeats, rows = (int(n) for n in stored["shape"])
            packed, cells, start = stored["packed"].tobytes(), {}, 0
            for repeat, row, height, width, size in stored["cells"].tolist():
                inside = 0 <= repeat < repeats and 0 <= row < rows
                if not (inside and height > 0 < width and height * width <= limits.PIXELS and size >= 0):
                    raise Damaged("it holds a map that is none")
                cells[repeat, row] = LabelMap((height, width), packed[start : start + size])
                start += size
        return cls((repeats, rows), cells)

    @classmethod
    def empty(cls, repeats: int, rows: int, outputs: int) -> Maps:  # noqa: ARG003
        return cls((repeats, rows), {})


def _cell(entry: tuple[tuple[int, int], LabelMap]) -> tuple[int, int]:
    return entry[0]


def _renumbered(one: LabelMap, outputs: Sequence[int] | None) -> LabelMap:
    if outputs is None or list(outputs) == sorted(outputs):
        return one
    table = np.full(256, VOID, np.uint8)
    table[list(outputs)] = np.arange(len(outputs))
    return LabelMap.of(table[one.unpacked()])


def palette(classes: int) -> np.ndarray:
    """uint8 `[256, 3]`: colours that differ as much for neighbours as for others; black is void.

    The bits of a number are dealt to the three channels, the lowest to the highest bits, as Pascal VOC did.
    """
    number = np.arange(1, 257)[:, None]
    out = np.zeros((256, 3), np.int64)
    for bit in range(8):
        for channel in range(3):
            out[:, channel] |= ((number[:, 0] >> channel) & 1) << (7 - bit)
        number >>= 3
    out[min(classes, VOID) :] = 0
    return out.astype(np.uint8)


def overlay(pixels: np.ndarray, mask: np.ndarray, classes: int, share: float = 0.6) -> np.ndarray:
    """uint8 `[H, W, 3]`: pixels with the colours of a mask uint8 `[H, W]` laid over them; void is as it
    was."""
    part = np.where(mask[..., None] == VOID, 0.0, share)
    return np.asarray((pixels * (1 - part) + palette(classes)[mask] * part).round().astype(np.uint8))

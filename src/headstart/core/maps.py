"""Maps: an answer for every place of an item, packed, and the predictions that are made of such answers."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence

import numpy as np

from headstart.core.cells import Cells
from headstart.core.untrusted import Damaged, limits, parsing

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


class Maps(Cells[LabelMap]):
    """Predictions (`core.predictions`) of R repeats for N items: a `LabelMap` in each covered cell."""

    columns = 3

    @staticmethod
    def renumbered(one: LabelMap, outputs: Sequence[int]) -> LabelMap:
        table = np.full(256, VOID, np.uint8)
        table[list(outputs)] = np.arange(len(outputs))
        return LabelMap.of(table[one.unpacked()])

    @staticmethod
    def packed(answers: Sequence[LabelMap]) -> tuple[list[list[int]], dict[str, np.ndarray]]:
        data = np.frombuffer(b"".join(one.data for one in answers), np.uint8)
        return [[*one.shape, len(one.data)] for one in answers], {"packed": data}

    @staticmethod
    def unpacked(table: list[list[int]], arrays: Mapping[str, np.ndarray]) -> list[LabelMap]:
        data, found, start = arrays["packed"].tobytes(), [], 0
        for height, width, size in table:
            if not (height > 0 < width and height * width <= limits.PIXELS and size >= 0):
                raise Damaged("it holds a map that is none")
            found.append(LabelMap((height, width), data[start : start + size]))
            start += size
        return found


STRIP = 4_000_000
"""Numbers that are scaled at once."""


def largest(scores: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """uint8 `[H, W]`: the class with the largest score at each place, after float32 scores `[K, h, w]` are
    scaled bilinearly (middles of cells on middles of cells); strip by strip, so that no more than the answer
    is held."""
    out = np.zeros(size, np.uint8)
    (above, below, down), (left, right, across) = (
        _between(*sides) for sides in zip(scores.shape[1:], size, strict=True)
    )
    rows = max(1, STRIP // size[1])
    for start in range(0, size[0], rows):
        part = slice(start, start + rows)
        share = down[part, None]
        best: np.ndarray | None = None
        for number, table in enumerate(scores):
            strip = table[above[part]] * (1 - share) + table[below[part]] * share
            strip = strip[:, left] * (1 - across) + strip[:, right] * across
            if best is None:
                best = strip
            else:
                more = strip > best
                out[part][more] = number
                np.maximum(best, strip, out=best)
    return out


def _between(cells: int, places: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each of so many places along a side: the cell before it, the one after, and how near that is."""
    at = ((np.arange(places) + 0.5) * (cells / places) - 0.5).clip(0, cells - 1)
    before = at.astype(np.int64)
    return before, np.minimum(before + 1, cells - 1), (at - before).astype(np.float32)


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

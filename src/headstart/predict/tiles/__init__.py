"""Large images in tiles: parts as large as the images that a model has learnt from, joined to one answer.

An image is a whole number of units high and wide, a tile 4 x 4 of them, the next one 3 further on: neighbours
share a quarter of their sides, and all tiles are alike.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np

from headstart import modalities, tasks
from headstart.core.dataset import Item
from headstart.core.model import Model
from headstart.core.untrusted import Damaged, field
from headstart.core.words import count
from headstart.errors import BadOption
from headstart.tasks.base import Places

Scores = Callable[[np.ndarray], np.ndarray]
TILE, STEP = 4, 3
"""Units."""
LARGER = 2.0
"""How many times as long as what a model has learnt from an image is that is cut without being told to."""
BATCH = 8
"""Tiles that are computed at once."""


@dataclass(frozen=True)
class Tiling:
    """Which images are cut, and into what."""

    height: int
    width: int
    """Of a tile in pixels of the image, at most."""
    beyond: float = 1.0
    """An image is cut that is so many times as high or as wide."""

    @classmethod
    def of(cls, model: Model, side: int | None) -> Tiling | None:
        """Tiles of `side` pixels, the shorter side as the model reads images; None: as the images that it has
        learnt from, where it knows them, for images that are much larger; 0: none at all.

        Raises `BadOption` for a side that is none, and where answers are for an item as a whole.
        """
        if side is not None and not isinstance(tasks.for_task(model.task), Places):
            raise BadOption("tile", side, f"left out: a model for {model.task.kind} answers for a whole item")
        if side is None:
            try:
                height, width = field(model.evidence, "data.extent", list)
                return cls(int(height), int(width), LARGER) if min(height, width) > 0 else None
            except (Damaged, TypeError, ValueError):
                return None
        if side == 0:
            return None
        if side < LEAST:
            raise BadOption("tile", side, f"at least {LEAST} pixels, or 0 for none")
        reads = model.input.size or (side, side)
        height, width = (max(LEAST, round(side * one / max(reads))) for one in reads)
        return cls(height, width)

    def units(self, size: tuple[int, int]) -> tuple[int, int]:
        """How many units an image of that height and width has; (4, 4) is one tile: it is not cut."""
        sides = (self.height, self.width)
        if all(have <= self.beyond * one for have, one in zip(size, sides, strict=True)):
            return TILE, TILE
        high, wide = (
            TILE + STEP * math.ceil(max(0.0, have / one - 1) * TILE / STEP)
            for have, one in zip(size, sides, strict=True)
        )
        return high, wide


LEAST = 16
"""Pixels of a side of a tile."""


def number(units: tuple[int, int]) -> int:
    """Of tiles."""
    high, wide = ((length - TILE) // STEP + 1 for length in units)
    return high * wide


def answer(
    model: Model, scores: Scores, item: Item, tiling: Tiling
) -> tuple[np.ndarray, tuple[int, int], int]:
    """(scores of an image as of one tile, its height and width, the number of tiles), from what gives the
    scores of prepared batches. The image is held once, prepared tiles a few at a time. Raises as decoders
    do."""
    room: Any = modalities.get(model.input.modality)
    methods = tasks.for_task(model.task)
    assert isinstance(methods, Places)
    with room.held(item.read(), model.input.levels) as opened:
        size: tuple[int, int] = room.extent(opened)
        units = tiling.units(size)

        def parts() -> Iterator[tuple[tuple[int, int], np.ndarray]]:
            places = iter(
                (down, across)
                for down in range(0, units[0] - TILE + 1, STEP)
                for across in range(0, units[1] - TILE + 1, STEP)
            )
            while some := list(islice(places, BATCH)):
                cut = [room.part(opened, [place[0] / units[0], place[1] / units[1],
                                          (place[0] + TILE) / units[0], (place[1] + TILE) / units[1]])
                       for place in some]  # fmt: skip
                batch = room.collate([room.prepare(one, model.input) for one in cut])
                yield from zip(some, scores(batch), strict=True)

        return methods.joined(parts(), units), size, number(units)


def told(rows: Iterable[Any], tiling: Tiling, total: int) -> str:
    """In one sentence which of `total` items, by their predictions, were cut without being asked for; nothing
    where none was."""
    cut = [row for row in rows if row.tiles > 1]
    if not cut or tiling.beyond == 1:
        return ""
    are = "is" if len(cut) == 1 else "are"
    return (
        f"{len(cut):,} of {count(total, 'image')} {are} much larger than what the model has learnt from "
        f"({tiling.width} x {tiling.height}), and read in tiles of at most that size "
        f"({cut[0].id}: {cut[0].tiles:,}); --tile 0 reads them whole"
    )

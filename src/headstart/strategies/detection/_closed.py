"""A head for boxes in closed form, by which sources are compared: at every place of the largest map, ridge
regression of how near the middle of an object of each class is, and of the logarithms of the distances to its
sides.

It is fitted to the places around the middles and to some others of each image; what it says is read as that
of a trained head (`nets.boxes`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from headstart import tasks
from headstart.core.boxes import Boxes
from headstart.core.features import FeatureSpec, Tap
from headstart.core.strategy import Request
from headstart.strategies.dense import _ridge
from headstart.strategies.dense._sizes import extent
from headstart.strategies.dense._stored import Stored
from headstart.strategies.dense.probe import columns, turned

STEEP = 10.0
"""Log-odds of one in how near a middle is."""


@dataclass(frozen=True)
class Drawn:
    """Places of one image."""

    x: np.ndarray = field(repr=False)
    """float16 `[P, D]`"""
    middles: np.ndarray = field(repr=False)
    """float32 `[P, K]`"""
    weight: np.ndarray = field(repr=False)
    """float32 `[P]`: half for places near middles, half for all others."""
    sides: np.ndarray = field(repr=False)
    """float32 `[S, 4]`: logarithms of the distances to the sides, of the first S places, ..."""
    of_box: np.ndarray = field(repr=False)
    """float32 `[S]`: ... and how much each counts."""


@dataclass(frozen=True)
class Reader:
    """The stored maps of one source, and models of them (`core.strategy.Learnt`)."""

    request: Request
    maps: Stored
    aim: Callable[[Request, int, tuple[int, int]], Any]
    """(request, row, height and width of the largest map) -> what is to be said there (`_train.Aim`)."""
    turns: tuple[np.ndarray | None, ...] = field(repr=False)
    drawn: dict[int, Drawn] = field(default_factory=dict, repr=False)
    stand_in: ClassVar[str] = "a head in closed form"

    @classmethod
    def of(cls, request: Request, backbone: Any, taps: Sequence[Tap], aim: Callable[..., Any]) -> Reader:
        """`taps` are the maps that a head reads, the largest first."""
        maps = Stored.of(request, backbone, taps, FeatureSpec(taps=backbone.taps()))
        return cls(request, maps, aim, turned(maps.shapes, request.seed))

    def __call__(self, train: np.ndarray, test: np.ndarray) -> Iterator[Boxes]:
        middles, sides = self._fitted(self.request.view(train), train)
        for row in test.tolist():
            yield self._said(middles, sides, row)

    @property
    def taps(self) -> tuple[Tap, ...]:
        """What it reads."""
        return self.maps.taps

    def error(self) -> float:
        """Mean squared error of how near middles are, on images left out."""
        return self._fitted(self.request, self.request.split.development)[0].error

    def _fitted(self, request: Request, rows: np.ndarray) -> tuple[_ridge.Fitted, _ridge.Fitted]:
        """Of the middles, and of the sides."""
        for row in rows.tolist():
            if row not in self.drawn:
                self.drawn[row] = self._draw(request, row)
        own = [self.drawn[row] for row in rows.tolist()]
        middles = _ridge.solved(
            [one.x for one in own], [one.middles for one in own], [one.weight for one in own]
        )
        some = [one for one in own if len(one.sides)]
        if not some:
            return middles, _ridge.Fitted(np.zeros((4, middles.weight.shape[1])), np.zeros(4), 0.0)
        sides = _ridge.solved(
            [one.x[: len(one.sides)] for one in some],
            [one.sides for one in some],
            [one.of_box for one in some],
        )
        return middles, sides

    def _columns(self, row: int, cells: np.ndarray) -> np.ndarray:
        """float16 `[P, D]` of cells of the largest map."""
        _, height, width = self.maps.shapes[0]
        at = np.stack([(cells // width + 0.5) / height, (cells % width + 0.5) / width], axis=1)
        read = [one.astype(np.float32) for one in self.maps(row)]
        return columns(read, at.astype(np.float32), self.turns)

    def _draw(self, request: Request, row: int) -> Drawn:
        size = self.maps.shapes[0][1:]
        aim = self.aim(request, row, size)
        near, boxes, share = (one.numpy() for one in (aim.at, aim.box, aim.weight))
        rng = np.random.default_rng([request.seed, row])
        most = int(np.clip(_ridge.MOST_PLACES // max(1, len(request.split.development)), *_ridge.EACH)) // 2
        kept = np.sort(rng.permutation(len(near))[:most])
        others = np.setdiff1d(np.arange(size[0] * size[1]), near)
        cells = np.concatenate([near[kept], rng.permutation(others)[:most]])
        weight = np.full(len(cells), 0.5 / max(1, len(cells) - len(kept)), np.float32)
        weight[: len(kept)] = 0.5 / max(1, len(kept))
        x, y = cells[: len(kept)] % size[1] + 0.5, cells[: len(kept)] // size[1] + 0.5
        left, top, right, bottom = boxes[kept].T
        far = np.stack([x - left, y - top, right - x, bottom - y], axis=1)
        return Drawn(
            self._columns(row, cells),
            np.ascontiguousarray(aim.middles.flatten(1).numpy().T[cells]),
            weight * len(cells),
            np.log(np.maximum(far, 0.1)).astype(np.float32),
            share[kept],
        )

    def _said(self, middles: _ridge.Fitted, sides: _ridge.Fitted, row: int) -> Boxes:
        import torch

        from headstart.nets.boxes import decoded

        _, height, width = self.maps.shapes[0]
        x = self._columns(row, np.arange(height * width)).astype(np.float32)
        near, far = (
            torch.from_numpy((x @ one.weight.T + one.bias).T.reshape(1, -1, height, width).astype(np.float32))
            for one in (middles, sides)
        )
        methods: Any = tasks.for_task(self.request.task)
        rows = decoded(STEEP * (near - 0.5), far)[0].numpy()
        found: Boxes = methods.placed(rows, extent(self.request.dataset, row))
        return found

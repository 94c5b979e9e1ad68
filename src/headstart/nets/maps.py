"""A backbone, some of its maps, and a linear head at every place: scores for every pixel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from headstart.core.features import Tap
from headstart.nets import taps
from headstart.nets.base import Net, Recipe
from headstart.nets.taps import Taps


def added(maps: Sequence[Tensor], weight: Tensor, bias: Tensor) -> Tensor:
    """Maps `[B, C, h, w]`, a head `[K, sum of C]`, `[K]` -> scores `[B, K, h, w]` at the size of the largest
    map: each map's own part, scaled bilinearly (which a linear model lets pass), and added."""
    size = max((tuple(one.shape[2:]) for one in maps), key=lambda shape: shape[0] * shape[1])
    parts = weight.split([one.shape[1] for one in maps], dim=1)
    found = bias[None, :, None, None]
    for one, part in zip(maps, parts, strict=True):
        scores = torch.einsum("kc,bchw->bkhw", part, one)
        if tuple(one.shape[2:]) != size:
            scores = interpolate(scores, size, mode="bilinear", align_corners=False)
        found = found + scores
    return found


class Maps(Taps):
    """`scores = head(maps)` for every place."""

    @staticmethod
    def width(backbone: Any, tap: Tap) -> int:
        return next(stage.channels for stage in backbone.stages if stage.name == tap.stage)

    def maps(self, prepared: Tensor) -> list[Tensor]:
        """float32 `[B, C, h, w]` of each tap."""
        states = self.states(prepared)
        dense = (self._backbone.dense(states[self._cuts[tap.stage]], tap.stage).values for tap in self._taps)
        return [one.movedim(-1, 1).float() for one in dense]

    def raw(self, prepared: Tensor) -> Tensor:
        return added(self.maps(prepared), self.head.weight, self.head.bias)


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    check(recipe)
    return taps.build(recipe, Maps)


def check(recipe: Recipe) -> None:
    """Raises `NetError` for taps that are no maps."""
    if any(not str(text).endswith("/map") for text in recipe.field("taps", (list, tuple))):
        raise recipe.error("has taps that are no maps")

"""A backbone, some of its maps, and a linear head at every place: scores for every pixel."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import interpolate

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

    of_maps = True

    def raw(self, prepared: Tensor) -> Tensor:
        return added(self.maps(prepared), self.head.weight, self.head.bias)


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    return taps.build(recipe, Maps)

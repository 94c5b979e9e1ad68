"""A backbone, some of its maps, and a linear head at every place: scores for every pixel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from headstart import sources
from headstart.core.features import Tap
from headstart.core.task import Task
from headstart.errors import UnknownName
from headstart.nets.base import Net, Parts, Recipe


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


class Maps(Net):
    """`scores = head(maps)` for every place."""

    def __init__(self, task: Task, parts: Parts, backbone: Any, taps: Sequence[Tap]) -> None:
        super().__init__(task, parts)
        self.trunk = backbone.module
        self._backbone = backbone
        self._taps = tuple(taps)
        self._cuts = {stage.name: stage.cut for stage in backbone.stages}
        for tap in taps:
            if tap.stage not in self._cuts:
                raise UnknownName("stage", tap.stage, list(self._cuts))
        channels = {stage.name: stage.channels for stage in backbone.stages}
        self.head = parts.linear("head", sum(channels[tap.stage] for tap in taps), task.outputs)

    def raw(self, prepared: Tensor) -> Tensor:
        cuts = tuple(dict.fromkeys(self._cuts[tap.stage] for tap in self._taps))
        states = self._backbone.states(self._backbone.normalise(prepared), cuts)
        dense = (self._backbone.dense(states[self._cuts[tap.stage]], tap.stage).values for tap in self._taps)
        return added([one.movedim(-1, 1).float() for one in dense], self.head.weight, self.head.bias)


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    recipe.only("architecture", "taps")
    architecture = recipe.field("architecture", Mapping)
    try:
        taps = [Tap.parse(text) for text in recipe.field("taps", (list, tuple))]
    except (ValueError, AttributeError) as error:
        raise recipe.error(f"has taps that cannot be read: {recipe.net['taps']}") from error
    if not taps or any(tap.grid != "map" for tap in taps):
        raise recipe.error("has no maps")
    backbone = sources.from_state(architecture, recipe.input, recipe.parts.under("trunk"))
    return Maps(recipe.task, recipe.parts, backbone, taps)

"""A backbone, some of its taps, and a linear head: probes and fine-tuned models alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from headstart import sources
from headstart.core.features import MAP, Tap
from headstart.core.task import Task
from headstart.errors import UnknownName
from headstart.nets.base import Net, Parts, Recipe


class Taps(Net):
    """`logits = head(concatenation of pooled taps)`."""

    of_maps = False
    """Whether all taps are maps, or none."""

    def __init__(self, task: Task, parts: Parts, backbone: Any, taps: Sequence[Tap]) -> None:
        super().__init__(task, parts)
        self.trunk = backbone.module
        self._backbone = backbone
        self._taps = tuple(taps)
        self._cuts = {stage.name: stage.cut for stage in backbone.stages}
        for tap in taps:
            if tap.stage not in self._cuts:
                raise UnknownName("stage", tap.stage, list(self._cuts))
        self.head = self.head_of(parts, [self.width(backbone, tap) for tap in taps], task.outputs)

    def head_of(self, parts: Parts, widths: Sequence[int], outputs: int) -> Any:
        """What reads the taps, from the tensors under "head"."""
        return parts.linear("head", sum(widths), outputs)

    @staticmethod
    def width(backbone: Any, tap: Tap) -> int:
        """Columns that the head reads of a tap, of a map at every place."""
        if tap.grid == MAP:
            return next(stage.channels for stage in backbone.stages if stage.name == tap.stage)
        found: int = backbone.width(tap)
        return found

    def maps(self, prepared: Tensor) -> list[Tensor]:
        """float32 `[B, C, h, w]` of each tap that is a map."""
        states = self.states(prepared)
        dense = (self._backbone.dense(states[self._cuts[tap.stage]], tap.stage).values for tap in self._taps)
        return [one.movedim(-1, 1).float() for one in dense]

    def states(self, prepared: Tensor) -> Mapping[str, Tensor]:
        """What the trunk gives at the cut of each tap."""
        cuts = tuple(dict.fromkeys(self._cuts[tap.stage] for tap in self._taps))
        found: Mapping[str, Tensor] = self._backbone.states(self._backbone.normalise(prepared), cuts)
        return found

    def raw(self, prepared: Tensor) -> Tensor:
        states = self.states(prepared)
        pooled = [self._backbone.pool(states[self._cuts[tap.stage]], tap).float() for tap in self._taps]
        z: Tensor = self.head(torch.cat(pooled, 1))  # [B, D] -> [B, K]
        return z


def build(recipe: Recipe, kind: type[Taps] = Taps) -> Net:
    """See `headstart.nets`; `kind` is what reads the taps."""
    recipe.only("architecture", "taps")
    architecture = recipe.field("architecture", Mapping)
    try:
        taps = [Tap.parse(text) for text in recipe.field("taps", (list, tuple))]
    except (ValueError, AttributeError) as error:
        raise recipe.error(f"has taps that cannot be read: {recipe.net['taps']}") from error
    if not taps:
        raise recipe.error("has no taps")
    if any((tap.grid == MAP) != kind.of_maps for tap in taps):
        raise recipe.error(f"has taps that are {'no ' if kind.of_maps else ''}maps")
    backbone = sources.from_state(architecture, recipe.input, recipe.parts.under("trunk"))
    return kind(recipe.task, recipe.parts, backbone, taps)

"""A backbone whose states of single tokens choose what part of a text is said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from torch import Tensor

from headstart import sources
from headstart.core.task import Task
from headstart.errors import UnknownName
from headstart.measure.texts.chosen.parts import WAYS
from headstart.modalities.text.preprocessing import text_input
from headstart.modalities.text.sides import sides
from headstart.nets.base import Block, Net, Parts, Recipe


class Extract(Net):
    """The states of all tokens; what is said follows from them and from the text."""

    def __init__(self, task: Task, parts: Parts, backbone: Any, stage: str, part: str) -> None:
        super().__init__(task, parts)
        self._backbone, self._way = backbone, WAYS[part]
        self.trunk = backbone.module
        known = {one.name: one.cut for one in backbone.stages}
        if stage not in known:
            raise UnknownName("stage", stage, list(known))
        self._cut = known[stage]
        found = {name: parts.take(f"head.{name}", shape) for name, shape in self._way.SHAPES.items()}
        self.head = Block(**found)
        self._learnt = self._way(**{name: tensor.double().numpy() for name, tensor in found.items()})

    def raw(self, prepared: Tensor) -> Tensor:
        found: Tensor = self._backbone.states(self._backbone.normalise(prepared), (self._cut,))[self._cut]
        return found

    def forward(self, prepared: Tensor) -> Tensor:
        """A prepared batch -> states float32 `[B, T, D + 1]`, of two texts apart `[B, 2, T, D + 1]`."""
        return self.raw(prepared).float()

    def text(self, row: np.ndarray, texts: Sequence[str] = ()) -> str:
        """What is said of an item with these texts, by a row of `forward`."""
        found = self._way.prepared(texts, sides(texts, row, text_input(self._backbone.source)))
        said: str = self._learnt.chosen(*found)
        return said


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    recipe.only("architecture", "stage", "part")
    part = recipe.field("part", str)
    if part not in WAYS:
        raise recipe.error(f"says a part of a text that this version does not know: {part}")
    if recipe.input.signature().dtype != "int32":
        raise recipe.error("reads texts, but its inputs are others")
    architecture = recipe.field("architecture", Mapping)
    backbone = sources.from_state(architecture, recipe.input, recipe.parts.under("trunk"))
    return Extract(recipe.task, recipe.parts, backbone, recipe.field("stage", str), part)

"""What Backbones of networks that are one list of layers have in common."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core.backbone import Stage
from headstart.core.features import Tap
from headstart.core.source import Source
from headstart.errors import UnknownName
from headstart.sources.cuts.segments import evaluating
from headstart.sources.layers.network import SequenceNetwork
from headstart.sources.layers.parts import Part, Trunk

MOST_STAGES = 13
"""Of deeper networks evenly chosen layers are stages: what comes first, and the twelve of a base model."""


class LayeredBackbone(SequenceNetwork, ABC):
    """A `headstart.core.backbone.Backbone`, but for how its states become vectors.

    `trunk` and `states` evaluate: eval mode, whatever mode the layers are in. `full` and `tail` follow the
    mode of their layers, so that a tail can be trained.
    """

    FIRST = "embeddings"
    """Name of what comes before the first layer."""

    def __init__(
        self,
        network: nn.Module,
        source: Source,
        plan: Any,
        *,
        rebuild: Callable[[], nn.Module],
        digest: str | None = None,
    ) -> None:
        self.source = source
        self._network, self._plan, self._rebuild = network, plan, rebuild
        pieces = (self.FIRST, *(f"layer.{number + 1}" for number in range(plan.count)))
        self.cuts: tuple[str, ...] = ("input", *pieces)
        self.stages: tuple[Stage, ...] = tuple(
            Stage(name, name, self._channels(number), 1) for number, name in _chosen(pieces)
        )
        self.embedding = Tap(pieces[-1], getattr(source.input, "pooling"))  # noqa: B009 - of sequences only
        self.module: Any = Part(network, plan, 0, len(pieces))
        self.classifier: Any | None = None
        if digest is not None:
            self.digest = digest

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source.spec or self.source.name}, {len(self.cuts)} cuts)"

    def _channels(self, piece: int) -> int:
        """Width of the state behind a piece."""
        del piece
        return int(self._plan.width)

    def trunk(self, cut: str) -> Trunk:
        """Module: normalised batch -> state at `cut`. Always in eval mode, without gradients."""
        return Trunk(self._network, self._plan, 0, self.place(cut))

    def tail(self, cut: str) -> Part:
        """Module: state at `cut` -> embedding state. Its layers are those of `module`."""
        _ = self.digest  # what follows may train the weights
        return Part(self._network, self._plan, self.place(cut), len(self.cuts) - 1)

    def states(self, x: Tensor, cuts: tuple[str, ...]) -> dict[str, Tensor]:
        """The states at several cuts from one forward pass in eval mode, no further than needed."""
        wanted = tuple(dict.fromkeys(cuts))
        deep = tuple(cut for cut in wanted if self.place(cut))
        found = {"input": x}
        if deep:
            numbers = tuple(self.place(cut) for cut in deep)
            with evaluating(self._network):
                states = self._plan.states(self._network, x, 0, numbers)
            found |= dict(zip(deep, states, strict=True))
        return {cut: found[cut] for cut in wanted}

    def fresh(self, seed: int) -> Self:
        """The same architecture with new random weights; the global generators are left alone."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # that of the CPU only
            network = self._rebuild()
        source = replace(self.source, sha256=None, prior=None, labels=None)
        return self._around(network, source)

    @abstractmethod
    def _around(self, network: nn.Module, source: Source) -> Self:
        """A backbone of another network of the same architecture."""

    def copy(self) -> Self:
        """An independent copy of weights and all, to be trained. It keeps the digest it came from."""
        network = copy.deepcopy(self._network)
        return type(self)(network, self.source, self._plan, rebuild=self._rebuild, digest=self.digest)

    def _stage(self, tap: Tap) -> int:
        """Number of the piece that a tap reads. Raises `UnknownName`."""
        if tap.stage not in self.cuts[1:]:
            raise UnknownName("stage", tap.stage, [stage.name for stage in self.stages])
        return self.cuts.index(tap.stage) - 1


def _chosen(pieces: tuple[str, ...]) -> list[tuple[int, str]]:
    every = list(enumerate(pieces))
    if len(pieces) <= MOST_STAGES:
        return every
    places = np.linspace(0, len(pieces) - 1, MOST_STAGES).round().astype(int)
    return [every[place] for place in places]

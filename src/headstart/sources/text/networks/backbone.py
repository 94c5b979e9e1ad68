"""The Backbone of every text encoder that `transformers` has."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core.backbone import Stage
from headstart.core.features import Tap
from headstart.core.source import Source
from headstart.errors import UnknownName
from headstart.modalities.text.preprocessing import text_input
from headstart.sources.cuts.segments import evaluating
from headstart.sources.text.networks import named, parts, pooling
from headstart.sources.text.networks.network import TextNetwork
from headstart.sources.text.networks.parts import Part, Plan, Trunk

MOST_STAGES = 13
"""Of deeper networks evenly chosen layers are stages: embeddings and the twelve layers of a base model."""
EXAMPLE = 32
"""Tokens of an example."""
CAUSAL = "last"


class TextBackbone(TextNetwork):
    """A `headstart.core.backbone.Backbone` around an encoder of `transformers`.

    `trunk` and `states` evaluate: eval mode, whatever mode the layers are in. `full` and `tail` follow the
    mode of their layers, so that a tail can be trained.
    """

    def __init__(
        self,
        network: nn.Module,
        source: Source,
        plan: Plan,
        *,
        rebuild: Callable[[], nn.Module],
        digest: str | None = None,
    ) -> None:
        self.source, self.contract = source, text_input(source)
        self._network, self._plan, self._rebuild = network, plan, rebuild
        pieces = ("embeddings", *(f"layer.{number + 1}" for number in range(plan.count)))
        self.cuts: tuple[str, ...] = ("input", *pieces)
        self.stages: tuple[Stage, ...] = tuple(Stage(name, name, plan.width, 1) for name in _chosen(pieces))
        self.embedding = Tap(pieces[-1], self.contract.pooling)
        self.module: Any = Part(network, plan, 0, len(pieces))
        self.words: Any = network.get_input_embeddings()  # type: ignore[operator]
        """The table of its tokens, part of `module`."""
        self.classifier: Any | None = None
        if digest is not None:
            self.digest = digest

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source.spec or self.source.name}, {len(self.cuts)} cuts)"

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
                states = parts.states(self._network, self._plan, x, 0, numbers)
            found |= dict(zip(deep, states, strict=True))
        return {cut: found[cut] for cut in wanted}

    def pool(self, state: Tensor, tap: Tap) -> Tensor:
        """State -> float32 `[B, width(tap)]`."""
        if tap.stage not in self.cuts[1:]:
            raise UnknownName("stage", tap.stage, [stage.name for stage in self.stages])
        sides = state.unbind(1) if self.contract.apart else (state,)
        vectors = [pooling.pooled(side, str(tap.grid), str(tap)) for side in sides]
        if self.contract.normalize and tap == self.embedding:
            vectors = [pooling.unit(vector) for vector in vectors]
        return vectors[0] if len(vectors) == 1 else pooling.compared(*vectors)

    def taps(self) -> tuple[Tap, ...]:
        """First token, mean and maximum of every stage; where tokens see only those before, the last one.

        The first token's embedding says nothing of the text, so it is left out.
        """
        words = (CAUSAL if self.contract.pooling == CAUSAL else "cls", "mean", "max")
        found = [Tap(stage.name, word) for stage in self.stages for word in words]
        if self.embedding not in found:
            found.append(self.embedding)
        return tuple(tap for tap in found if (tap.stage, tap.grid) != ("embeddings", "cls"))

    def example(self, batch: int) -> np.ndarray:
        """int32 `[batch, channels, 32]`: tokens that fill up, none of them masked."""
        found = np.zeros((batch, self.contract.channels, min(EXAMPLE, self.contract.max_length)), np.int32)
        found[:, 0::3], found[:, 1::3] = self.contract.pad, 1
        return found

    def fresh(self, seed: int) -> TextBackbone:
        """The same architecture with new random weights; the global generators are left alone."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # that of the CPU only
            network = self._rebuild()
        source = replace(self.source, sha256=None, prior=None, labels=None)
        return wrap(network, source, rebuild=self._rebuild)

    def copy(self) -> TextBackbone:
        """An independent copy of weights and all, to be trained. It keeps the digest it came from."""
        network = copy.deepcopy(self._network)
        return TextBackbone(network, self.source, self._plan, rebuild=self._rebuild, digest=self.digest)

    def apart(self) -> TextBackbone:
        """The same network, which reads the two texts of a pair apart. Nothing is copied."""
        source = named.apart(self.source)
        return TextBackbone(self._network, source, self._plan, rebuild=self._rebuild, digest=self.digest)


def wrap(network: nn.Module, source: Source, *, rebuild: Callable[[], nn.Module]) -> TextBackbone:
    """A backbone around a network without gates. Raises `SourceError` for one that cannot be cut."""
    types, pad = parts.takes_types(network), text_input(source).pad
    plan = parts.make_plan(network, types=types, pad=pad, spec=source.spec or source.name)
    return TextBackbone(network, source, plan, rebuild=rebuild)


def _chosen(pieces: tuple[str, ...]) -> tuple[str, ...]:
    if len(pieces) <= MOST_STAGES:
        return pieces
    places = np.linspace(0, len(pieces) - 1, MOST_STAGES).round().astype(int)
    return tuple(pieces[place] for place in places)

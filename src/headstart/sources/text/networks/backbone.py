"""The Backbone of every text encoder that `transformers` has."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
from torch import nn

from headstart.core.features import Tap
from headstart.core.source import Source
from headstart.modalities.text.preprocessing import text_input
from headstart.sources.layers.backbone import LayeredBackbone
from headstart.sources.text.networks import named, parts
from headstart.sources.text.networks.network import TextNetwork

EXAMPLE = 32
"""Tokens of an example."""
CAUSAL = "last"


class TextBackbone(TextNetwork, LayeredBackbone):
    """A `headstart.core.backbone.Backbone` around an encoder of `transformers`."""

    @cached_property
    def words(self) -> Any:
        """The table of its tokens, part of `module`."""
        return self._network.get_input_embeddings()  # type: ignore[operator]

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

    def _around(self, network: nn.Module, source: Source) -> TextBackbone:
        return wrap(network, source, rebuild=self._rebuild)

    def apart(self) -> TextBackbone:
        """The same network, which reads the two texts of a pair apart. Nothing is copied."""
        source = named.apart(self.source)
        return TextBackbone(self._network, source, self._plan, rebuild=self._rebuild, digest=self.digest)


def wrap(network: nn.Module, source: Source, *, rebuild: Callable[[], nn.Module]) -> TextBackbone:
    """A backbone around a network without gates. Raises `SourceError` for one that cannot be cut."""
    types, pad = parts.takes_types(network), text_input(source).pad
    plan = parts.make_plan(network, types=types, pad=pad, spec=source.spec or source.name)
    return TextBackbone(network, source, plan, rebuild=rebuild)

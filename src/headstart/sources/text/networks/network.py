"""What the backbones of texts have in common."""

from __future__ import annotations

from functools import cached_property

from torch import Tensor

from headstart.core.features import Tap
from headstart.modalities.text.preprocessing import TextPreprocessing, text_input
from headstart.sources.layers import pooling
from headstart.sources.layers.network import SequenceNetwork


class TextNetwork(SequenceNetwork):
    """Tokens in, a vector for each text, or pair of texts, out."""

    @cached_property
    def contract(self) -> TextPreprocessing:
        """How its texts are prepared."""
        return text_input(self.source)

    def pool(self, state: Tensor, tap: Tap) -> Tensor:
        """State -> float32 `[B, width(tap)]`."""
        steps = self.dense(state, tap.stage)
        sides = pooling.sides(steps) if self.contract.apart else [steps]
        vectors = [pooling.pooled(side, str(tap.grid), str(tap)) for side in sides]
        if self.contract.normalize and tap == self.embedding:
            vectors = [pooling.unit(vector) for vector in vectors]
        return vectors[0] if len(vectors) == 1 else pooling.compared(*vectors)

    def width(self, tap: Tap) -> int:
        """Numbers that a tap gives of an item: all are as wide as the network."""
        del tap
        return self.stages[-1].channels * (3 if self.contract.apart else 1)

    def normalise(self, prepared: Tensor) -> Tensor:
        """int32 `[B, channels, T]` -> the same numbers as int64."""
        return prepared.long()

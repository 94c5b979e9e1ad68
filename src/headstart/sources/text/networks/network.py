"""What the backbones of texts have in common."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from torch import Tensor

from headstart.core.backbone import Stage
from headstart.core.features import Tap
from headstart.core.source import Source
from headstart.errors import UnknownName
from headstart.modalities.text.preprocessing import TextPreprocessing
from headstart.sources.cuts.traced import digest_of


class TextNetwork:
    """Tokens in, a vector for each text, or pair of texts, out."""

    source: Source
    contract: TextPreprocessing
    module: Any
    cuts: tuple[str, ...]
    stages: tuple[Stage, ...]

    @cached_property
    def digest(self) -> str:
        """Of architecture and weights as loaded: fixed before anything can be trained."""
        return digest_of(self.source, dict(self.module.state_dict()))

    def full(self, x: Tensor) -> Tensor:
        """The embedding state of a normalised batch."""
        embedding: Tensor = self.module(x)
        return embedding

    def place(self, cut: str) -> int:
        """The number of a cut. Raises `UnknownName`."""
        if cut not in self.cuts:
            raise UnknownName("cut", cut, self.cuts)
        return self.cuts.index(cut)

    def width(self, tap: Tap) -> int:
        """Numbers that a tap gives of an item: all are as wide as the network."""
        del tap
        return self.stages[-1].channels * (3 if self.contract.apart else 1)

    def normalise(self, prepared: Tensor) -> Tensor:
        """int32 `[B, channels, T]` -> the same numbers as int64."""
        return prepared.long()

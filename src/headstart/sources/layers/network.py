"""What the backbones of sequences have in common."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from torch import Tensor

from headstart.core.backbone import Dense, Stage
from headstart.core.features import Tap
from headstart.core.masked import split
from headstart.core.source import Source
from headstart.errors import UnknownName
from headstart.sources.cuts.traced import digest_of


class SequenceNetwork:
    """A network whose states have a mask as last channel."""

    source: Source
    module: Any
    cuts: tuple[str, ...]
    stages: tuple[Stage, ...]
    embedding: Tap

    @cached_property
    def digest(self) -> str:
        """Of architecture and weights as loaded: fixed before anything can be trained."""
        return digest_of(self.source, dict(self.module.state_dict()))

    def full(self, x: Tensor) -> Tensor:
        """The embedding state of a normalised batch."""
        embedding: Tensor = self.module(x)
        return embedding

    def dense(self, state: Tensor, stage: str) -> Dense:
        """State at a stage -> its steps. Raises `UnknownName`."""
        known = [one.name for one in self.stages]
        if stage not in known:
            raise UnknownName("stage", stage, known)
        values, mask = split(state)
        return Dense(values, mask[..., 0] > 0)

    def place(self, cut: str) -> int:
        """The number of a cut. Raises `UnknownName`."""
        if cut not in self.cuts:
            raise UnknownName("cut", cut, self.cuts)
        return self.cuts.index(cut)

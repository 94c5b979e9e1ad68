"""MCC: the classes that the target's predictions mix up are pulled apart."""

from __future__ import annotations

from torch import Tensor, nn

from headstart.strategies.adapt.deep._base import Deep
from headstart.strategies.adapt.deep._training import Seen, Way
from headstart.train.losses.mcc import mcc


class _Way(Way):
    def forward(self, seen: Seen) -> Tensor:
        return seen.weight * mcc(seen.z)


class Mcc(Deep):
    """See `train.losses.mcc`."""

    name = "mcc"

    def way(self, width: int, outputs: int, items: int, head: nn.Linear) -> Way:  # noqa: ARG002
        return _Way()

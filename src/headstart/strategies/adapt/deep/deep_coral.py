"""DeepCORAL: the layers are trained so that both domains have one covariance."""

from __future__ import annotations

from torch import Tensor, nn

from headstart.strategies.adapt.deep._base import Deep
from headstart.strategies.adapt.deep._training import Seen, Way
from headstart.train.losses.coral import coral

WEIGHT = 10.0
"""Of the distance of the logits' covariances, the layer that the paper aligns. Logits are in units of their
spread in the source: their scale is the head's, and as its fourth power it would decide what the distance
counts."""


class _Way(Way):
    def forward(self, seen: Seen) -> Tensor:
        unit = seen.source_z.detach().std().clamp_min(1e-6)
        return WEIGHT * seen.weight * coral(seen.source_z / unit, seen.z / unit)


class DeepCoral(Deep):
    """See `train.losses.coral`."""

    name = "deep-coral"

    def way(self, width: int, outputs: int, items: int, head: nn.Linear) -> Way:  # noqa: ARG002
        return _Way()

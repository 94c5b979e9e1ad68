"""Features and predictions together, for an adversary (Long et al., "Conditional Adversarial Domain
Adaptation", NeurIPS 2018)."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

MOST = 4_096
"""Products of a feature and a probability up to which all of them are taken."""
RANDOM = 1_024
"""Random products otherwise."""


class Multilinear(nn.Module):
    """Features `[B, D]`, probabilities `[B, K]` -> their outer product `[B, D K]`; where that has more than
    `MOST` columns, `RANDOM` products of random projections of both, over the root of their number."""

    features: Tensor | None
    classes: Tensor

    def __init__(self, width: int, outputs: int) -> None:
        super().__init__()
        random = width * outputs > MOST
        self.width = RANDOM if random else width * outputs
        self.register_buffer("features", torch.randn(width, RANDOM) if random else None)
        self.register_buffer("classes", torch.randn(outputs, RANDOM) if random else None)

    def forward(self, features: Tensor, p: Tensor) -> Tensor:
        if self.features is None:
            return (features[:, :, None] * p[:, None, :]).flatten(1)
        return (features @ self.features) * (p @ self.classes) / math.sqrt(RANDOM)

"""MCD: two heads that differ on the target as much as the source allows, and layers that leave them no room
to.

The paper's three steps (heads apart, then the layers four times together) are one here: the gradient of the
discrepancy is reversed on its way to the layers, and counts four times there.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.strategies.adapt.deep._base import Deep
from headstart.strategies.adapt.deep._training import Seen, Way
from headstart.train.losses.adversarial import reverse
from headstart.train.losses.discrepancy import discrepancy

TOGETHER = 4.0
"""What a step of the layers counts against one of the heads."""


class _Way(Way):
    def __init__(self, head: nn.Linear) -> None:
        super().__init__()
        self.other = nn.Linear(head.in_features, head.out_features)
        with torch.no_grad():
            # near the first head, but another: of two equal ones no gradient would tell the difference
            noise = 0.5 * head.weight.std() * torch.randn_like(head.weight)
            self.other.weight.copy_(head.weight + noise)
            self.other.bias.copy_(head.bias)

    def forward(self, seen: Seen) -> Tensor:
        x = reverse(seen.features, TOGETHER)
        apart = discrepancy(seen.head(x), self.other(x))
        return functional.cross_entropy(self.other(seen.source), seen.y) - seen.weight * apart

    def head(self, head: nn.Linear) -> tuple[Tensor, Tensor]:
        """Both, averaged: logits are linear in it."""
        return (head.weight + self.other.weight) / 2, (head.bias + self.other.bias) / 2


class Mcd(Deep):
    """See `train.losses.discrepancy`."""

    name = "mcd"

    def way(self, width: int, outputs: int, items: int, head: nn.Linear) -> Way:  # noqa: ARG002
        return _Way(head)

"""Entropy of predictions, by which adversaries and confusion are weighted."""

from __future__ import annotations

import torch
from torch import Tensor


def entropy(p: Tensor) -> Tensor:
    """Nats `[B]` of probabilities `[B, K]`; never an infinite gradient."""
    return -(p * torch.log(p.clamp_min(1e-8))).sum(1)


def certainty(p: Tensor) -> Tensor:
    """`1 + exp(-entropy)` `[B]`, from which no gradient flows."""
    return 1 + torch.exp(-entropy(p.detach()))

"""Minimum class confusion (Jin et al., "Minimum Class Confusion for Versatile Domain Adaptation", ECCV
2020)."""

from __future__ import annotations

import torch
from torch import Tensor

from headstart.train.losses.entropy import certainty

TEMPERATURE = 2.5


def confusion(z: Tensor, *, temperature: float = TEMPERATURE) -> Tensor:
    """float `[K, K]`, rows adding up to 1: how the probability of a class goes together with that of others,
    over logits `[B, K]`. Items that the model is sure of count more."""
    p = (z / temperature).softmax(1)
    heft = certainty(p)  # [B]
    table = p.T @ ((len(p) * heft / heft.sum())[:, None] * p)
    return table / table.sum(1, keepdim=True)


def mcc(z: Tensor, *, temperature: float = TEMPERATURE) -> Tensor:
    """Scalar: what of `confusion` is off the diagonal, for each class."""
    table = confusion(z, temperature=temperature)
    return (table.sum() - torch.trace(table)) / len(table)

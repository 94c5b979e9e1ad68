"""Two domains that a discriminator cannot tell apart (Ganin et al., "Domain-Adversarial Training of Neural
Networks", JMLR 2016)."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional


class _Reversed(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor, weight: float) -> Tensor:
        context.weight = weight
        return x.view_as(x)

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -context.weight * gradients[0], None


def reverse(x: Tensor, weight: float) -> Tensor:
    """`x` itself, through which the gradient comes back times `-weight`: what stands before it is trained to
    make worse what stands behind it."""
    found: Tensor = _Reversed.apply(x, weight)
    return found


def domain_loss(source: Tensor, target: Tensor, hefts: tuple[Tensor, Tensor] | None = None) -> Tensor:
    """Scalar: cross-entropy of the discriminator's logits `[n]`, `[m]`, the source being 1; mean of the two
    domains. `hefts` `[n]`, `[m]`: how much each item counts in its domain."""
    each = functional.softplus(-source), functional.softplus(target)
    if hefts is None:
        return (each[0].mean() + each[1].mean()) / 2
    sides = [(loss * heft).sum() / heft.sum() for loss, heft in zip(each, hefts, strict=True)]
    return (sides[0] + sides[1]) / 2

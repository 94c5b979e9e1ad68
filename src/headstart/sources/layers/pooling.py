"""From the states of a sequence to one feature vector of it."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.core.backbone import Dense
from headstart.errors import BadOption

LOWEST = -1e4
"""Stands for "not there" when the maximum is taken; half precision still holds it."""


BOTH = "mean-max"
"""Mean and maximum side by side."""


def pooled(steps: Dense, pooling: str, name: str) -> Tensor:
    """Steps `[B, T, D]` -> float32 `[B, D]`; zeros where every step is masked.

    `pooling` is "mean", "max", "mean-max" (`[B, 2 D]`), "cls" (the first) or "last". Raises `BadOption` for
    another word.
    """
    hidden, mask = steps.values.float(), steps.mask[..., None].float()
    if pooling == "mean":
        return (hidden * mask).sum(1) / mask.sum(1).clamp(min=1)
    if pooling == BOTH:
        return torch.cat([pooled(steps, "mean", name), pooled(steps, "max", name)], 1)
    if pooling == "max":
        return hidden.masked_fill(mask == 0, LOWEST).amax(1) * mask.amax(1)
    if pooling == "cls":
        return hidden[:, 0] * mask.amax(1)
    if pooling == "last":
        last = (mask.sum(1, keepdim=True).long() - 1).clamp(min=0)  # [B, 1, 1]
        return hidden.gather(1, last.expand(-1, 1, hidden.shape[-1]))[:, 0] * mask.amax(1)
    raise BadOption(f"the pooling of tap {name}", pooling, "cls, mean, max, mean-max or last")


def sides(steps: Dense) -> list[Dense]:
    """Steps of two texts apart `[B, 2, T, D]`: those of each."""
    return [Dense(*side) for side in zip(steps.values.unbind(1), steps.mask.unbind(1), strict=True)]


def compared(one: Tensor, two: Tensor) -> Tensor:
    """Two vectors `[B, D]` of a pair -> `[B, 3 D]`: difference, its size, product.

    After Conneau et al., EMNLP 2017, who also give the two vectors themselves.
    """
    return torch.cat([one - two, (one - two).abs(), one * two], 1)


def unit(vectors: Tensor) -> Tensor:
    """Scaled to length 1; what is zero stays zero."""
    return F.normalize(vectors, dim=1)

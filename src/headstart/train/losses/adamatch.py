"""Self-training on views (Berthelot et al., "AdaMatch: A Unified Approach to Semi-Supervised Learning and
Domain Adaptation", ICLR 2022), without its random interpolation of logits."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

THRESHOLD = 0.9
"""Confidence from which a target item counts, as a share of the source's mean confidence."""


def aligned(target: Tensor, source: Tensor) -> Tensor:
    """Probabilities `[m, K]` of the target, their classes made as frequent as those of the source's `[n,
    K]`."""
    moved = target * (source.mean(0) / target.mean(0).clamp_min(1e-8))
    return moved / moved.sum(1, keepdim=True).clamp_min(1e-8)


def adamatch(weak: Tensor, strong: Tensor, source: Tensor, *, threshold: float = THRESHOLD) -> Tensor:
    """Scalar: cross-entropy of the logits `[m, K]` of strong views against the labels of weak ones, aligned
    with the logits `[n, K]` of the source, where these are sure enough; over all items. No gradient flows
    through the labels."""
    with torch.no_grad():
        known = source.softmax(1)
        p = aligned(weak.softmax(1), known)
        sure, labels = p.max(1)
        kept = sure >= threshold * known.max(1).values.mean()
    return (functional.cross_entropy(strong, labels, reduction="none") * kept).mean()

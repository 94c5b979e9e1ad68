"""How much two heads differ (Saito et al., "Maximum Classifier Discrepancy for Unsupervised Domain
Adaptation", CVPR 2018)."""

from __future__ import annotations

from torch import Tensor


def discrepancy(z: Tensor, other: Tensor) -> Tensor:
    """Scalar: mean over items and classes of the difference of the probabilities, from logits `[B, K]`."""
    return (z.softmax(1) - other.softmax(1)).abs().mean()

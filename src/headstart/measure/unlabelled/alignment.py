"""What AdaMatch makes of a model's answers on items without a label.

Berthelot et al., "AdaMatch: A unified approach to semi-supervised learning and domain adaptation", ICLR 2022.
"""

from __future__ import annotations

import numpy as np

SURE = 0.9
"""A label is believed from this share of the mean confidence on labelled items."""


def aligned(p: np.ndarray, mean: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """float64 `[N, K]`: probabilities whose classes are `mean` `[K]` on average, brought towards `wanted`
    `[K]`."""
    turned = p * (wanted / np.maximum(mean, 1e-6))
    return np.asarray(turned / np.maximum(turned.sum(axis=1, keepdims=True), 1e-300))


def believed(p: np.ndarray, labelled: np.ndarray, weights: np.ndarray | None = None) -> np.ndarray:
    """bool `[N]`: which of `p` `[N, K]` are at least `SURE` of the confidence on `labelled` `[n, K]`, whose
    mean is by `weights` `[n]`."""
    return np.asarray(p.max(axis=1) >= SURE * np.average(labelled.max(axis=1), weights=weights))


def warm_up(done: float) -> float:
    """0 to 1: how much items without a label count when this share (0 to 1) of the steps is done."""
    return float(0.5 - np.cos(min(np.pi, 2 * np.pi * done)) / 2)

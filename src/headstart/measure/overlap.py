"""Overlap of two maps of classes: what is counted of each item, and the measures that follow from the sums.

Counts are float64 `[..., 3, K]`: places of each class that are right, that are of it, that are said to be it.
"""

from __future__ import annotations

import numpy as np


def counts(truth: np.ndarray, said: np.ndarray, classes: int) -> np.ndarray:
    """float64 `[3, K]` of uint8 maps of one shape; places whose true number is no class do not count."""
    use = truth < classes
    true, guess = truth[use], said[use]
    right = np.bincount(true[true == guess], minlength=classes)
    sizes = (np.bincount(one[one < classes], minlength=classes) for one in (true, guess))
    return np.stack([right, *sizes]).astype(np.float64)


def ious(counted: np.ndarray) -> np.ndarray:
    """float64 `[..., K]`: intersection over union (Jaccard); NaN for a class that is neither there nor
    said."""
    right, true, said = (counted[..., part, :] for part in range(3))
    return _ratio(right, true + said - right)


def dices(counted: np.ndarray) -> np.ndarray:
    """float64 `[..., K]`: twice the intersection over the sum of the sizes (F1 of places)."""
    right, true, said = (counted[..., part, :] for part in range(3))
    return _ratio(2 * right, true + said)


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)

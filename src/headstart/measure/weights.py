"""How often each row counts, as a user gives it."""

from __future__ import annotations

from typing import Any

import numpy as np


def weights_of(sample_weight: Any, items: int) -> np.ndarray | None:
    """float64 `[N]`; a single number counts for all. Raises `ValueError` for what cannot be a weight."""
    if sample_weight is None:
        return None
    weights = np.asarray(sample_weight, np.float64)
    weights = np.full(items, weights) if weights.ndim == 0 else weights
    if weights.shape != (items,):
        raise ValueError(f"sample_weight has the shape {weights.shape}, but there are {items} items")
    if not (np.isfinite(weights) & (weights >= 0)).all():
        raise ValueError("sample_weight holds values that are negative, NaN or infinite")
    if not weights.any():
        raise ValueError("sample_weight is 0 for every item: there is nothing to learn from")
    return weights

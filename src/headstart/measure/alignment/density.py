"""Weights that make the source look like the target: the odds of a classifier that tells the two apart.

Sugiyama, Suzuki and Kanamori, "Density Ratio Estimation in Machine Learning", 2012, ch. 4; Bickel,
Brueckner and Scheffer, "Discriminative Learning Under Covariate Shift", JMLR 2009.
"""

from __future__ import annotations

import numpy as np

MOST = 99.0
"""Percentile at which weights are clipped: a few rows must not decide alone."""
LEAST_SHARE = 0.05
"""Effective rows, as a share of all, below which the weights are of no use."""


def density_weights(log_odds: np.ndarray) -> np.ndarray:
    """float64 `[n]`, 1 on average: the odds that a source row is one of the target, clipped; from held-out
    log-odds `[n]` of a classifier to which both domains count alike."""
    odds = np.exp(np.clip(log_odds, -30.0, 30.0))
    odds = np.minimum(odds, np.percentile(odds, MOST))
    return np.asarray(odds / max(float(odds.mean()), 1e-12))


def effective(weights: np.ndarray) -> float:
    """Kish's effective number of rows: `(sum w)^2 / sum w^2`."""
    return float(weights.sum() ** 2 / max(float((weights**2).sum()), 1e-300))

"""Whether items form clusters at all: those of a target that has classes do, a cloud of noise does not.

In the manner of SigClust (Liu, Hayes, Nobel and Marron, "Statistical Significance of Clustering for
High-Dimension, Low-Sample Size Data", JASA 2008): how well K centres fit, against Gaussian noise of the same
mean and covariance. Here of the rows' directions alone, which are the same for every elliptical cloud,
however heavy its tails.
"""

from __future__ import annotations

import numpy as np

ROWS = 1_000
"""Looked at, at most."""
WIDTH, EACH = 32, 10
"""Principal components at most, and rows a component: of more the noise would have another covariance."""
DRAWS = 50
"""Of noise."""
STARTS, ROUNDS = 3, 12
"""Of the centres."""


def clustered(x: np.ndarray, classes: int, *, groups: np.ndarray | None = None, seed: int = 0) -> float:
    """By how many standard deviations rows `[m, D]` are nearer to so many centres than noise is.

    Of the rows of one group (int `[m]`), copies of one another, the first counts. 0 where there are too
    few rows, or all are the same.
    """
    rng = np.random.default_rng(seed)
    if groups is not None:
        x = x[np.sort(np.unique(groups, return_index=True)[1])]
    x = x[np.sort(rng.permutation(len(x))[:ROWS])].astype(np.float64)
    width = min(WIDTH, len(x) // EACH, x.shape[1])
    if width < 2:
        return 0.0
    x -= x.mean(axis=0)
    left, scale = np.linalg.svd(x, full_matrices=False)[:2]
    width = min(width, int((scale > 1e-6 * max(scale[0], 1e-12)).sum()))
    if width < 2:
        return 0.0
    spread = scale[:width] / np.sqrt(len(x) - 1)
    count = max(2, min(classes, len(x) // 5))
    found = _fit(left[:, :width] * scale[:width], count, rng)
    noise = [_fit(rng.standard_normal((len(x), width)) * spread, count, rng) for _ in range(DRAWS)]
    return float((found - np.mean(noise)) / max(float(np.std(noise, ddof=1)), 1e-12))


def _fit(x: np.ndarray, count: int, rng: np.random.Generator) -> float:
    """Mean cosine of rows to the nearest of so many centres (spherical k-means, the best of some starts)."""
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    best = -1.0
    for _ in range(STARTS):
        centres = unit[[rng.integers(len(unit))]]
        for _ in range(count - 1):  # far from those that are there (k-means++)
            far = np.maximum(1 - (unit @ centres.T).max(axis=1), 1e-12)
            centres = np.concatenate([centres, unit[[rng.choice(len(unit), p=far / far.sum())]]])
        for _ in range(ROUNDS):
            own = np.eye(count)[(unit @ centres.T).argmax(axis=1)]
            moved = own.T @ unit
            norms = np.linalg.norm(moved, axis=1, keepdims=True)
            centres = np.where(norms > 1e-12, moved / np.maximum(norms, 1e-12), centres)
        best = max(best, float((unit @ centres.T).max(axis=1).mean()))
    return best

"""LogME: the evidence of a Bayesian linear model on the features, at its exact maximum.

You, Liu, Wang and Long, "LogME: Practical Assessment of Pre-trained Models for Transfer Learning",
ICML 2021. Not by the published fixed point (which has not converged after its 11 steps when there
are more features than rows), but by maximising the profile likelihood over the ratio t of the two
precisions; the noise precision drops out in closed form.
"""

from __future__ import annotations

import numpy as np

from headstart.measure.spectral import Basis

GRID, STEPS = 65, 28
GOLDEN = (np.sqrt(5) - 1) / 2


def logme(basis: Basis, targets: np.ndarray) -> float:
    """Mean log evidence per row and target; higher is better, in nats.

    `targets` float64 `[N, K]` (one-hot for classes) or `[N]`. Centred when the basis is, which costs
    one degree of freedom; use an uncentred basis to reproduce published numbers. Comparable between
    feature sets on the same rows and targets only.
    """
    y = np.asarray(targets, np.float64)
    y = y[:, None] if y.ndim == 1 else y
    rows = len(y) - basis.centred
    y = y - y.mean(axis=0) if basis.centred else y
    projected = (basis.left.T @ y) ** 2  # [k, K]
    norm = np.einsum("nk,nk->k", y, y)
    outside = np.maximum(norm - projected.sum(axis=0), 0.0)
    known = norm > 0  # a target that never varies says nothing
    if not known.any() or not len(basis.s2):
        return float("nan")
    best = _maximise(basis.s2, projected[:, known], outside[known], rows)
    return float(best.mean() / rows)


def _evidence(
    log_t: np.ndarray, s2: np.ndarray, projected: np.ndarray, outside: np.ndarray, rows: int
) -> np.ndarray:
    """Profile log evidence `[K]` at `log_t` `[K]`."""
    shrink = 1.0 / (1.0 + s2[:, None] * np.exp(-log_t))  # t / (t + s), [k, K]
    quadratic = outside + (projected * shrink).sum(axis=0)
    fit = 0.5 * np.log(shrink).sum(axis=0) - 0.5 * rows * np.log(np.maximum(quadratic, 1e-300))
    return fit + 0.5 * rows * (np.log(rows) - 1.0 - np.log(2 * np.pi))


def _maximise(s2: np.ndarray, projected: np.ndarray, outside: np.ndarray, rows: int) -> np.ndarray:
    """The maximum over t of the evidence of each target: a grid, then golden-section steps."""
    largest = np.log(s2[0])
    grid = np.linspace(largest - 25, largest + 12, GRID)
    values = np.stack(
        [_evidence(np.full(len(outside), at), s2, projected, outside, rows) for at in grid]
    )  # [G, K]
    peak = values.argmax(axis=0)
    low, high = grid[np.maximum(peak - 1, 0)], grid[np.minimum(peak + 1, GRID - 1)]
    for _ in range(STEPS):
        left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
        better = _evidence(left, s2, projected, outside, rows) > _evidence(
            right, s2, projected, outside, rows
        )
        low, high = np.where(better, low, left), np.where(better, right, high)
    refined = _evidence((low + high) / 2, s2, projected, outside, rows)
    best: np.ndarray = np.maximum(refined, values.max(axis=0))
    return best

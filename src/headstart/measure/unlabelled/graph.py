"""Labels spread over a graph of neighbours.

Zhou et al., "Learning with local and global consistency", NIPS 2003; the graph of nearest neighbours, its
sharpened similarities and the certainty of what was spread as in Iscen et al., "Label propagation for deep
semi-supervised learning", CVPR 2019.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

NEIGHBOURS = 30
SHARPNESS = 3
"""Similarities count to this power."""
REACH = 0.99
"""Share of a row's labels that come from its neighbours."""
STEPS = 20
"""Of conjugate gradients at most."""
PRECISE = 1e-6
"""Residual, as a share of the right side, at which they end."""
BLOCK = 2_000
"""Rows whose similarities are in memory at once."""


def neighbours(features: np.ndarray, k: int = NEIGHBOURS) -> sparse.csr_matrix:
    """The graph S = D^-1/2 W D^-1/2, float64 `[N, N]`, of features `[N, D]`: W = A + A', and A has for each
    row its k nearest others with max(cosine, 0) ** 3.

    A row that is near to none has no neighbour. O(N^2 D).
    """
    n = len(features)
    k = max(0, min(k, n - 1))
    rows = np.asarray(features, np.float32)
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    columns, values = np.zeros((n, k), np.int64), np.zeros((n, k))
    for start in range(0, n if k else 0, BLOCK):
        near = rows[start : start + BLOCK] @ rows.T
        own = np.arange(len(near))
        near[own, start + own] = -np.inf
        found = np.argpartition(-near, k - 1, axis=1)[:, :k]
        columns[start : start + BLOCK] = found
        values[start : start + BLOCK] = np.maximum(np.take_along_axis(near, found, axis=1), 0.0)
    places = np.repeat(np.arange(n), k)
    one_way = sparse.csr_matrix((values.ravel() ** SHARPNESS, (places, columns.ravel())), shape=(n, n))
    both = (one_way + one_way.T).tocsr()
    degree = np.asarray(both.sum(axis=1)).ravel()
    scale = np.where(degree > 0, 1 / np.sqrt(np.maximum(degree, 1e-300)), 0.0)
    return (sparse.diags(scale) @ both @ sparse.diags(scale)).tocsr()


def spread(
    graph: sparse.csr_matrix, seeds: np.ndarray, *, reach: float = REACH, steps: int = STEPS
) -> np.ndarray:
    """(I - reach S)^-1 seeds, float64 `[N, K]`: conjugate gradients on all columns at once."""
    found = np.zeros_like(seeds, np.float64)
    residual = np.asarray(seeds, np.float64).copy()
    direction, square = residual.copy(), (residual**2).sum(axis=0)
    enough = PRECISE**2 * np.maximum(square, 1e-300)
    for _ in range(steps):
        if (square <= enough).all():
            break
        turned = direction - reach * (graph @ direction)
        length = square / np.maximum((direction * turned).sum(axis=0), 1e-300)
        found += length * direction
        residual -= length * turned
        before, square = square, (residual**2).sum(axis=0)
        direction = residual + square / np.maximum(before, 1e-300) * direction
    return found


def seeds(y: np.ndarray, outputs: int, rows: int) -> np.ndarray:
    """float64 `[rows, K]`: one for each of the first rows' classes (int64 `[n]`), a class in all one."""
    out = np.zeros((rows, outputs))
    out[np.arange(len(y)), y] = 1.0 / np.bincount(y, minlength=outputs)[y]
    return out


def shares(spreaded: np.ndarray, prior: np.ndarray | None = None) -> np.ndarray:
    """float64 `[N, K]`: probabilities; with a `prior` `[K]` each class gets that share of the mass (class
    mass normalisation: Zhu, Ghahramani and Lafferty, ICML 2003). Rows that nothing reached are even."""
    mass = np.maximum(spreaded, 0.0)
    if prior is not None:
        mass = mass * (prior / np.maximum(mass.sum(axis=0), 1e-300))
    total = mass.sum(axis=1, keepdims=True)
    return np.where(total > 0, mass / np.maximum(total, 1e-300), 1.0 / mass.shape[1])


def certainty(p: np.ndarray) -> np.ndarray:
    """float64 `[N]`, 0 to 1: 1 - H / log K of probabilities `[N, K]`."""
    entropy = -(p * np.log(np.maximum(p, 1e-300))).sum(axis=1)
    return np.clip(1 - entropy / np.log(max(2, p.shape[1])), 0.0, 1.0)

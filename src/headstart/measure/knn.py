"""Leave-one-out nearest neighbours by cosine similarity."""

from __future__ import annotations

import numpy as np

BLOCK = 1024
TEMPERATURE = 0.07


def loo_knn(
    features: np.ndarray,
    y: np.ndarray,
    *,
    classes: int,
    k: int | None = None,
    groups: np.ndarray | None = None,
) -> np.ndarray:
    """Votes float64 `[N, classes]` of each row's k nearest other rows, each weighing exp(cos / 0.07).

    `k` defaults to 5, or 1 when there are fewer than five rows a class. Rows of the same group
    never vote for each other. A row's votes sum to 1 (0 where nobody may vote); all-zero rows are
    similar to nothing. O(N^2 D).
    """
    matrix = np.asarray(features, np.float64)
    norm = np.linalg.norm(matrix, axis=1, keepdims=True)
    matrix = np.divide(matrix, norm, out=np.zeros_like(matrix), where=norm > 0)
    k = k if k is not None else (5 if len(y) >= 5 * classes else 1)
    k = min(k, max(len(y) - 1, 0))
    own = np.arange(len(y)) if groups is None else np.asarray(groups)
    votes = np.zeros((len(y), classes))
    if k < 1:
        return votes
    for start in range(0, len(y), BLOCK):
        rows = slice(start, min(start + BLOCK, len(y)))
        similarity = matrix[rows] @ matrix.T
        similarity[own[rows][:, None] == own] = -np.inf
        nearest = np.argpartition(-similarity, k - 1, axis=1)[:, :k]
        near = np.take_along_axis(similarity, nearest, axis=1)
        weight = np.exp((near - 1.0) / TEMPERATURE)
        index = np.arange(rows.start, rows.stop)[:, None]
        np.add.at(votes, (np.broadcast_to(index, nearest.shape), y[nearest]), weight)
    total = votes.sum(axis=1, keepdims=True)
    return np.divide(votes, total, out=votes, where=total > 0)

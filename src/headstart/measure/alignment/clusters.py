"""Clusters of the target that begin at the source's classes.

Pseudo-labels as in Liang, Hu and Feng, "Do We Really Need to Access the Source Data?", ICML 2020: centroids
weighted by the probabilities, each row to the one at the smallest angle, and again from these.
"""

from __future__ import annotations

import numpy as np

ROUNDS = 10


def clusters(x: np.ndarray, probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(class int64 `[m]`, margin float64 `[m]`: by how much the nearest centroid is nearer, in cosines).

    `x` are rows about their mean, `probabilities` float64 `[m, K]` where each begins. A class that loses
    all of its rows keeps the centroid that it had.
    """
    unit = x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-12)
    given = probabilities.sum(axis=0) > 0.5  # a class that no row is thought to have has no place
    share = probabilities
    centres = np.zeros((share.shape[1], x.shape[1]))
    said = probabilities.argmax(axis=1)
    for number in range(ROUNDS + 1):
        mass = share.sum(axis=0)
        moved = share.T @ unit
        norms = np.linalg.norm(moved, axis=1)
        there = (mass > 0) & (norms > 1e-12)
        centres[there] = moved[there] / norms[there, None]
        near = np.where(given, unit @ centres.T, -np.inf)
        now = near.argmax(axis=1)
        if number and np.array_equal(now, said):
            break
        said = now
        share = np.eye(share.shape[1])[said]
    if given.sum() < 2:
        return said, np.zeros(len(x))
    best = np.sort(near, axis=1)
    return said, best[:, -1] - best[:, -2]

"""A picture of features: rows that look alike lie near each other in a plane.

Van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008. The gradient is the exact one: for as
many rows as a picture shows it takes less time than a tree of them, and needs no other library.
"""

from __future__ import annotations

import numpy as np

from headstart.measure import threads
from headstart.measure.spectral import basis, standardise

COMPONENTS = 64
"""Principal components that the plane is made from."""
FEW = 10
"""With fewer rows the plane is that of the first two components."""
PERPLEXITY = 30.0
EARLY, LATE = 100, 250
"""Gradient steps with exaggerated neighbourhoods, and without. 1,500 rows: 0.9 s on one core; 250 of the
first bring the same."""
EXAGGERATED = 12.0
BLOCK = 128
"""Rows at a time: their distances stay in the processor's cache."""


def plane(features: np.ndarray, *, seed: int = 0) -> tuple[np.ndarray, str]:
    """(places float64 `[N, 2]` within 0 to 1, how they were made, in words).

    `features` `[N, D]` are z-scored; both axes have the same scale. Values that are not finite count as 0.
    """
    if not len(features):
        return np.zeros((0, 2)), "two principal components"
    with threads.suited_to(len(features)):
        standard, _ = standardise(np.nan_to_num(features, nan=0.0, posinf=0.0, neginf=0.0))
        scores = basis(standard).scores[:, :COMPONENTS]
        if len(scores) < FEW or scores.shape[1] < 3:
            places = np.zeros((len(scores), 2))
            places[:, : min(2, scores.shape[1])] = scores[:, :2]
            return _within_unit(places), "two principal components"
        # rows that are the same would never part
        start = scores[:, :2] + 1e-6 * np.random.default_rng(seed).normal(size=(len(scores), 2))
        places = tsne(neighbourhoods(scores), start * 1e-4 / start[:, 0].std())
    return _within_unit(places), f"t-SNE of {scores.shape[1]} principal components"


def neighbourhoods(scores: np.ndarray) -> np.ndarray:
    """float32 `[N, N]`, symmetric, its sum 1: how near the rows of `[N, C]` are to each other. Each row has
    a Gaussian of its own over its nearest rows, as wide as the perplexity asks for."""
    n = len(scores)
    most = min(n - 1, int(3 * PERPLEXITY + 1))
    entropy = np.log(min(PERPLEXITY, (n - 1) / 3))
    size = np.einsum("nc,nc->n", scores, scores)
    distance = np.maximum(size[:, None] + size - 2 * scores @ scores.T, 0.0)
    np.fill_diagonal(distance, np.inf)
    near = np.argpartition(distance, most - 1, axis=1)[:, :most]
    d = np.take_along_axis(distance, near, axis=1)
    d -= d.min(axis=1, keepdims=True)
    scale = 1 / np.maximum(d.mean(axis=1, keepdims=True), 1e-12)
    low, high = np.zeros((n, 1)), np.full((n, 1), np.inf)
    for _ in range(60):
        p = np.exp(-d * scale)
        p /= p.sum(axis=1, keepdims=True)
        wide = scale * (p * d).sum(axis=1, keepdims=True) - np.log(p.max(axis=1, keepdims=True)) > entropy
        low, high = np.where(wide, scale, low), np.where(wide, high, scale)
        scale = np.where(np.isinf(high), np.minimum(2 * scale, 1e12), (low + high) / 2)  # equal rows: no end
    whole = np.zeros((n, n))
    np.put_along_axis(whole, near, p, axis=1)
    return ((whole + whole.T) / (2 * n)).astype(np.float32)


def tsne(p: np.ndarray, start: np.ndarray, early: int = EARLY, late: int = LATE) -> np.ndarray:
    """float64 `[N, 2]`: places for the neighbourhoods `[N, N]`, from `start` on; momentum and a gain for each
    number as in the paper, the rate as in Belkina et al., Nature Communications 2019."""
    y, rate = start.astype(np.float64), max(len(p) / EXAGGERATED / 4, 50.0)
    for steps, pulled, momentum in ((early, EXAGGERATED, 0.5), (late, 1.0, 0.8)):
        move, gain = np.zeros_like(y), np.ones_like(y)
        for _ in range(steps):
            pull, push = _forces(p, y.astype(np.float32))
            slope = 4 * (pulled * pull - push)
            gain = np.maximum(np.where(move * slope < 0, gain + 0.2, gain * 0.8), 0.01)
            move = momentum * move - rate * gain * slope
            y = y + move
    return y


def _forces(p: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(float64 `[N, 2]`, float64 `[N, 2]`): what draws each place to its neighbours, and drives it from all.
    Each pair is looked at once, from its first row."""
    n = len(y)
    size = np.einsum("nd,nd->n", y, y)[:, None]
    ones = np.ones((n, 1), np.float32)
    left, right = np.hstack([-2 * y, size + 1, ones]), np.hstack([y, ones, size]).T
    wide, sums, total = np.hstack([y, ones]), np.zeros((2, n, 3)), 0.0
    for first in range(0, n, BLOCK):
        last = min(first + BLOCK, n)
        q = np.reciprocal(left[first:last] @ right[:, first:])  # 1 / (1 + squared distance)
        total += 2.0 * float(q.sum()) - float(q[:, : last - first].sum())
        for place, weight in enumerate((q * p[first:last, first:], np.square(q, out=q))):
            sums[place, first:last] += weight @ wide[first:]
            sums[place, last:] += weight[:, last - first :].T @ wide[first:last]
    found = sums[:, :, 2:] * y - sums[:, :, :2]
    return found[0], found[1] / (total - n)


def _within_unit(places: np.ndarray) -> np.ndarray:
    """Moved and scaled, by one factor, into the unit square's middle."""
    low, high = places.min(axis=0), places.max(axis=0)
    reach = float((high - low).max()) or 1.0
    return np.asarray(0.5 + (places - (low + high) / 2) / reach).clip(0.0, 1.0)

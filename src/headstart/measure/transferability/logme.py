"""LogME: the evidence of a Bayesian linear model of the labels, at its maximum.

You, Liu, Wang and Long, "LogME: Practical assessment of pre-trained models for transfer learning", ICML 2021.
Computed in profile form: with the noise maximised analytically the evidence is a function of one number, the
ratio t of the two precisions, and of the spectrum alone. The published fixed-point iteration ends before it
has converged where there are fewer rows than columns, and counts directions there that do not exist.
"""

from __future__ import annotations

import numpy as np

from headstart.measure.spectral import RANK_FLOOR, Basis

GRID = 65
"""Places at which the evidence is looked at before Newton's method begins."""
STEPS = 40
"""Most steps of Newton's method, each of which halves the bracket at least."""
CLOSE = 1e-9
"""A step in log t below which it ends: the evidence is flat there to 1e-18."""
ROWS = 4096
"""Rows of features that are centred and multiplied at a time."""


def logme(features: np.ndarray, targets: np.ndarray, *, centre: bool = True) -> float:
    """The log evidence of the targets, per row, averaged over targets.

    `features` `[N, D]` and `targets` `[N, K]` (`one_hot` for classes) or `[N]`, both any float type; targets
    that are the same in every row say nothing and are left out. With `centre` (the default) means are taken
    off both, as an intercept does; without it the number is the one that the paper defines. It does not
    change when features are scaled or rotated. O(N D min(N, D)), float64.

    Raises `ValueError` where no target varies.

    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> labels = np.arange(90) % 3
    >>> telling = np.eye(3)[labels] + 0.3 * rng.normal(size=(90, 3))
    >>> logme(telling, np.eye(3)[labels]) > logme(rng.normal(size=(90, 3)), np.eye(3)[labels])
    True
    """
    y = np.asarray(targets, np.float64)
    y = y[:, None] if y.ndim == 1 else y
    mean = np.asarray(features.mean(axis=0, dtype=np.float64)) * centre
    y = y - y.mean(axis=0) if centre else y
    rows, columns = features.shape
    if columns <= rows:
        gram, seen = np.zeros((columns, columns)), np.zeros((columns, y.shape[1]))
        for start in range(0, rows, ROWS):
            part = features[start : start + ROWS] - mean
            gram += part.T @ part
            seen += part.T @ y[start : start + ROWS]
        s2, vectors = _spectrum(gram)
        projected = (vectors.T @ seen) / np.sqrt(s2)[:, None]
    else:
        centred = features - mean
        s2, vectors = _spectrum(centred @ centred.T)
        projected = vectors.T @ y
    return evidence(s2, projected, np.einsum("nk,nk->k", y, y), rows - centre)


def of_basis(basis: Basis, targets: np.ndarray) -> float:
    """The same from a spectral basis that is there already. `targets` `[N, K]` or `[N]`.

    >>> import numpy as np
    >>> from headstart.measure.spectral import basis
    >>> x, y = np.random.default_rng(0).normal(size=(2, 40, 3))
    >>> abs(of_basis(basis(x), y) - logme(x, y)) < 1e-12
    True
    """
    y = np.asarray(targets, np.float64)
    y = y[:, None] if y.ndim == 1 else y
    y = y - y.mean(axis=0) if basis.centred else y
    total = np.einsum("nk,nk->k", y, y)
    return evidence(basis.s2, basis.left.T @ y, total, len(y) - basis.centred)


def _spectrum(gram: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    values, vectors = np.linalg.eigh(gram)
    kept = values > RANK_FLOOR * max(values[-1], 0.0)
    return values[kept], vectors[:, kept]


def evidence(s2: np.ndarray, projected: np.ndarray, total: np.ndarray, rows: int) -> float:
    """Mean over targets of the maximal log evidence per row.

    `s2` `[k]` are squared singular values, `projected` `[k, K]` the targets along the left singular vectors,
    `total` `[K]` their sums of squares, `rows` how many independent ones there are. Raises `ValueError` where
    no target varies.
    """
    varies = total > 1e-12 * max(1.0, float(total.max(initial=0.0)))
    if not varies.any():
        raise ValueError("no target varies: there is nothing to explain")
    total, square = total[varies], projected[:, varies] ** 2
    if not len(s2):
        return float(np.mean(_constant(rows) - 0.5 * rows * np.log(total)) / rows)
    # what no direction explains; rounding must not make it less than nothing
    left = np.maximum(total - square.sum(axis=0), 1e-15 * total)
    unit = float(s2.max())
    s = s2 / unit
    grid = np.linspace(np.log(s.max()) - 25.0, np.log(s.max()) + 12.0, GRID)
    share = 1.0 / (1.0 + s / np.exp(grid)[:, None])  # [G, k]: t / (t + s)
    heights = 0.5 * np.log(share).sum(axis=1)[:, None] - 0.5 * rows * np.log(left + share @ square)  # [G, K]
    best = heights.argmax(axis=0)
    low, high = grid[np.maximum(best - 1, 0)], grid[np.minimum(best + 1, GRID - 1)]
    top = _climb(s, square, left, rows, (low, grid[best], high))
    return float(np.mean(_constant(rows) + np.maximum(top, heights.max(axis=0))) / rows)


def _constant(rows: int) -> float:
    return 0.5 * rows * (np.log(rows) - 1.0 - np.log(2.0 * np.pi))


def _climb(
    s: np.ndarray,
    square: np.ndarray,
    left: np.ndarray,
    rows: int,
    bracket: tuple[np.ndarray, np.ndarray, np.ndarray],
) -> np.ndarray:
    """float64 `[K]`: the evidence at its maximum inside each bracket (low, start, high of log t), by Newton's
    method, and by bisection of the slope where that would leave the bracket."""
    low, at, high = bracket
    for _ in range(STEPS):
        share = 1.0 / (1.0 + s[:, None] / np.exp(at))  # [k, K]
        rest = 1.0 - share
        bend = share * rest
        part = bend * square
        q = left + np.einsum("ik,ik->k", share, square)
        first = part.sum(axis=0)
        second = first - 2.0 * np.einsum("ik,ik->k", part, share)
        slope = 0.5 * rest.sum(axis=0) - 0.5 * rows * first / q
        curve = -0.5 * bend.sum(axis=0) - 0.5 * rows * (second / q - (first / q) ** 2)
        low, high = np.where(slope > 0, at, low), np.where(slope > 0, high, at)
        step = at - np.divide(slope, curve, out=np.full_like(slope, np.inf), where=curve < 0)
        new = np.where((step > low) & (step < high), step, 0.5 * (low + high))
        moved = float(np.abs(new - at).max())
        at = new
        if moved < CLOSE:
            break
    share = 1.0 / (1.0 + s[:, None] / np.exp(at))
    q = left + np.einsum("ik,ik->k", share, square)
    return np.asarray(0.5 * np.log(share).sum(axis=0) - 0.5 * rows * np.log(q))

"""The frame that both clouds are seen in, and what a map between them is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

MOST, ROWS_A_COLUMN = 128, 3
"""With more columns than rows a covariance says little: that many leading directions are looked at, or
fewer."""
FLOOR = 1e-3
"""Least share of the mean variance that a covariance is shrunk by."""
DEAD = 1e-6
"""Columns whose standard deviation is a smaller share of the largest are left out."""


@dataclass(frozen=True)
class Affine:
    """`x -> x @ matrix + offset`."""

    matrix: np.ndarray = field(repr=False)
    """float64 `[D, d]`"""
    offset: np.ndarray = field(repr=False)
    """float64 `[d]`"""

    @classmethod
    def identity(cls, width: int) -> Affine:
        return cls(np.eye(width), np.zeros(width))

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return np.asarray(x @ self.matrix + self.offset)

    def fold(self, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A linear head `[K, d]`, `[K]` on mapped rows -> the same head on rows as they are."""
        return weight @ self.matrix.T, bias + weight @ self.offset


@dataclass(frozen=True)
class Alignment:
    """Where rows of both domains are brought; the target's way is affine, and so part of a linear head."""

    source: Callable[[np.ndarray], np.ndarray]
    target: Affine


def frame(xs: np.ndarray, xt: np.ndarray) -> Affine:
    """Standardised columns of both together; where a domain has fewer rows than columns, their leading
    directions.

    At most `min(128, rows / 3)` of them, so that the covariances of what is left are known.
    """
    both = np.concatenate([xs, xt])
    # each domain counts alike, however many rows it has
    heft = np.concatenate([np.full(len(xs), 0.5 / len(xs)), np.full(len(xt), 0.5 / len(xt))])
    mean = heft @ both
    sd = np.sqrt(heft @ (both - mean) ** 2)
    alive = sd > DEAD * sd.max(initial=0.0)
    factor = np.where(alive, 1 / np.where(alive, sd, 1.0), 0.0)
    fewest, width = min(len(xs), len(xt)), int(alive.sum())
    if fewest >= width:
        return Affine(np.diag(factor)[:, alive], -(mean * factor)[alive])
    rows = (both - mean)[:, alive] * factor[alive] * np.sqrt(heft)[:, None]
    kept = max(1, min(MOST, fewest // ROWS_A_COLUMN, width))
    if len(rows) < width:  # by the products of rows, of which there are fewer
        values, left = np.linalg.eigh(rows @ rows.T)
        axes = rows.T @ (left[:, ::-1][:, :kept] / np.sqrt(np.maximum(values[::-1][:kept], 1e-300)))
    else:
        axes = np.linalg.eigh(rows.T @ rows)[1][:, ::-1][:, :kept]
    matrix = np.zeros((len(mean), kept))
    matrix[alive] = factor[alive, None] * axes
    return Affine(matrix, -mean @ matrix)


@dataclass(frozen=True)
class Moments:
    """Mean and covariance of one domain."""

    mean: np.ndarray
    covariance: np.ndarray = field(repr=False)
    doubt: float
    """Ledoit and Wolf's share of the identity, 0 to 1: how little the rows say of the covariance."""

    @classmethod
    def of(cls, x: np.ndarray, weights: np.ndarray | None = None) -> Moments:
        """Ledoit and Wolf, "A well-conditioned estimator for large-dimensional covariance matrices",
        Journal of Multivariate Analysis 2004, with weights of the rows."""
        w = np.full(len(x), 1 / len(x)) if weights is None else weights / weights.sum()
        mean = w @ x
        centred = x - mean
        s = (centred * w[:, None]).T @ centred
        width = len(s)
        level = np.trace(s) / width
        far = ((s - level * np.eye(width)) ** 2).sum()
        square = (centred**2).sum(axis=1)
        each = square**2 - 2 * np.einsum("nd,de,ne->n", centred, s, centred, optimize=True) + (s**2).sum()
        noise = float(w**2 @ each)
        return cls(mean, s, min(1.0, noise / far) if far > 0 else 1.0)


def moments(
    xs: np.ndarray, xt: np.ndarray, weights: np.ndarray | None = None
) -> tuple[Moments, Moments, np.ndarray, np.ndarray]:
    """Those of both domains, and their covariances shrunk by the same share: equal ones stay equal."""
    source, target = Moments.of(xs, weights), Moments.of(xt)
    share = max(source.doubt, target.doubt)

    def shrunk(s: np.ndarray) -> np.ndarray:
        level = max(float(np.trace(s)) / len(s), 1e-12)
        return np.asarray((1 - share) * s + (share + FLOOR) * level * np.eye(len(s)))

    return source, target, shrunk(source.covariance), shrunk(target.covariance)


def power(matrix: np.ndarray, exponent: float) -> np.ndarray:
    """Of a symmetric positive definite matrix."""
    values, axes = np.linalg.eigh(matrix)
    return np.asarray((axes * np.maximum(values, 1e-12) ** exponent) @ axes.T)

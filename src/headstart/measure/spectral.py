"""The spectral basis of a feature matrix: computed once, read by ridge and logistic regression."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property

import numpy as np

SD_FLOOR = 1e-6
"""Columns with a smaller share of the largest standard deviation are not blown up to unit size."""
COMPONENTS = 64
"""Principal components that tell of a sample; fewer where there are not `ROWS_EACH` rows for each."""
ROWS_EACH = 5
RANK_FLOOR = 1e-10
"""Directions with a smaller share of the largest squared singular value are dropped."""


@dataclass(frozen=True)
class Scaling:
    """A fitted z-score: `(F - mean) * factor`. Constant columns have factor 0."""

    mean: np.ndarray = field(repr=False)
    """float64 `[D]`"""
    factor: np.ndarray = field(repr=False)
    """float64 `[D]`: 1 / standard deviation, 0 for constant columns."""

    def apply(self, features: np.ndarray) -> np.ndarray:
        """float64 `[N, D]`: the features, standardised."""
        scaled = np.asarray(features, np.float64) - self.mean
        scaled *= self.factor
        return scaled

    def fold(self, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A linear map `[K, D]`, `[K]` on standardised features -> the same map on raw features."""
        raw = weight * self.factor
        return raw, bias - raw @ self.mean


def fit_scaling(features: np.ndarray, weights: np.ndarray | None = None) -> Scaling:
    """Means and standard deviations of the columns of `[N, D]`, of rows that count by `weights` `[N]`.

    A standard deviation below `SD_FLOOR` of the largest is raised to it, so that numerical dust is
    not turned into a feature; a column whose values are all equal gets factor 0.
    """
    matrix = np.asarray(features, np.float64)
    mean = matrix.mean(axis=0) if weights is None else np.average(matrix, axis=0, weights=weights)
    centred = matrix - mean
    if weights is None:
        variance = np.einsum("nd,nd->d", centred, centred) / len(matrix)
    else:
        variance = np.average(centred**2, axis=0, weights=weights)
    sd = np.sqrt(variance)
    constant = (matrix == matrix[:1]).all(axis=0) | (sd <= 1e-12 * np.abs(mean))
    largest = np.where(constant, 0.0, sd).max(initial=0.0)
    floored = np.maximum(sd, SD_FLOOR * largest)
    factor = np.divide(1.0, floored, out=np.zeros_like(sd), where=~constant & (floored > 0))
    return Scaling(mean, factor)


def standardise(features: np.ndarray, weights: np.ndarray | None = None) -> tuple[np.ndarray, Scaling]:
    """(z-scored features float64 `[N, D]`, the scaling that made them)."""
    scaling = fit_scaling(features, weights)
    return scaling.apply(features), scaling


@dataclass(frozen=True)
class Basis:
    """`F - mean = left @ diag(sqrt(s2)) @ right.T`, directions of tiny size dropped."""

    left: np.ndarray = field(repr=False)
    """float64 `[N, k]`, orthonormal columns."""
    s2: np.ndarray = field(repr=False)
    """float64 `[k]`: squared singular values, largest first."""
    matrix: np.ndarray = field(repr=False)
    """float64 `[N, D]`: F - mean."""
    mean: np.ndarray = field(repr=False)
    """float64 `[D]` that was subtracted (zeros when not centred)."""
    centred: bool = True
    axes: np.ndarray | None = field(default=None, repr=False)
    """`right` where it came first: there were no more columns than rows."""

    @cached_property
    def right(self) -> np.ndarray:
        """float64 `[D, k]`, orthonormal columns."""
        if self.axes is not None:
            return self.axes
        return np.asarray((self.matrix.T @ self.left) / np.sqrt(self.s2))

    @property
    def scores(self) -> np.ndarray:
        """float64 `[N, k]`: the (centred) features in the rotated axes."""
        return self.left * np.sqrt(self.s2)

    def unfold(self, weight: np.ndarray) -> np.ndarray:
        """A linear map `[K, k]` on the scores -> the same `[K, D]` on F - mean: `weight @ right.T`, without
        `right` where that takes longest."""
        if self.axes is not None:
            return np.asarray(weight @ self.axes.T)
        return np.asarray((weight / np.sqrt(self.s2)) @ self.left.T @ self.matrix)


def _kept(values: np.ndarray, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Eigenpairs above the rank floor, largest first; values are strictly positive."""
    values, vectors = values[::-1], vectors[:, ::-1]
    keep = values > RANK_FLOOR * max(values[0], 0.0) if len(values) else np.zeros(0, bool)
    return values[keep], vectors[:, keep]


def basis(features: np.ndarray, *, centre: bool = True) -> Basis:
    """The spectral basis of `[N, D]` in float64, by the eigenvectors of the smaller Gram matrix.

    O(N D min(N, D)). Constant columns drop out by themselves when centred. Features are taken as
    they are: z-score first (`standardise`) where columns have different units.
    """
    matrix = np.asarray(features, np.float64)
    mean = matrix.mean(axis=0) if centre else np.zeros(matrix.shape[1])
    matrix = matrix - mean
    if matrix.shape[1] <= matrix.shape[0]:
        s2, right = _kept(*np.linalg.eigh(matrix.T @ matrix))
        return Basis((matrix @ right) / np.sqrt(s2), s2, matrix, mean, centre, right)
    s2, left = _kept(*np.linalg.eigh(matrix @ matrix.T))
    return Basis(left, s2, matrix, mean, centre)


def whitened(features: np.ndarray) -> np.ndarray:
    """float64 `[N, K]`: the first principal components of z-scored `features` `[N, D]`, each with variance 1.
    What is not finite counts as 0."""
    standard, _ = standardise(np.nan_to_num(features, nan=0.0, posinf=0.0, neginf=0.0))
    most = max(1, min(COMPONENTS, len(standard) // ROWS_EACH))
    return np.asarray(basis(standard).left[:, :most] * np.sqrt(len(standard)))

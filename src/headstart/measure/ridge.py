"""Ridge regression with its exact leave-one-out errors (PRESS), for rows or for groups of rows.

Allen, "The relationship between variable selection and data augmentation and a method for
prediction", Technometrics 1974. One-hot targets make it a classifier whose leave-one-out accuracy
costs no more than one fit.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np

from headstart.errors import DataError
from headstart.measure.spectral import Basis

RELATIVE = tuple(10.0 ** (exponent / 2) for exponent in range(-12, 7))
"""The 19 penalties of the path, as multiples of the mean squared singular value."""
SINGLE, FEW = 1e4, 128
"""Products of more than `FEW` rows (of fewer it saves nothing) are solved in single precision where no
eigenvalue can be more than `SINGLE` times the penalty: what a row is told that is left out is right to
1e-4, mean squared errors to 1e-6 of themselves."""
LEVERAGE_FLOOR = 1e-6
"""1 - leverage is kept above this, so that a row that explains itself does not divide by zero."""


@dataclass(frozen=True)
class Loo:
    """A ridge path judged by leaving out one row (or one group of rows) at a time."""

    penalty: float
    """The penalty with the least leave-one-out squared error."""
    relative: float
    """The same as a multiple of the mean squared singular value."""
    predictions: np.ndarray = field(repr=False)
    """float64 `[N, K]`: what each row is given when it (and its group) is left out."""
    errors: np.ndarray = field(repr=False)
    """float64 `[N]`: squared leave-one-out error of each row, summed over the K targets."""
    path: np.ndarray = field(repr=False)
    """float64 `[P]`: mean of `errors` at each penalty tried."""

    @property
    def mse(self) -> float:
        """The least mean squared error of the path."""
        return float(self.path.min())

    def accuracy(self, y: np.ndarray) -> float:
        """Share of rows whose largest prediction is at their class `y` int64 `[N]`."""
        return float(np.mean(self.predictions.argmax(axis=1) == y))


def one_hot(y: np.ndarray, classes: int) -> np.ndarray:
    """int64 `[N]` -> float64 `[N, classes]`."""
    encoded = np.zeros((len(y), classes))
    encoded[np.arange(len(y)), y] = 1.0
    return encoded


def sketched(targets: np.ndarray, *, most: int = 64, seed: int = 0) -> np.ndarray:
    """Targets `[N, K]`, dense or sparse, projected at random onto `most` columns, where there are more.

    Ridge errors are linear in the targets, so their squares are the same in expectation (Johnson and
    Lindenstrauss, 1984), at `most / K` of the work.
    """
    if targets.shape[1] <= most:
        return targets
    directions = np.random.default_rng(seed).standard_normal((targets.shape[1], most))
    return np.asarray(targets @ (directions / np.sqrt(most)))


def loo_ridge(
    basis: Basis,
    targets: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    relative: Sequence[float] = RELATIVE,
    level: np.ndarray | None = None,
) -> Loo:
    """The ridge path with leave-one-out (or leave-one-group-out) errors, in closed form.

    `targets` is float64 `[N, K]` (`one_hot` for classes) or `[N]`. The intercept is not penalised
    when the basis is centred. The scaling of the features and the basis itself are those of all
    rows: exact for features that do not depend on the labels. `level` float64 `[N]`, of length 1: the
    direction along which features and targets were centred beforehand, where rows have weights (their roots).

    Raises `DataError` when there is nothing left to fit on: fewer than two rows or groups.
    """
    y = np.asarray(targets, np.float64)
    y = y[:, None] if y.ndim == 1 else y
    blocks = list(group_blocks(groups, len(y)))
    if sum(len(block) for block in blocks) < 2:
        raise DataError("leave-one-out ridge", "fewer than two rows or groups", "give more labelled items")
    centre = y.mean(axis=0) if basis.centred else np.zeros(y.shape[1])
    centred = y - centre
    projected = basis.left.T @ centred
    penalties = np.asarray(relative, np.float64) * (basis.s2.mean() if len(basis.s2) else 1.0)
    intercept = 1.0 / len(y) if basis.centred else 0.0  # its share of every entry of the hat matrix

    shrinkage = basis.s2[:, None] / (basis.s2[:, None] + penalties)  # [k, P]
    leverage = (basis.left**2) @ shrinkage + (intercept if level is None else level[:, None] ** 2)  # [N, P]
    best: tuple[float, int, np.ndarray, np.ndarray] | None = None
    path = np.empty(len(penalties))
    for index in range(len(penalties)):
        shrink = shrinkage[:, index]
        residual = centred - basis.left @ (shrink[:, None] * projected)
        left_out = residual / np.maximum(1.0 - leverage[:, index : index + 1], LEVERAGE_FLOOR)
        for rows in blocks:
            if rows.shape[1] > 1:
                half = basis.left[rows] * np.sqrt(shrink)  # [g, m, k]
                mean = intercept if level is None else level[rows][:, :, None] * level[rows][:, None, :]
                hat = half @ half.transpose(0, 2, 1) + mean  # [g, m, m]
                left_out[rows] = block_left_out(residual[rows], np.eye(rows.shape[1]) - hat)
        errors = np.einsum("nk,nk->n", left_out, left_out)
        path[index] = errors.mean()
        if best is None or path[index] < best[0]:
            best = (path[index], index, left_out, errors)
    assert best is not None
    _, index, left_out, errors = best
    return Loo(float(penalties[index]), float(relative[index]), y - left_out, errors, path)


def group_blocks(groups: np.ndarray | None, rows: int) -> Iterator[np.ndarray]:
    """Row numbers of the groups, as int64 `[groups of that size, size]` for each size there is.

    `groups` are numbers `[rows]`, any that tell groups apart; without them every row is its own.
    """
    if groups is None:
        yield np.arange(rows)[:, None]
        return
    _, inverse, counts = np.unique(groups, return_inverse=True, return_counts=True)
    order = np.argsort(inverse, kind="stable")
    starts = np.cumsum(counts) - counts
    for size in np.unique(counts):
        yield order[starts[counts == size][:, None] + np.arange(size)]


def block_left_out(residual: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Residuals `[g, m, K]` of g groups of m rows when the whole group is left out: `free^-1 residual`.

    `residual` `[g, m, K]` are those of the fit on all rows, `free` `[g, m, m]` the groups' blocks of
    I - H, with H the hat matrix. Eigenvalues of `free` are kept above `LEVERAGE_FLOOR`.
    """
    values, vectors = np.linalg.eigh(free)
    turned = vectors.transpose(0, 2, 1) @ residual
    blocked: np.ndarray = vectors @ (turned / np.maximum(values, LEVERAGE_FLOOR)[:, :, None])
    return blocked


def coefficients(basis: Basis, targets: np.ndarray, penalty: float) -> tuple[np.ndarray, np.ndarray]:
    """The ridge solution (weight `[K, D]`, bias `[K]`) on the features the basis was made from."""
    y = np.asarray(targets, np.float64)
    y = y[:, None] if y.ndim == 1 else y
    centre = y.mean(axis=0) if basis.centred else np.zeros(y.shape[1])
    shrink = np.sqrt(basis.s2) / (basis.s2 + penalty)
    weight = basis.unfold((shrink[:, None] * (basis.left.T @ (y - centre))).T)
    return weight, centre - weight @ basis.mean


def normal_equations(
    standard: np.ndarray, targets: np.ndarray, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """`coefficients` for features `[N, D]` whose columns have mean 0, and many more rows than columns:
    nothing else of N x D is made."""
    from scipy.linalg import solve

    y = np.asarray(targets, np.float64)
    y = y[:, None] if y.ndim == 1 else y
    centre, gram = y.mean(axis=0), standard.T @ standard
    gram.flat[:: len(gram) + 1] += penalty
    return solve(gram, standard.T @ (y - centre), assume_a="pos", overwrite_a=True).T, centre


def centred_gram(gram: np.ndarray) -> np.ndarray:
    """float64 `[n, n]`: the products of rows less their mean, from the products of the rows."""
    mean = gram.mean(axis=0, dtype=np.float64)
    return np.asarray(gram - mean - mean[:, None] + mean.mean())


@dataclass(frozen=True)
class Dual:
    """Ridge regression with an intercept on rows whose products are known, for any part of them at once.

    With K the products of the centred rows, M = (K + penalty I)^-1 - 11'/(n penalty). On all rows the
    residual of a row that is left out is (M y)_i / M_ii. Of a part T of the rows, with the others S, M is
    M_TT - M_TS M_SS^-1 M_ST: what a fold needs costs its held-out rows squared times n, and no
    factorisation of its own.
    """

    solved: np.ndarray = field(repr=False)
    """float32 or float64 `[n, n]`: M."""
    penalty: float

    @classmethod
    def of(cls, centred: np.ndarray, penalty: float) -> Dual | None:
        """From the products `[n, n]` of centred rows; None when they are as good as singular at this
        penalty."""
        from scipy.linalg import lapack

        n = len(centred)
        single = n > FEW and float(np.trace(centred)) <= SINGLE * penalty
        factorised, inverted = (lapack.spotrf, lapack.spotri) if single else (lapack.dpotrf, lapack.dpotri)
        # a copy; symmetric, so its transpose is in LAPACK's order
        matrix: np.ndarray = centred.astype(np.float32 if single else np.float64)
        matrix.flat[:: n + 1] += penalty
        factor, failed = factorised(matrix.T, lower=0, clean=1, overwrite_a=1)
        if failed:
            return None
        half, _ = inverted(factor, lower=0, overwrite_c=1)  # one triangle, zeros in the other
        half.T.flat[:: n + 1] *= 0.5
        solved = half + half.T
        solved -= 1.0 / (n * penalty)
        return cls(solved, penalty)

    def left_out(
        self, targets: np.ndarray, part: np.ndarray | None = None, groups: np.ndarray | None = None
    ) -> np.ndarray:
        """float64 `[m, K]`: residuals of targets `[m, K]` when each row of the part (or its group) is left
        out. `part` int64 `[m]` are places among the n rows (None: all of them in their order), `groups`
        numbers `[m]`."""
        from scipy.linalg import lapack

        n, kind = len(self.solved), self.solved.dtype
        single = kind == np.float32
        factorised, halved = (lapack.spotrf, lapack.strtrs) if single else (lapack.dpotrf, lapack.dtrtrs)
        part = np.arange(n) if part is None else part
        wanted = np.zeros((n, targets.shape[1]), kind)
        wanted[part] = targets - targets.mean(axis=0)
        weighed, own = self.solved @ wanted, self.solved.diagonal()
        outside = np.ones(n, bool)
        outside[part] = False
        others = self.solved[outside]  # [s, n]
        if len(others):
            factor, _ = factorised(others[:, outside], lower=1)
            others = halved(factor, others, lower=1)[0]
            weighed = weighed - others.T @ halved(factor, weighed[outside], lower=1)[0]
            own = own - np.einsum("sn,sn->n", others, others)
        residual = self.penalty * weighed[part].astype(np.float64)
        out: np.ndarray = residual / np.maximum(self.penalty * own[part], LEVERAGE_FLOOR)[:, None]
        for rows in group_blocks(groups, len(part)) if groups is not None else ():
            if rows.shape[1] > 1:
                places = part[rows]  # [g, m]
                seen = others[:, places].transpose(1, 2, 0)  # [g, m, s]
                inside = self.solved[places[:, :, None], places[:, None, :]] - seen @ seen.transpose(0, 2, 1)
                out[rows] = block_left_out(residual[rows], self.penalty * inside)
        return out

"""L2-penalised logistic regression, for many training parts at once, by L-BFGS.

The problem is scikit-learn's: `C * sum of losses + 0.5 * |W|^2`, intercept free. What makes it quick:

* all folds are columns of one problem, so that one matrix product serves them all;
* rows are rotated onto their singular basis where that makes the problem smaller: the L2 solution
  is the same;
* variables are scaled by the curvature along the leading singular directions, so that the number
  of steps hardly depends on the penalty;
* penalties are walked from strong to weak, each starting where the last one ended.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal, Protocol

import numpy as np

from headstart.measure.spectral import Basis, Scaling, basis, standardise

Link = Literal["softmax", "sigmoid"]
Digits = Literal["loss", "rough", "exact"]
SMALL = 800
"""Up to this many rows or columns, the full singular basis costs less than it saves."""
LEADING = 128
"""Directions whose curvature is corrected for when there is no full basis."""
NEVER = -60.0
"""Intercept of a class that a training part does not have: its probability is 0."""
LEAST_CURVATURE = 1e-4
LARGE, HEAVY = 3e7, 2e8
"""Rows x columns x outputs from which a solution is only as exact as it can be seen (single precision; CLINC,
8 labels a class: 1.9 s instead of 6.9 and the same answers), and from which penalties are tried coarsely."""


@dataclass(frozen=True)
class Design:
    """Standardised, perhaps rotated features, with what is known of their curvature."""

    matrix: np.ndarray = field(repr=False)
    """`[N, k + 1]`, the last column is 1."""
    scaling: Scaling
    rotated: Basis | None = field(repr=False)
    """What the rows are rotated onto; None: they are not."""
    axes: np.ndarray | None = field(repr=False)
    """float64 `[k, r]`, orthonormal: the directions of `curvature`; None: the coordinates themselves."""
    curvature: np.ndarray = field(repr=False)
    """float64 `[r]`: mean square of the rows along the axes."""
    rest: float
    """Mean square along any direction across the axes."""

    def single(self) -> Design:
        """The same in float32: twice as quick, exact enough to choose a penalty by."""
        return replace(self, matrix=self.matrix.astype(np.float32))

    def unfold(self, weight: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A solution `[K, k]`, `[K]` in these coordinates -> one on raw features."""
        standard = weight if self.rotated is None else self.rotated.unfold(weight)
        return self.scaling.fold(standard, bias)


def design(features: np.ndarray, weights: np.ndarray | None = None) -> Design:
    """Standardise `[N, D]`; rotate onto the singular basis when that is cheap or much smaller."""
    standard, scaling = standardise(features, weights)
    rows, columns = standard.shape
    if min(rows, columns) <= SMALL or columns > 2 * rows:
        spectral = basis(standard, centre=False)
        matrix = np.hstack([spectral.scores, np.ones((rows, 1))])
        return Design(matrix, scaling, spectral, None, spectral.s2 / rows, 0.0)
    axes, curvature = _leading(standard)
    rest = max(0.0, float(np.einsum("nd,nd->", standard, standard)) / rows - curvature.sum())
    matrix = np.hstack([standard, np.ones((rows, 1))])
    return Design(matrix, scaling, None, axes, curvature, rest / max(1, columns - len(curvature)))


def _leading(standard: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(leading right singular directions `[D, r]`, their mean squares `[r]`), about: by two rounds
    of subspace iteration (Halko, Martinsson and Tropp, 2011). They only steer the solver."""
    matrix = standard.astype(np.float32)
    start = np.random.default_rng(0).standard_normal((matrix.shape[1], LEADING + 8), dtype=np.float32)
    axes = np.linalg.qr(matrix.T @ (matrix @ start))[0]
    axes = np.linalg.qr(matrix.T @ (matrix @ axes))[0].astype(np.float64)
    seen = (matrix @ axes.astype(np.float32)).astype(np.float64)
    values, turn = np.linalg.eigh(seen.T @ seen / len(seen))
    return np.linalg.qr(axes @ turn[:, ::-1])[0][:, :LEADING], values[::-1][:LEADING]


class Made(Protocol):
    """What rows have become: a `Design`, or `_kernel.Kernel`."""

    @property
    def matrix(self) -> np.ndarray:
        """`[N, k + 1]`"""
        ...


@dataclass(frozen=True)
class Parts:
    """Training parts (folds) of one problem."""

    targets: np.ndarray = field(repr=False)
    """float64 `[N, K]` of 0/1."""
    train: np.ndarray = field(repr=False)
    """bool `[F, N]`, or float64: how often each row counts, 0 outside of the part."""
    link: Link

    @property
    def active(self) -> np.ndarray:
        """bool `[F, K]`: outputs that can be learned there: both (or for softmax, any) values occur."""
        hits = self.train @ self.targets
        if self.link == "softmax":
            return hits > 0
        return (hits > 0) & (hits < self.train.sum(axis=1, keepdims=True))

    def start(self, width: int) -> np.ndarray:
        """float64 `[k + 1, F, K]`: no weights, smoothed log priors as intercepts."""
        hits, rows = self.train @ self.targets, self.train.sum(axis=1, keepdims=True)
        coefficients = np.zeros((width, *hits.shape))
        if self.link == "softmax":
            coefficients[-1] = np.where(self.active, np.log((hits + 0.5) / (rows + 0.5)), NEVER)
        else:
            coefficients[-1] = np.log((hits + 0.5) / (rows - hits + 0.5))
        return coefficients


def probabilities(logits: np.ndarray, link: Link) -> np.ndarray:
    """Logits `[..., K]` -> probabilities."""
    if link == "softmax":
        shifted = np.exp(logits - logits.max(axis=-1, keepdims=True))
        result: np.ndarray = shifted / shifted.sum(axis=-1, keepdims=True)
        return result
    return 0.5 * (1.0 + np.tanh(0.5 * logits))


def predict(design: Made, coefficients: np.ndarray) -> np.ndarray:
    """Logits `[N, F, K]` of all rows under each part's coefficients `[k + 1, F, K]`."""
    width, parts, outputs = coefficients.shape
    flat = coefficients.reshape(width, parts * outputs).astype(design.matrix.dtype)
    return (design.matrix @ flat).reshape(-1, parts, outputs)


def loss_cells(logits: np.ndarray, targets: np.ndarray, link: Link) -> np.ndarray:
    """Log-loss of logits `[N, F, K]`: `[N, F]` for softmax, `[N, F, K]` for sigmoid."""
    if link == "softmax":
        top = logits.max(axis=2)
        spread = np.log(np.exp(logits - top[:, :, None]).sum(axis=2)) + top
        own: np.ndarray = spread - np.take_along_axis(
            logits, targets.argmax(axis=1)[:, None, None], axis=2
        ).squeeze(2)
        return own
    cells: np.ndarray = np.logaddexp(0.0, logits) - targets[:, None, :] * logits
    return cells


@dataclass(frozen=True)
class _Scale:
    """The change of variables `coefficients = stretch(v)`: along the axes by `along`, else by `across`."""

    axes: np.ndarray | None
    along: np.ndarray
    """`[r, F, K]`"""
    across: np.ndarray
    """`[F, K]`"""
    bias: np.ndarray
    """`[K]`"""

    def stretch(self, v: np.ndarray, *, back: bool = False) -> np.ndarray:
        """Apply (or undo) the change of variables on `[k + 1, F, K]`. It is symmetric."""
        along, across, bias = (
            (1 / self.along, 1 / self.across, 1 / self.bias) if back else (self.along, self.across, self.bias)
        )
        result = np.empty_like(v)
        result[-1] = v[-1] * bias
        if self.axes is None:
            np.multiply(v[:-1], along, out=result[:-1])
            return result
        width, parts, outputs = v[:-1].shape
        inside = self.axes.T @ v[:-1].reshape(width, -1)  # [r, F * K]
        moved = self.axes @ (inside * (along - across).reshape(len(along), -1))
        result[:-1] = v[:-1] * across + moved.reshape(width, parts, outputs)
        return result


def _scale(design: Design, parts: Parts, penalty: np.ndarray, coefficients: np.ndarray) -> _Scale:
    """Curvature of the objective about `coefficients`; `penalty` `[F]` is that of the mean loss."""
    p = probabilities(predict(design, coefficients), parts.link)
    spread = np.maximum((p * (1 - p)).mean(axis=(0, 1), dtype=np.float64), LEAST_CURVATURE)  # [K]
    count = len(penalty)
    along = (spread * design.curvature[:, None, None] + penalty[:, None]) / count  # [r, F, K]
    across = (spread * design.rest + penalty[:, None]) / count  # [F, K]
    return _Scale(design.axes, 1 / np.sqrt(along), 1 / np.sqrt(across), 1 / np.sqrt(spread / count))


def solve(
    design: Design, parts: Parts, C: float, *, start: np.ndarray, to: Digits = "loss", steps: int = 400
) -> np.ndarray:
    """Coefficients float64 `[k + 1, F, K]` (intercept last) of each training part at penalty C.

    "exact" iterates until logits are right to about three digits or better, "rough" until probabilities are
    to two or three; with "loss" the log-loss is, which is what choosing a penalty needs.
    """
    from scipy.optimize import minimize

    rows = parts.train.sum(axis=1).astype(np.float64)  # [F]
    penalty = 1.0 / (C * rows)
    scale = _scale(design, parts, penalty, start)
    objective = _Objective(design, parts, penalty, scale, start.shape)
    found = minimize(
        objective,
        scale.stretch(start, back=True).ravel(),
        jac=True,
        method="L-BFGS-B",
        options={
            "maxcor": 10 if start.size < 1_000_000 else 5,
            "maxiter": steps,
            "maxfun": 2 * steps,
            "ftol": {"loss": 1e-4, "rough": 1e-7}.get(to)
            or _exactness(design.matrix.size * parts.targets.shape[1]),
            "gtol": 1e-5 if to == "loss" else 1e-7,
        },
    )
    return scale.stretch(found.x.reshape(start.shape))


def _exactness(work: float) -> float:
    """Where an exact fit stops, as a share of the loss: large problems cannot pay for digits no one sees."""
    return 1e-12 if work < 1e7 else 1e-9 if work < LARGE else 1e-7


class _Objective:
    """Mean over parts of (mean training loss + 0.5 * penalty * |W|^2), in the scaled variables."""

    def __init__(
        self, design: Design, parts: Parts, penalty: np.ndarray, scale: _Scale, shape: tuple[int, ...]
    ) -> None:
        self.matrix, self.shape, self.scale = design.matrix, shape, scale
        self.penalty = (penalty / len(penalty))[:, None]  # [F, 1]
        self.losses = Losses(parts, design.matrix.dtype)

    def __call__(self, v: np.ndarray) -> tuple[float, np.ndarray]:
        w = self.scale.stretch(v.reshape(self.shape))
        flat = w.reshape(self.shape[0], -1).astype(self.matrix.dtype)
        z = (self.matrix @ flat).reshape(-1, *self.shape[1:])  # [N, F, K]
        loss, slope = self.losses(z)
        gradient = (self.matrix.T @ slope.reshape(len(z), -1)).astype(np.float64).reshape(self.shape)
        pull = w[:-1] * self.penalty
        gradient[:-1] += pull
        gradient *= self.losses.active
        total = loss + 0.5 * float(np.vdot(pull, w[:-1]))
        return total, self.scale.stretch(gradient).ravel()


class Losses:
    """Mean training loss of all parts by their logits, and its slopes, in numbers of the given dtype."""

    def __init__(self, parts: Parts, kind: np.dtype[Any]) -> None:
        self.link, self.active = parts.link, parts.active
        share = parts.train.T / parts.train.sum(axis=1) / len(parts.train)  # [N, F]
        self.share = share.astype(kind)
        self.targets = parts.targets.astype(kind)[:, None, :]

    def __call__(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        """(loss, its slope `[N, F, K]`) of logits `[N, F, K]`, which may be overwritten."""
        return self._softmax(z) if self.link == "softmax" else self._sigmoid(z)

    def _softmax(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        z -= z.max(axis=2, keepdims=True)
        own = np.einsum("nfk,nok->nf", z, self.targets)
        np.exp(z, out=z)
        total = z.sum(axis=2, keepdims=True)
        loss = float(np.vdot(np.log(total[:, :, 0]) - own, self.share))
        z /= total
        z -= self.targets
        z *= self.share[:, :, None]
        return loss, z

    def _sigmoid(self, z: np.ndarray) -> tuple[float, np.ndarray]:
        loss = (np.logaddexp(0.0, z) - self.targets * z) * self.share[:, :, None]
        slope = probabilities(z, "sigmoid")
        slope -= self.targets
        slope *= self.share[:, :, None]
        return float(loss.sum(dtype=np.float64)), slope

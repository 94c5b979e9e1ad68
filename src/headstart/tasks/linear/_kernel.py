"""Logistic regression by the products of the rows, where there are about as many columns as rows, or more.

A solution is a combination of rows, W = X'A, so that K = XX' is all that need be known of them. L-BFGS (Liu
and Nocedal, 1989) walks over A in the inner product of K, from the inverse of the mean curvature,
s K / n + penalty I: a Cholesky factorisation instead of the eigenvectors that `design` has, in a tenth of the
time. In single precision: for penalties that are compared, and for fits that are measured and thrown away.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from headstart.measure.spectral import Scaling, standardise
from headstart.tasks.linear._logistic import LEAST_CURVATURE, Digits, Losses, Parts, predict, probabilities

HISTORY = 10
"""Steps that the curvature is learnt from."""
CONDITION = 1e-6
"""Curvature is not taken to be smaller than this share of the mean one, so that it can be factorised."""
NEAR = 4.0
"""The inverse of a penalty serves up to so many times it, which is one step of the path."""
HALVINGS = 20


@dataclass(frozen=True)
class Kernel:
    """Standardised rows by their products: what `predict` and `solve` are given in place of a `Design`."""

    matrix: np.ndarray = field(repr=False)
    """float32 `[n, n + 1]`: K, the last column is 1."""
    rows: np.ndarray = field(repr=False)
    """float32 `[n, D]`"""
    scaling: Scaling
    inverses: dict[float, np.ndarray] = field(default_factory=dict, repr=False)
    """By penalty, what `inverse` has found."""

    @classmethod
    def of(cls, features: np.ndarray, weights: np.ndarray | None = None) -> Kernel:
        """Of rows `[n, D]`, which are standardised."""
        standard, scaling = standardise(features, weights)
        rows = standard.astype(np.float32)
        return cls(np.hstack([rows @ rows.T, np.ones((len(rows), 1), np.float32)]), rows, scaling)

    def unfold(self, combination: np.ndarray, bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """A solution `[K, n]`, `[K]` -> one on raw features."""
        return self.scaling.fold((combination @ self.rows).astype(np.float64), bias.astype(np.float64))

    def inverse(self, penalty: float) -> np.ndarray:
        """float32 `[n, n]`: (K + penalty I)^-1, about, or one known for a penalty nearby: it only steers."""
        from scipy.linalg import lapack

        for known, found in self.inverses.items():
            if 1 / NEAR < known / penalty < NEAR:
                return found
        matrix = self.matrix[:, :-1].copy()
        n = len(matrix)
        matrix.flat[:: n + 1] += np.float32(max(penalty, CONDITION * float(np.trace(matrix))))
        factor, _ = lapack.spotrf(matrix.T, lower=0, clean=1, overwrite_a=1)  # symmetric: in LAPACK's order
        half, _ = lapack.spotri(factor, lower=0, overwrite_c=1)  # one triangle, zeros in the other
        half.T.flat[:: n + 1] *= 0.5
        self.inverses[penalty] = half + half.T
        return self.inverses[penalty]


def solve(
    kernel: Kernel, parts: Parts, C: float, *, start: np.ndarray, to: Digits = "loss", steps: int = 400
) -> np.ndarray:
    """Combinations float32 `[n + 1, F, K]` (intercept last) of each training part at penalty C, as
    `_logistic.solve` has coefficients; `to` is "loss" or "rough"."""
    problem = _Problem(kernel, parts, 1.0 / (C * parts.train.sum(axis=1)), predict(kernel, start))
    enough = {"loss": 1e-4, "rough": 1e-7}[to]
    at = problem.at(start.astype(np.float32))
    memory = _Memory(at)
    for _ in range(steps):
        step = memory.step(at)
        slope = float(np.vdot(step.logits, at.pull))
        if slope >= 0:  # by rounding
            break
        length, after = 1.0, problem.moved(at, step, 1.0)
        for _ in range(HALVINGS):
            if after.loss <= at.loss + 1e-4 * length * slope:
                break
            bend = after.loss - at.loss - length * slope
            length *= float(np.clip(-slope * length / (2 * bend), 0.1, 0.5)) if bend > 0 else 0.5
            after = problem.moved(at, step, length)
        else:
            break
        problem.turn(after)
        memory.add(at, after)
        fall, at = at.loss - after.loss, after
        if fall <= enough * at.loss:
            break
    return at.solution.reshape(start.shape)


@dataclass
class _Point:
    """A place on the way. Vectors are combinations of rows with the intercepts, float32 `[(n + 1) * F * K]`;
    the other half of an inner product is what `K` makes of one, and the intercepts once more."""

    solution: np.ndarray
    logits: np.ndarray
    """K of the solution"""
    loss: float
    pull: np.ndarray
    """The gradient."""
    turned: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """The gradient, times the inverse of the mean curvature."""
    felt: np.ndarray = field(default_factory=lambda: np.zeros(0))
    """K of that."""


@dataclass(frozen=True)
class _Step:
    solution: np.ndarray
    logits: np.ndarray


class _Problem:
    """Mean over parts of (mean training loss + 0.5 * penalty * |W|^2)."""

    def __init__(self, kernel: Kernel, parts: Parts, penalty: np.ndarray, logits: np.ndarray) -> None:
        gram = kernel.matrix[:, :-1]
        self.gram, self.losses, self.shape = gram, Losses(parts, gram.dtype), (-1, *logits.shape[1:])
        self.penalty = np.repeat(penalty / len(penalty), logits.shape[2]).astype(gram.dtype)  # [F * K]
        p = probabilities(logits, parts.link)
        spread = np.maximum((p * (1 - p)).mean(axis=(0, 1), dtype=np.float64), LEAST_CURVATURE)  # [K]
        self.bend = np.tile(spread / len(penalty), len(penalty)).astype(gram.dtype)
        bend = float(self.bend.mean())
        self.inverse = kernel.inverse(len(gram) * float(self.penalty.mean()) / bend) * (len(gram) / bend)

    def at(self, solution: np.ndarray) -> _Point:
        flat = solution.reshape(len(self.gram) + 1, -1)
        felt = np.concatenate([self.gram @ flat[:-1], flat[-1:]])
        point = self._seen(flat.ravel(), felt.ravel())
        self.turn(point)
        return point

    def moved(self, point: _Point, step: _Step, length: float) -> _Point:
        """The point that so much of a step leads to, not turned yet."""
        by = np.float32(length)
        return self._seen(point.solution + by * step.solution, point.logits + by * step.logits)

    def _seen(self, solution: np.ndarray, logits: np.ndarray) -> _Point:
        width = len(self.penalty)
        flat, felt = solution.reshape(-1, width), logits.reshape(-1, width)
        loss, slope = self.losses((felt[:-1] + felt[-1]).reshape(self.shape))
        pull = np.empty_like(flat)
        np.multiply(flat[:-1], self.penalty, out=pull[:-1])
        loss += 0.5 * float(np.vdot(pull[:-1], felt[:-1]))
        slope = (slope * self.losses.active).reshape(-1, width)
        pull[:-1] += slope
        pull[-1] = slope.sum(axis=0)
        return _Point(solution, logits, loss, pull.ravel())

    def turn(self, point: _Point) -> None:
        """Fill in what the next step begins with."""
        pull = point.pull.reshape(-1, len(self.penalty))
        inside, bias = self.inverse @ pull[:-1], pull[-1:] / self.bend
        point.turned = np.concatenate([inside, bias]).ravel()
        point.felt = np.concatenate([self.gram @ inside, bias]).ravel()


class _Memory:
    """The last steps, and what the gradient did over each, as rows: the next step is a few products."""

    def __init__(self, point: _Point) -> None:
        shape = HISTORY, len(point.solution)
        self.moves, self.changes, self.turns = (np.zeros(shape, np.float32) for _ in range(3))
        self.felt_moves, self.felt_turns = (np.zeros(shape, np.float32) for _ in range(2))
        self.along, self.about = (np.zeros((HISTORY, HISTORY), np.float32) for _ in range(2))
        self.count = 0

    def add(self, old: _Point, new: _Point) -> None:
        if np.vdot(new.logits - old.logits, new.pull - old.pull) <= 0:  # by rounding: the loss is convex
            return
        place = self.count % HISTORY
        self.moves[place] = new.solution - old.solution
        self.felt_moves[place] = new.logits - old.logits
        self.changes[place] = new.pull - old.pull
        self.turns[place] = new.turned - old.turned
        self.felt_turns[place] = new.felt - old.felt
        self.along[place], self.along[:, place] = (
            self.changes @ self.felt_moves[place],
            self.felt_moves @ self.changes[place],
        )
        self.about[place], self.about[:, place] = (
            self.felt_turns @ self.changes[place],
            self.changes @ self.felt_turns[place],
        )
        self.count += 1

    def step(self, point: _Point) -> _Step:
        """The two loops of L-BFGS, on numbers alone: the step is a combination of what is kept."""
        kept = [(self.count - 1 - age) % HISTORY for age in range(min(self.count, HISTORY))]
        along, about = self.along, self.about
        moves, turns = self.felt_moves @ point.pull, self.felt_turns @ point.pull
        taken, given = np.zeros(HISTORY), np.zeros(HISTORY)
        for k in kept:
            taken[k] = (moves[k] - along[k] @ taken) / along[k, k]
        for k in reversed(kept):
            given[k] = taken[k] - (turns[k] - about[k] @ taken + along[:, k] @ given) / along[k, k]
        taken, given = taken.astype(np.float32), given.astype(np.float32)
        return _Step(
            taken @ self.turns - given @ self.moves - point.turned,
            taken @ self.felt_turns - given @ self.felt_moves - point.felt,
        )

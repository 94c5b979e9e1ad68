"""Linear models of one row an item: a part of the contract, and what a fit gives.

Throughout: N rows, D columns, K outputs; `y` as in `tasks.base`.
"""

# ruff: noqa: ARG002  (the contract fixes the parameters; not every kind needs all of them)
from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypedDict, Unpack

import numpy as np

from headstart.core.task import Task


@dataclass(frozen=True)
class Sampled:
    """That the penalty of a linear model was chosen by some of its rows."""

    rows: int
    error: float
    """Standard error of the mean squared error that it was chosen by, as a share of that."""


@dataclass(frozen=True)
class Linear:
    """A fitted linear model on raw (not z-scored) features: `logits = X @ weight.T + bias`."""

    weight: np.ndarray = field(repr=False)
    """float64 `[K, D]`"""
    bias: np.ndarray = field(repr=False)
    """float64 `[K]`"""
    penalty: float
    """The chosen C of logistic regression; lambda where it is `ridge` regression."""
    ridge: bool = False
    sampled: Sampled | None = None
    """Where the penalty was not chosen by all rows."""

    @property
    def choices(self) -> dict[str, Any]:
        """How it was penalised, as JSON."""
        some = {} if self.sampled is None else {"C_by": vars(self.sampled)}
        return {"C": self.penalty, "ridge": self.ridge, **some}

    def logits(self, features: np.ndarray) -> np.ndarray:
        return features @ self.weight.T + self.bias


class Fit(TypedDict, total=False):
    """What a linear fit may be told."""

    groups: np.ndarray | None
    """Rows with equal numbers `[N]` are never parted in cross-validation."""
    penalties: Sequence[float] | None
    """Those to choose from; None: the usual ones."""
    seed: int
    weights: np.ndarray | None
    """float64 `[N]` above 0: how often each row counts; None: all once."""
    rough: bool
    """Probabilities need not be right beyond two or three digits: for what is measured and thrown away."""


NO_LINEAR = "this kind of task has no linear model of one row an item"


class LinearFit(Protocol):
    """Linear models in closed form or by a convex fit."""

    penalties: tuple[float, ...]
    """Those that are tried on sparse rows; the middle one where there is nothing to choose by."""

    def fit_linear(self, features: np.ndarray, y: np.ndarray, *, outputs: int, **how: Unpack[Fit]) -> Linear:
        """The linear probe: z-scored inside, penalty by grouped cross-validation on log-loss (or
        squared error) unless a single one is given, z-scoring folded into the result."""
        raise TypeError(NO_LINEAR)

    def weights(self, task: Task, y: np.ndarray) -> np.ndarray | None:
        """float64 `[N]`, 1 on average: how often each row is to count in a fit, by the metric; None where
        all count once."""
        return None

    def fit_sparse(
        self, features: Any, y: np.ndarray, outputs: int, penalty: float, weights: np.ndarray | None = None
    ) -> Linear:
        """scikit-learn's model of rows `[N, D]`, sparse or dense, that are taken as they are."""
        raise TypeError(NO_LINEAR)

    def penalty_for(self, chosen: float | None, ridge: bool, width: int, copies: int) -> float:
        """The penalty for single rows of `width` columns, from what was chosen on `copies` of each; the
        middle of the usual range where it chose none, or that of `ridge` regression in place of its own."""
        raise TypeError(NO_LINEAR)

    def work(self, outputs: int) -> int:
        """What a fit costs, in outputs of a logistic regression."""
        return outputs

    def ridge_targets(self, y: np.ndarray, outputs: int) -> np.ndarray:
        """float64 `[N, min(K, 64)]`: classes as 0/1 columns, labels as they are, values standardised.

        More than 64 columns are projected onto as many: layers are chosen by squared errors, which stay.
        """
        raise TypeError(NO_LINEAR)

    def chance(self, y: np.ndarray) -> tuple[float, float]:
        """(share of the largest class, variance of the ridge targets summed over them); 0 for no classes."""
        return 0.0, 1.0

"""Regression on one number: squared error on the standardised target, mean absolute error."""

# ruff: noqa: ARG002  (the contract fixes the parameters; not every kind needs all of them)
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from headstart.core.task import REGRESSION, Cell, Task
from headstart.errors import DataError
from headstart.measure import metrics
from headstart.measure.partition import drawn
from headstart.measure.ridge import RELATIVE, coefficients, loo_ridge, normal_equations
from headstart.measure.spectral import basis, standardise
from headstart.tasks.base import FIFTHS, TaskMethods
from headstart.tasks.base.fits import Fit, Linear, Sampled
from headstart.tasks.base.scores import Anew, Mean, Score
from headstart.tasks.linear import check

CHOOSING = 20_000
"""Rows by which a penalty is chosen, at most: `Linear.sampled` has the error of what it is chosen by. With
80,000 x 256 it takes a quarter of the time, and the squared error on other rows is the same."""
RIDGE_COST = 16
"""A ridge regression costs as much as so many outputs of a logistic one."""


class _Values(TaskMethods):
    """Numbers as targets and as answers."""

    kind = read_as = REGRESSION
    constant_name = "the median"

    def strata(self, y: np.ndarray, parts: int = FIFTHS) -> list[list[int]]:
        ranks = np.argsort(np.argsort(y, kind="stable"), kind="stable")
        return [[part] for part in (ranks * parts // max(1, len(ranks))).tolist()]

    def stratum(self, task: Task, number: int, y: np.ndarray) -> str:
        return f"values from {y.min():g} to {y.max():g}"

    def renumbered(self, y: np.ndarray, places: Mapping[int, Sequence[int]], outputs: int) -> np.ndarray:
        return np.asarray(y, np.float64)

    def about(self, task: Task) -> str:
        return f"with a number ({task.labels[0]})"

    def value(self, task: Task, target: Any) -> Any:
        return float(target)

    def decode(self, task: Task, predictions: np.ndarray) -> list[Any]:
        """One number for each row."""
        return [float(value) for value in predictions[:, 0]]

    def head(self, top: int | None) -> tuple[str, str]:
        return "value", ""

    def line(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> tuple[str, str]:
        return f"{answer:.6g}", ""

    def cells(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> dict[str, Cell]:
        return {"value": float(scores[0])}

    def to_json(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> dict[str, Any]:
        return {"value": float(answer)}


def _absolute(y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """float64 `[N]`: absolute errors."""
    return np.abs(np.asarray(y, np.float64) - predictions[:, 0])


SCORES = (
    Mean("MAE", _absolute),
    Anew("RMSE", lambda y, predictions: metrics.rmse(y, predictions[:, 0])),
    Anew("R2", lambda y, predictions: metrics.r2(y, predictions[:, 0])),
)


class _Judge(TaskMethods):
    """How good numbers are told."""

    scores: Mapping[str, Score] = {score.name: score for score in SCORES}

    def errors(self, y: np.ndarray, predictions: np.ndarray) -> int:
        return len(y)

    def mean_loss(self, y: np.ndarray, predictions: np.ndarray) -> float:
        return float(np.mean((predictions[:, 0] - y) ** 2))


class _Fit(TaskMethods):
    """Ridge regression."""

    penalties = (0.1, 1.0, 10.0)

    def penalty_for(self, chosen: float | None, ridge: bool, width: int, copies: int) -> float:
        return float(chosen) / copies if chosen else float(width)

    def work(self, outputs: int) -> int:
        return RIDGE_COST

    def ridge_targets(self, y: np.ndarray, outputs: int) -> np.ndarray:
        offset, scale = self.scaling(y, outputs)
        return np.asarray((np.asarray(y, np.float64)[:, None] - offset) / scale)

    def constant(self, y: np.ndarray, outputs: int) -> np.ndarray:
        """The median: the best constant for absolute error."""
        return np.full(outputs, float(np.median(y)) if len(y) else 0.0)

    def fit_linear(self, features: np.ndarray, y: np.ndarray, *, outputs: int, **how: Unpack[Fit]) -> Linear:
        """Ridge regression; lambda by the exact leave-one-out (or leave-one-group-out) squared error, that of
        `CHOOSING` rows where there are more.

        `penalties` are values of lambda against the sum of squared errors. Nothing is random.
        Raises `DataError` for features or targets that are not finite.
        """
        groups, penalties, weights = how.get("groups"), how.get("penalties"), how.get("weights")
        check(features, y)
        if not np.isfinite(y).all():
            raise DataError("linear probe", "a target is NaN or infinite", "check the labels")
        standard, scaling = standardise(features, weights)
        if weights is None and penalties is None and len(y) > max(CHOOSING, standard.shape[1]):
            some = drawn(len(y), CHOOSING, seed=how.get("seed", 0))
            loo = loo_ridge(basis(standard[some]), y[some], groups=None if groups is None else groups[some])
            weight, bias = scaling.fold(*normal_equations(standard, y, loo.penalty))
            error = float(loo.errors.std() / np.sqrt(len(some)) / max(loo.mse, 1e-30))
            sampled = Sampled(len(some), error)
            weight, bias = np.repeat(weight, outputs, axis=0), np.repeat(bias, outputs)
            return Linear(weight, bias, loo.penalty, ridge=True, sampled=sampled)
        centre, level = 0.0, None
        if weights is None:
            spectral = basis(standard)
        else:  # rows count as often as their weights say: squared errors are scaled by the roots of these
            centre, root = float(np.average(y, weights=weights)), np.sqrt(weights)
            spectral, y = basis(standard * root[:, None], centre=False), (y - centre) * root
            level = root / np.sqrt(weights.sum())
        unit = float(spectral.s2.mean()) if len(spectral.s2) else 1.0
        relative = RELATIVE if penalties is None else tuple(value / unit for value in sorted(penalties))
        several = len(y) > 1 if groups is None else len(np.unique(groups)) > 1
        if len(relative) == 1 or not several or not len(spectral.s2):
            penalty = unit * relative[len(relative) * 2 // 3]
        else:
            penalty = loo_ridge(spectral, y, groups=groups, relative=relative, level=level).penalty
        weight, bias = coefficients(spectral, y, penalty)
        weight, bias = scaling.fold(weight, bias + centre)
        return Linear(np.repeat(weight, outputs, axis=0), np.repeat(bias, outputs), penalty, ridge=True)

    def fit_sparse(
        self, features: Any, y: np.ndarray, outputs: int, penalty: float, weights: np.ndarray | None = None
    ) -> Linear:
        """Ridge regression."""
        from sklearn.linear_model import Ridge

        model = Ridge(alpha=penalty, solver="sparse_cg").fit(features, y, weights)
        weight, bias = np.tile(model.coef_, (outputs, 1)), np.full(outputs, float(model.intercept_))
        return Linear(weight, bias, penalty, ridge=True)


class Regression(_Values, _Judge, _Fit):
    """Methods of regression. Targets float64 `[N]`, predictions values `[N, 1]`."""

    def scaling(self, y: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray]:
        """Mean and standard deviation of the training targets (1 when they do not vary)."""
        sd = float(np.std(y)) if len(y) else 0.0
        mean = float(np.mean(y)) if len(y) else 0.0
        varies = sd > 1e-12 * max(1.0, abs(mean))
        return np.full(outputs, mean), np.full(outputs, sd if varies else 1.0)

    def targets(self, y: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """float32 `[N, 1]`, standardised."""
        return ((np.asarray(y, np.float64)[:, None] - offset) / scale).astype(np.float32)

    def loss(self, z: Any, targets: Any, *, smoothing: float = 0.0) -> Any:
        """Squared error of each item; `smoothing` has no meaning here."""
        return ((z - targets) ** 2).mean(dim=1)

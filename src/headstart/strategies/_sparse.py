"""Linear models on sparse rows, their penalty by cross-validation: scikit-learn's, one for each kind of task.

The columns are taken as they are: to standardise rare words would make them the loudest.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from scipy import sparse

from headstart import tasks
from headstart.core.task import CLASSIFICATION, MULTILABEL, Task
from headstart.tasks._linear import inner_folds
from headstart.tasks.base import Linear
from headstart.tasks.classification import UNSEEN

STRENGTHS = (1.0, 10.0, 100.0)
"""C tried for logistic regression; the middle one where there is nothing to choose by."""
RIDGES = (0.1, 1.0, 10.0)
"""Penalties tried for ridge regression."""
FOLDS = 3
MANY = 5e5
"""Numbers that are not zero x outputs from which the middle penalty is taken without trying others: on 1,200
texts in 150 classes a choice took 5 s a fold, and a baseline must not starve what it is compared with."""


def fit_sparse(
    task: Task, features: sparse.csr_matrix, y: np.ndarray, *, groups: np.ndarray | None = None, seed: int = 0
) -> Linear:
    """The task's linear model, as `TaskMethods.fit_linear` gives it for dense features."""
    fit, grid = _methods(task)
    penalty = grid[len(grid) // 2]
    if features.nnz * task.outputs <= MANY:
        penalty = _choose(task, features, y, fit, grid, groups, seed)
    weight, bias = fit(features, y, task.outputs, penalty)
    return Linear(weight, bias, penalty, ridge=fit is _values)


Fit = Callable[[sparse.csr_matrix, np.ndarray, int, float], tuple[np.ndarray, np.ndarray]]
"""(features, targets, outputs, penalty) -> (weight `[K, D]`, bias `[K]`)"""


def _methods(task: Task) -> tuple[Fit, Sequence[float]]:
    if task.kind == CLASSIFICATION:
        return classes, STRENGTHS
    if task.kind == MULTILABEL:
        return _labels, STRENGTHS
    return _values, RIDGES


def _choose(
    task: Task,
    features: sparse.csr_matrix,
    y: np.ndarray,
    fit: Fit,
    grid: Sequence[float],
    groups: np.ndarray | None,
    seed: int,
) -> float:
    """The penalty with the least held-out loss; the middle one where nothing can be held out."""
    methods = tasks.for_task(task)
    strata = y if task.kind == CLASSIFICATION else np.zeros(len(y), np.int64)
    folds = inner_folds(strata, groups, folds=FOLDS, seed=seed)
    totals = dict.fromkeys(grid, 0.0)
    for train in folds:
        held = np.flatnonzero(~train)
        if task.kind == CLASSIFICATION:  # nothing can be said about a class that was not seen
            held = held[np.isin(y[held], y[train])]
        if not len(held):
            continue
        offset, scale = methods.scaling(y[train], task.outputs)
        wanted = methods.targets(y[held], offset, scale)
        for penalty in grid:
            weight, bias = fit(features[train], y[train], task.outputs, penalty)
            z = (features[held] @ weight.T + bias - offset) / scale
            totals[penalty] += _loss(methods, z, wanted)
    ordered = sorted(grid, key=lambda penalty: abs(np.log(penalty / grid[len(grid) // 2])))
    return min(ordered, key=lambda penalty: totals[penalty])


def ready() -> None:
    """Import what the models need, which takes seconds: the first fold is not to be judged by that."""
    import sklearn.linear_model  # noqa: F401
    import torch  # noqa: F401


def _loss(methods: tasks.TaskMethods, z: np.ndarray, wanted: np.ndarray) -> float:
    import torch

    return float(methods.loss(torch.from_numpy(z), torch.from_numpy(np.asarray(wanted))).sum())


def classes(
    features: sparse.csr_matrix | np.ndarray, y: np.ndarray, outputs: int, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    """(weight `[K, D]`, bias `[K]`) of scikit-learn's logistic regression at C = `penalty`.

    A class without rows gets weight 0 and a logit well below the others'.
    """
    from sklearn.linear_model import LogisticRegression

    weight, bias = np.zeros((outputs, features.shape[1])), np.zeros(outputs)
    present = np.unique(y)
    bias[np.setdiff1d(np.arange(outputs), present)] = -max(UNSEEN, float(np.log(2 * max(1, len(y)))))
    if len(present) < 2:
        return weight, bias
    model = LogisticRegression(C=penalty, max_iter=1000).fit(features, y)
    w, b = model.coef_, model.intercept_
    if len(present) == 2:
        w, b = np.concatenate([-w, w]) / 2, np.concatenate([-b, b]) / 2
    weight[present], bias[present] = w - w.mean(axis=0), b - b.mean()
    return weight, bias


def _labels(
    features: sparse.csr_matrix, y: np.ndarray, outputs: int, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.linear_model import LogisticRegression

    weight = np.zeros((outputs, features.shape[1]))
    hits = np.asarray(y, np.float64).sum(axis=0)
    bias = np.log((hits + 0.5) / (len(y) - hits + 0.5))
    for label in np.flatnonzero((hits > 0) & (hits < len(y))):
        model = LogisticRegression(C=penalty, max_iter=1000).fit(features, y[:, label] > 0.5)
        weight[label], bias[label] = model.coef_[0], model.intercept_[0]
    return weight, bias


def _values(
    features: sparse.csr_matrix, y: np.ndarray, outputs: int, penalty: float
) -> tuple[np.ndarray, np.ndarray]:
    from sklearn.linear_model import Ridge

    model = Ridge(alpha=penalty, solver="sparse_cg").fit(features, y)
    return np.tile(model.coef_, (outputs, 1)), np.full(outputs, float(model.intercept_))

"""Linear models on sparse rows, their penalty by cross-validation: scikit-learn's.

The columns are taken as they are: to standardise rare words would make them the loudest.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

from headstart import tasks
from headstart.core.task import Task
from headstart.tasks.base.fits import Linear
from headstart.tasks.linear import inner_folds

FOLDS = 3
MANY = 5e5
"""Numbers that are not zero x outputs from which the middle penalty is taken without trying others: on 1,200
texts in 150 classes a choice took 5 s a fold, and a baseline must not starve what it is compared with."""


def fit_sparse(
    task: Task, features: sparse.csr_matrix, y: np.ndarray, *, groups: np.ndarray | None = None, seed: int = 0
) -> Linear:
    """The task's linear model, as `TaskMethods.fit_linear` gives it for dense features."""
    methods = tasks.for_task(task)
    penalty = methods.penalties[len(methods.penalties) // 2]
    if features.nnz * task.outputs <= MANY:
        penalty = _choose(task, features, y, groups, seed)
    return methods.fit_sparse(features, y, task.outputs, penalty, methods.weights(task, y))


def _choose(
    task: Task, features: sparse.csr_matrix, y: np.ndarray, groups: np.ndarray | None, seed: int
) -> float:
    """The penalty with the least held-out loss; the middle one where nothing can be held out."""
    methods = tasks.for_task(task)
    grid = methods.penalties
    strata = y if methods.exclusive else np.zeros(len(y), np.int64)
    folds = inner_folds(strata, groups, folds=FOLDS, seed=seed)
    totals = dict.fromkeys(grid, 0.0)
    weights = methods.weights(task, y)
    heft = np.ones(len(y)) if weights is None else weights
    for train in folds:
        held = np.flatnonzero(~train)
        if methods.exclusive:  # nothing can be said about a class that was not seen
            held = held[np.isin(y[held], y[train])]
        if not len(held):
            continue
        offset, scale = methods.scaling(y[train], task.outputs)
        wanted = methods.targets(y[held], offset, scale)
        for penalty in grid:
            linear = methods.fit_sparse(
                features[train], y[train], task.outputs, penalty, methods.weights(task, y[train])
            )
            totals[penalty] += _loss(
                methods, (linear.logits(features[held]) - offset) / scale, wanted, heft[held]
            )
    ordered = sorted(grid, key=lambda penalty: abs(np.log(penalty / grid[len(grid) // 2])))
    return min(ordered, key=lambda penalty: totals[penalty])


def ready() -> None:
    """Import what the models need, which takes seconds: the first fold is not to be judged by that."""
    import sklearn.linear_model  # noqa: F401
    import torch  # noqa: F401


def _loss(methods: tasks.TaskMethods, z: np.ndarray, wanted: np.ndarray, heft: np.ndarray) -> float:
    import torch

    losses = methods.loss(torch.from_numpy(z), torch.from_numpy(np.asarray(wanted)))
    return float((losses * torch.from_numpy(heft)).sum())

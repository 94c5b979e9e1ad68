"""The simple models on rows of a table: a linear one, and gradient-boosted trees. No source at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial, arm_name
from headstart.modalities import table
from headstart.modalities.table import Row, TablePreprocessing
from headstart.strategies.baselines import fit_linear
from headstart.strategies.linear._trees import Forest, fit_trees
from headstart.strategies.shared._folds import run_folds


class Linear:
    """Logistic or ridge regression on standardised numbers and a column for each category.

    Means, deviations, categories and the penalty come from the training rows of each fold alone.
    """

    name = "linear"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """Reading the cells, and a linear model a fold."""
        return _cost(request, 1e-6)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds "C" and "columns" of each fold."""
        request = replace(request, backbone=None)
        rows, methods = read(request), tasks.for_task(request.task)

        def fit_fold(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ARG001
            reads, x = _learnt(rows, fold.train)
            linear = fit_linear(request, x, fold.train, rough=True)
            said = methods.activate(linear.logits(reads.matrix([rows[row] for row in fold.test])))
            return said, {"C": linear.penalty, "columns": len(reads.columns)}

        trial = run_folds(request, arm_name(self.name, None), fit_fold)
        return replace(trial, reason=trial.reason or _told(trial.choices))

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "row"."""
        rows = request.split.development
        reads, x = _learnt(read(request), rows)
        linear = fit_linear(replace(request, backbone=None), x, rows)
        tensors = {"head.weight": linear.weight, "head.bias": linear.bias}
        return Model(
            request.task, reads, {"kind": "row"}, {k: v.astype(np.float32) for k, v in tensors.items()}
        )


class Trees:
    """scikit-learn's gradient-boosted trees (`HistGradientBoosting`) with its usual settings, but that a leaf
    may be smaller where rows are few."""

    name = "trees"

    def ready(self) -> None:
        """Import what grows trees."""
        import sklearn.ensemble  # noqa: F401

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """Reading the cells, and a hundred trees for each output a fold."""
        return _cost(request, 2e-5 * min(50, request.task.outputs), 0.3 * min(50, request.task.outputs))

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds "trees" and "columns" of each fold."""
        request = replace(request, backbone=None)
        rows, methods = read(request), tasks.for_task(request.task)
        self.ready()

        def fit_fold(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ARG001
            reads, x = _learnt(rows, fold.train)
            forest = self._grown(request, x, fold.train)
            said = methods.activate(forest.logits(reads.matrix([rows[row] for row in fold.test])))
            return said, {"trees": len(forest.output), "columns": len(reads.columns)}

        trial = run_folds(request, arm_name(self.name, None), fit_fold)
        return replace(trial, reason=trial.reason or _told(trial.choices))

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "trees"."""
        rows = request.split.development
        reads, x = _learnt(read(request), rows)
        return Model(request.task, reads, {"kind": "trees"}, self._grown(request, x, rows).tensors())

    def _grown(self, request: Request, x: np.ndarray, rows: np.ndarray) -> Forest:
        y = request.dataset.targets[rows]
        return fit_trees(x, y, request.task, seed=request.seed)


def read(request: Request) -> list[Row]:
    """All rows, in the order of the data set."""
    return [table.open_item(item.read()) for item in request.dataset.items]


def _learnt(rows: Sequence[Row], train: np.ndarray) -> tuple[TablePreprocessing, np.ndarray]:
    """How rows are prepared as those of `train` tell, and these, prepared: float32 `[n, D]`."""
    some = [rows[row] for row in train]
    reads = TablePreprocessing.of(some)
    return reads, reads.matrix(some)


def _told(choices: Mapping[str, Any]) -> str:
    counts = [fold["columns"] for fold in choices["folds"]]
    return f"{max(counts, default=0)} columns"


def _cost(request: Request, each: float, fold: float = 0.05) -> Cost:
    folds = len(request.split.folds) + 1
    return Cost(seconds=len(request.dataset) * 1e-5 + folds * (fold + len(request.dataset) * (4e-5 + each)))

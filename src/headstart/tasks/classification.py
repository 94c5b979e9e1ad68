"""Single-label classification: softmax head, cross-entropy, accuracy."""

# ruff: noqa: ARG002  (the contract fixes the parameters; not every kind needs all of them)
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headstart.core.task import CLASSIFICATION, Task
from headstart.errors import DataError
from headstart.measure import calibration, metrics
from headstart.measure.ridge import one_hot
from headstart.tasks._linear import check, fit_logistic
from headstart.tasks._logistic import probabilities
from headstart.tasks.base import Linear

UNSEEN = 10.0
"""A class without training rows gets a logit at least this far below the mean of the others."""


class Classification:
    """Methods of single-label classification. Targets int64 `[N]`, predictions probabilities `[N, K]`."""

    kind = CLASSIFICATION

    def make_task(self, labels: Sequence[str]) -> Task:
        """A task judged by accuracy."""
        return Task(self.kind, tuple(labels), "accuracy")

    def scaling(self, y: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray]:
        """Offset 0 and scale 1: logits are what the head gives."""
        return np.zeros(outputs), np.ones(outputs)

    def targets(self, y: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """int64 `[N]`"""
        return np.asarray(y, np.int64)

    def loss(self, z: Any, targets: Any, *, smoothing: float = 0.0) -> Any:
        """Cross-entropy of each item `[B]`."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(z, targets, label_smoothing=smoothing, reduction="none")

    def activate(self, logits: np.ndarray) -> np.ndarray:
        """Softmax over the last axis."""
        return probabilities(logits, "softmax")

    def activate_tensor(self, logits: Any) -> Any:
        """Softmax over the last axis."""
        return logits.softmax(-1)

    def decode(self, task: Task, predictions: np.ndarray) -> list[Any]:
        """The label of the largest probability, the first of equals."""
        return [task.labels[i] for i in metrics.decide(predictions)]

    def per_item(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray | None:
        """1 where the decided class is right, else 0."""
        return (metrics.decide(predictions) == y).astype(np.float64)

    def resampled(self, y: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Accuracy under each row of item weights."""
        right = (metrics.decide(predictions) == y).astype(np.float64)
        return weights @ right / weights.sum(axis=1)

    def headline(self, y: np.ndarray, predictions: np.ndarray) -> float:
        """Accuracy."""
        return metrics.accuracy(y, predictions)

    def over_labels(self, y: np.ndarray, predictions: np.ndarray) -> dict[str, np.ndarray]:
        """Recall, F1 and AUROC of each class."""
        return {
            "balanced accuracy": metrics.recalls(y, predictions),
            "F1": metrics.f1s(y, predictions),
            "AUROC": metrics.aurocs(y, predictions),
        }

    def metrics(
        self, task: Task, y: np.ndarray, predictions: np.ndarray, each: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, float]:
        """What is defined of: accuracy (plain, balanced, top-5), macro F1, AUROC, log loss, Brier, ECE."""
        each = self.over_labels(y, predictions) if each is None else each
        found = {
            "accuracy": metrics.accuracy(y, predictions),
            **{name: metrics.known_mean(values) for name, values in each.items()},
            "log loss": metrics.log_loss(y, predictions),
            "Brier": metrics.brier(y, predictions),
            "ECE": calibration.ece(y, predictions),
        }
        if task.outputs > 5:
            found["top-5 accuracy"] = metrics.top_k(y, predictions, 5)
        return {name: value for name, value in found.items() if np.isfinite(value)}

    def constant(self, y: np.ndarray, outputs: int) -> np.ndarray:
        """Log class shares, half a row added to each class."""
        counts = np.bincount(y, minlength=outputs) + 0.5
        return np.log(counts / counts.sum())

    def fit_linear(
        self,
        features: np.ndarray,
        y: np.ndarray,
        *,
        outputs: int,
        groups: np.ndarray | None = None,
        penalties: Sequence[float] | None = None,
        seed: int = 0,
    ) -> Linear:
        """Multinomial logistic regression (binomial with two classes), as scikit-learn defines it.

        Without `penalties`, C is chosen by stratified, grouped cross-validation on log-loss. A class
        without rows gets weight 0 and a logit well below the mean of the others.
        Raises `DataError` for features that are not finite, or labels out of range.
        """
        check(features, y)
        if y.min() < 0 or y.max() >= outputs:
            raise DataError(
                "linear probe", f"a class number is outside 0 to {outputs - 1}", "check the labels"
            )
        present, local = np.unique(y, return_inverse=True)
        weight, bias = np.zeros((outputs, features.shape[1])), np.zeros(outputs)
        penalty, ridge = float(min(penalties)) if penalties else 0.0, False
        if len(present) > 1:
            binary = len(present) == 2
            found = fit_logistic(
                features,
                local[:, None].astype(np.float64) if binary else one_hot(local, len(present)),
                link="sigmoid" if binary else "softmax",
                groups=groups,
                penalties=penalties,
                seed=seed,
            )
            w, b, penalty, ridge = found.weight, found.bias, found.penalty, found.ridge
            if binary:
                w, b = np.concatenate([-w, w]) / 2, np.concatenate([-b, b]) / 2
            weight[present], bias[present] = w - w.mean(axis=0), b - b.mean()
        absent = np.setdiff1d(np.arange(outputs), present)
        bias[absent] = -max(UNSEEN, float(np.log(2 * len(y))))
        return Linear(weight, bias, penalty, ridge)

"""Multi-label classification: a sigmoid for each label, binary cross-entropy, mean average precision."""

# ruff: noqa: ARG002  (the contract fixes the parameters; not every kind needs all of them)
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from headstart.core.task import MULTILABEL, Task
from headstart.errors import DataError
from headstart.measure import multilabel
from headstart.measure.metrics import known_mean
from headstart.tasks._linear import check, fit_logistic
from headstart.tasks._logistic import probabilities
from headstart.tasks.base import Linear

THRESHOLD = 0.5


class MultiLabel:
    """Methods of multi-label classification. Targets `[N, C]` of 0/1, predictions probabilities `[N, C]`."""

    kind = MULTILABEL

    def make_task(self, labels: Sequence[str]) -> Task:
        """A task judged by mean average precision."""
        return Task(self.kind, tuple(labels), "mAP")

    def scaling(self, y: np.ndarray, outputs: int) -> tuple[np.ndarray, np.ndarray]:
        """Offset 0 and scale 1: logits are what the head gives."""
        return np.zeros(outputs), np.ones(outputs)

    def targets(self, y: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """float32 `[N, C]`"""
        return np.asarray(y, np.float32)

    def loss(self, z: Any, targets: Any, *, smoothing: float = 0.0) -> Any:
        """Binary cross-entropy of each item `[B]`, averaged over its labels."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        soft = targets * (1 - smoothing) + smoothing / 2
        return binary_cross_entropy_with_logits(z, soft, reduction="none").mean(dim=1)

    def activate(self, logits: np.ndarray) -> np.ndarray:
        """Sigmoid of each label."""
        return probabilities(logits, "sigmoid")

    def activate_tensor(self, logits: Any) -> Any:
        """Sigmoid of each label."""
        return logits.sigmoid()

    def decode(self, task: Task, predictions: np.ndarray) -> list[Any]:
        """The labels with a probability of one half or more."""
        return [[task.labels[c] for c in np.flatnonzero(row >= THRESHOLD)] for row in predictions]

    def per_item(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray | None:
        """None: mean average precision is not a mean over items."""
        return None

    def resampled(self, y: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        """Mean average precision under each row of item weights."""
        return multilabel.resampled_map(y, predictions, weights)

    def headline(self, y: np.ndarray, predictions: np.ndarray) -> float:
        """Mean average precision over the labels that occur."""
        return multilabel.mean_average_precision(y, predictions)

    def over_labels(self, y: np.ndarray, predictions: np.ndarray) -> dict[str, np.ndarray]:
        """Average precision, F1 and AUROC of each label."""
        return {
            "mAP": multilabel.average_precisions(y, predictions),
            "F1": multilabel.f1s(y, predictions, THRESHOLD),
            "AUROC": multilabel.aurocs(y, predictions),
        }

    def metrics(
        self, task: Task, y: np.ndarray, predictions: np.ndarray, each: Mapping[str, np.ndarray] | None = None
    ) -> dict[str, float]:
        """What is defined of: mAP, F1 (macro and micro, at one half), LRAP, AUROC, log loss."""
        each = self.over_labels(y, predictions) if each is None else each
        mean = {name: known_mean(values) for name, values in each.items()}
        found = {
            "mAP": mean["mAP"],
            "F1": mean["F1"],
            "micro F1": multilabel.micro_f1(y, predictions, THRESHOLD),
            "LRAP": multilabel.lrap(y, predictions),
            "AUROC": mean["AUROC"],
            "log loss": multilabel.log_loss(y, predictions),
        }
        return {name: value for name, value in found.items() if np.isfinite(value)}

    def constant(self, y: np.ndarray, outputs: int) -> np.ndarray:
        """Logit of each label's share, half a row added on both sides."""
        hits = np.asarray(y, np.float64).sum(axis=0)
        return np.log((hits + 0.5) / (len(y) - hits + 0.5))

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
        """One logistic regression a label, all in one solve, with one C for all of them.

        A label that is always or never set gets weight 0 and the logit of its smoothed share.
        Raises `DataError` for features that are not finite, or targets other than 0 and 1.
        """
        targets = np.asarray(y, np.float64)
        check(features, targets)
        if targets.shape[1:] != (outputs,) or not np.isin(targets, (0.0, 1.0)).all():
            raise DataError("linear probe", "a multi-label target is not 0 or 1", "check the labels")
        weight, bias = np.zeros((outputs, features.shape[1])), self.constant(targets, outputs)
        penalty, ridge = float(min(penalties)) if penalties else 0.0, False
        varies = np.flatnonzero((targets != targets[:1]).any(axis=0))
        if len(varies):
            found = fit_logistic(
                features, targets[:, varies], link="sigmoid", groups=groups, penalties=penalties, seed=seed
            )
            weight[varies], bias[varies] = found.weight, found.bias
            penalty, ridge = found.penalty, found.ridge
        return Linear(weight, bias, penalty, ridge)

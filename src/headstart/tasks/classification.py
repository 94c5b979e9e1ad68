"""Single-label classification: softmax head, cross-entropy, accuracy."""

# ruff: noqa: ARG002  (the contract fixes the parameters; not every kind needs all of them)
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from headstart.core.task import CLASSIFICATION, Task
from headstart.errors import DataError
from headstart.measure import calibration, label_errors, metrics
from headstart.tasks.base import Doubt
from headstart.tasks.base.fits import Fit, Linear
from headstart.tasks.base.labels import SMALL, TINY, LabelMethods, log_odds
from headstart.tasks.base.scores import Mean, OverLabels, Score
from headstart.tasks.linear import check, fit_logistic
from headstart.tasks.linear._logistic import Link, probabilities
from headstart.tasks.linear._many import Targets

UNSEEN = 10.0
"""A class without training rows gets a logit at least this far below the mean of the others."""


class _Classes(LabelMethods):
    """Classes as targets and as answers."""

    kind = read_as = CLASSIFICATION
    exclusive = True
    noun = ("class", "classes")

    def strata(self, y: np.ndarray, parts: int = 0) -> list[list[int]]:
        return [[label] for label in y.tolist()]

    def renumbered(self, y: np.ndarray, places: Mapping[int, Sequence[int]], outputs: int) -> np.ndarray:
        first = np.zeros(1 + max(places, default=0), np.int64)
        for label, there in places.items():
            first[label] = there[0]
        return first[y]

    def occurring(self, y: np.ndarray, outputs: int) -> np.ndarray:
        return np.isin(np.arange(outputs), y)

    def membership(self, y: np.ndarray, outputs: int) -> np.ndarray:
        return np.asarray(y)[:, None] == np.arange(outputs)

    def decided(self, predictions: np.ndarray) -> np.ndarray:
        return self.membership(metrics.decide(predictions), predictions.shape[1])

    def value(self, task: Task, target: Any) -> Any:
        return task.labels[int(target)]

    def decode(self, task: Task, predictions: np.ndarray) -> list[Any]:
        """The label of the largest probability, the first of equals."""
        return [task.labels[i] for i in metrics.decide(predictions)]

    def confidence(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        return predictions.max(axis=1)

    def log_odds(self, predictions: np.ndarray, column: int) -> np.ndarray:
        # the others are added up: 1 - p has no digits left where p is 1
        return log_odds(predictions[:, column], np.delete(predictions, column, axis=1).sum(axis=1))

    def asked(self, target: Any, prediction: np.ndarray) -> tuple[int, bool]:
        return int(prediction.argmax()), True

    def doubts(self, labels: Sequence[str], y: np.ndarray, predictions: np.ndarray) -> list[Doubt]:
        found = label_errors.suspects(y, predictions)
        return [
            (row, {"given": labels[y[row]], "suggested": labels[other],
                   "p_given": predictions[row, y[row]], "p_suggested": predictions[row, other]})
            for row, other in zip(found.rows, found.suggested, strict=True)
        ]  # fmt: skip


def _right(y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
    """float64 `[N]`: 1 where the decided class is right, else 0."""
    return (metrics.decide(predictions) == y).astype(np.float64)


def _tables(y: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, ...]:
    """(right, true, decided) float64 `[B, K]` each: rows of each class under each row of item weights."""
    classes = np.arange(predictions.shape[1])
    own, said = ((one[:, None] == classes).astype(np.float64) for one in (y, metrics.decide(predictions)))
    return weights @ (own * said), weights @ own, weights @ said


def _recalls(y: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    right, true, _ = _tables(y, predictions, weights)
    return np.divide(right, true, out=np.full(true.shape, np.nan), where=true > 0)


def _f1s(y: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    right, true, said = _tables(y, predictions, weights)
    both = true + said
    return np.divide(2 * right, both, out=np.full(both.shape, np.nan), where=both > 0)


def _aurocs(y: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
    classes = range(predictions.shape[1]) if predictions.shape[1] != 2 else (1,)
    return np.stack([metrics.resampled_auroc(y == c, predictions[:, c], weights) for c in classes], axis=1)


SCORES = (
    Mean("accuracy", _right),
    OverLabels("balanced accuracy", metrics.recalls, _recalls, balanced=True),
    OverLabels("F1", metrics.f1s, _f1s),
    OverLabels("AUROC", metrics.aurocs, _aurocs),
    Mean("log loss", metrics.log_losses),
)


class _Judge(LabelMethods):
    """How good classes are told."""

    scores: Mapping[str, Score] = {score.name: score for score in SCORES}

    def off(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        return np.asarray(predictions.max(axis=1) - predictions[np.arange(len(y)), y])

    def errors(self, y: np.ndarray, predictions: np.ndarray) -> int:
        return int((metrics.decide(predictions) != y).sum())

    def mean_loss(self, y: np.ndarray, predictions: np.ndarray) -> float:
        return float(-np.mean(self.logits(predictions)[np.arange(len(y)), y]))

    def further(self, task: Task, y: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
        """Brier, ECE, and of many classes top-5 accuracy."""
        found = {"Brier": metrics.brier(y, predictions), "ECE": calibration.ece(y, predictions)}
        return found | ({"top-5 accuracy": metrics.top_k(y, predictions, 5)} if task.outputs > 5 else {})


class Classification(_Classes, _Judge):
    """Methods of single-label classification. Targets int64 `[N]`, predictions probabilities `[N, K]`."""

    def targets(self, y: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """int64 `[N]`"""
        return np.asarray(y, np.int64)

    def loss(self, z: Any, targets: Any, *, smoothing: float = 0.0) -> Any:
        """Cross-entropy of each item."""
        from torch.nn.functional import cross_entropy

        return cross_entropy(z, targets, label_smoothing=smoothing, reduction="none")

    def activate(self, logits: np.ndarray) -> np.ndarray:
        """Softmax over the last axis."""
        return probabilities(logits, "softmax")

    def activate_tensor(self, logits: Any) -> Any:
        return logits.softmax(-1)

    def logits(self, predictions: np.ndarray) -> np.ndarray:
        return np.log(np.clip(np.asarray(predictions, np.float64), SMALL, 1 - SMALL))

    def logits_tensor(self, predictions: Any) -> Any:
        return predictions.clamp(min=TINY).log()

    def chance(self, y: np.ndarray) -> tuple[float, float]:
        share = np.bincount(y) / len(y)
        return float(share.max()), float((share * (1 - share)).sum())

    def constant(self, y: np.ndarray, outputs: int) -> np.ndarray:
        """Log class shares, half a row added to each class."""
        counts = np.bincount(y, minlength=outputs) + 0.5
        return np.log(counts / counts.sum())

    def fit_linear(self, features: np.ndarray, y: np.ndarray, *, outputs: int, **how: Unpack[Fit]) -> Linear:
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

        def fit(local: np.ndarray) -> Linear:
            from scipy import sparse

            classes = int(local.max()) + 1
            wanted: Targets = local[:, None].astype(np.float64)
            if classes > 2:
                rows = np.arange(len(local) + 1)
                wanted = sparse.csr_array((np.ones(len(local)), local, rows), shape=(len(local), classes))
            link: Link = "softmax" if classes > 2 else "sigmoid"
            return fit_logistic(features, wanted, link=link, **how)

        return _of_present(fit, y, outputs, features.shape[1], float(min(how.get("penalties") or [0.0])))

    def weights(self, task: Task, y: np.ndarray) -> np.ndarray | None:
        """Those of equally common classes, where the metric counts all alike; 1 on average."""
        if not getattr(self.scores[task.metric], "balanced", False):
            return None
        counts = np.bincount(y, minlength=task.outputs)
        return np.asarray(len(y) / (np.count_nonzero(counts) * counts[y]))

    def fit_sparse(
        self, features: Any, y: np.ndarray, outputs: int, penalty: float, weights: np.ndarray | None = None
    ) -> Linear:
        """Logistic regression at C = `penalty`. A class without rows as in `fit_linear`."""

        def fit(local: np.ndarray) -> Linear:
            from sklearn.linear_model import LogisticRegression

            model = LogisticRegression(C=penalty, max_iter=1000).fit(features, local, weights)
            return Linear(model.coef_, model.intercept_, penalty)

        return _of_present(fit, y, outputs, features.shape[1], penalty)


def _of_present(
    fit: Callable[[np.ndarray], Linear], y: np.ndarray, outputs: int, width: int, penalty: float
) -> Linear:
    """The model of all classes by a fit of those that occur, numbered from 0; a single one needs none."""
    absent = -max(UNSEEN, float(np.log(2 * max(1, len(y)))))
    weight, bias = np.zeros((outputs, width)), np.full(outputs, absent)
    present, local = np.unique(y, return_inverse=True)
    bias[present] = 0.0
    if len(present) < 2:
        return Linear(weight, bias, penalty)
    found = fit(local)
    w, b = found.weight, found.bias
    if len(present) == 2:
        w, b = np.concatenate([-w, w]) / 2, np.concatenate([-b, b]) / 2
    weight[present], bias[present] = w - w.mean(axis=0), b - b.mean()
    return Linear(weight, bias, found.penalty, found.ridge)

"""Multi-label classification: a sigmoid for each label, binary cross-entropy, mean average precision."""

# ruff: noqa: ARG002  (the contract fixes the parameters; not every kind needs all of them)
from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Unpack

import numpy as np

from headstart.core.task import MULTILABEL, Task
from headstart.errors import DataError
from headstart.measure import label_errors, multilabel
from headstart.measure.metrics import above_chance
from headstart.tasks.base import Doubt
from headstart.tasks.base.fits import Fit, Linear
from headstart.tasks.base.labels import SMALL, TINY, LabelMethods, log_odds
from headstart.tasks.base.scores import Anew, OverLabels, Ratio, Score
from headstart.tasks.linear import check, fit_logistic
from headstart.tasks.linear._logistic import probabilities

THRESHOLD = 0.5


class _Sets(LabelMethods):
    """Sets of labels as targets and as answers."""

    kind = read_as = MULTILABEL
    noun = ("label", "labels")

    def strata(self, y: np.ndarray, parts: int = 0) -> list[list[int]]:
        return [[-1, *np.flatnonzero(row).tolist()] for row in y]

    def renumbered(self, y: np.ndarray, places: Mapping[int, Sequence[int]], outputs: int) -> np.ndarray:
        out = np.zeros((len(y), outputs), dtype=np.float32)
        for label, there in places.items():
            rows = np.flatnonzero(y == label if y.ndim == 1 else y[:, label] == 1)
            out[rows[:, None], np.array(there)] = 1
        return out

    def same(self, y: np.ndarray, others: np.ndarray) -> np.ndarray:
        return np.asarray((y == others).all(axis=1))

    def membership(self, y: np.ndarray, outputs: int) -> np.ndarray:
        return np.asarray(y) > THRESHOLD

    def decided(self, predictions: np.ndarray) -> np.ndarray:
        return predictions >= THRESHOLD

    def value(self, task: Task, target: Any) -> Any:
        return [label for label, on in zip(task.labels, target, strict=True) if on > 0]

    def decode(self, task: Task, predictions: np.ndarray) -> list[Any]:
        """The labels with a probability of one half or more."""
        return [[task.labels[c] for c in np.flatnonzero(row)] for row in self.decided(predictions)]

    def confidence(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        return np.asarray(np.abs(y - predictions).max(axis=1))

    def log_odds(self, predictions: np.ndarray, column: int) -> np.ndarray:
        return log_odds(predictions[:, column], 1 - predictions[:, column])

    def asked(self, target: Any, prediction: np.ndarray) -> tuple[int, bool]:
        column = int(np.abs(target - prediction).argmax())
        return column, bool(prediction[column] >= THRESHOLD)

    def doubts(self, labels: Sequence[str], y: np.ndarray, predictions: np.ndarray) -> list[Doubt]:
        """Each label is judged by itself, "cat" against "not cat", where it is known better than chance; an
        item is named once, with all of its labels that are doubted and what the worst of them has."""
        of: dict[int, list[dict[str, Any]]] = {}
        for _, row, doubt in sorted(_doubted(labels, y, predictions), key=lambda one: one[0]):
            of.setdefault(row, []).append(doubt)
        names = ("given", "suggested")
        return [
            (row, {**own[0], **{name: ", ".join(one[name] for one in own) for name in names}})
            for row, own in of.items()
        ]


def _doubted(
    labels: Sequence[str], y: np.ndarray, predictions: np.ndarray
) -> Iterator[tuple[float, int, dict[str, Any]]]:
    """(margin, row, doubt) of single labels."""
    for label, name in enumerate(labels):
        on = (y[:, label] > THRESHOLD).astype(np.int64)
        if not above_chance(on > 0, predictions[:, label]):
            continue
        p = np.stack([1 - predictions[:, label], predictions[:, label]], axis=1)
        found = label_errors.suspects(on, p)
        for row, other, margin in zip(found.rows, found.suggested, found.margin, strict=True):
            given, suggested = (name, f"not {name}") if on[row] else (f"not {name}", name)
            yield margin, row, {"given": given, "suggested": suggested,
                                "p_given": p[row, on[row]], "p_suggested": p[row, other]}  # fmt: skip


SCORES = (
    OverLabels("mAP", multilabel.average_precisions, multilabel.resampled_map),
    OverLabels("F1", multilabel.f1s),
    Ratio("micro F1", multilabel.micro_f1),
    OverLabels("AUROC", multilabel.aurocs, multilabel.resampled_aurocs),
    Anew("log loss", multilabel.log_loss),
)


class _Judge(LabelMethods):
    """How good sets of labels are told."""

    scores: Mapping[str, Score] = {score.name: score for score in SCORES}

    def wrong(self, y: np.ndarray, predictions: np.ndarray) -> np.ndarray:
        return np.asarray((self.decided(predictions) != (y > THRESHOLD)).any(axis=1))

    def errors(self, y: np.ndarray, predictions: np.ndarray) -> int:
        return int((self.decided(predictions) != (y > THRESHOLD)).sum())

    def mean_loss(self, y: np.ndarray, predictions: np.ndarray) -> float:
        p = np.clip(predictions, SMALL, 1 - SMALL)
        return float(-np.mean(y * np.log(p) + (1 - y) * np.log1p(-p)))

    def further(self, task: Task, y: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
        """LRAP."""
        return {"LRAP": multilabel.lrap(y, predictions)}


class MultiLabel(_Sets, _Judge):
    """Methods of multi-label classification. Targets `[N, C]` of 0/1, predictions probabilities `[N, C]`."""

    def targets(self, y: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> np.ndarray:
        """float32 `[N, C]`"""
        return np.asarray(y, np.float32)

    def loss(self, z: Any, targets: Any, *, smoothing: float = 0.0) -> Any:
        """Binary cross-entropy of each item, averaged over its labels."""
        from torch.nn.functional import binary_cross_entropy_with_logits

        soft = targets * (1 - smoothing) + smoothing / 2
        return binary_cross_entropy_with_logits(z, soft, reduction="none").mean(dim=1)

    def activate(self, logits: np.ndarray) -> np.ndarray:
        """Sigmoid of each label."""
        return probabilities(logits, "sigmoid")

    def activate_tensor(self, logits: Any) -> Any:
        return logits.sigmoid()

    def logits(self, predictions: np.ndarray) -> np.ndarray:
        p = np.clip(np.asarray(predictions, np.float64), SMALL, 1 - SMALL)
        return np.asarray(np.log(p) - np.log1p(-p))

    def logits_tensor(self, predictions: Any) -> Any:
        # 1 - p loses its last digits near 1; SMALL keeps the logit finite there
        return predictions.clamp(min=TINY).log() - (-predictions.clamp(max=1 - SMALL)).log1p()

    def chance(self, y: np.ndarray) -> tuple[float, float]:
        return 0.0, float(np.var(y, axis=0).sum())

    def constant(self, y: np.ndarray, outputs: int) -> np.ndarray:
        """Logit of each label's share, half a row added on both sides."""
        hits = np.asarray(y, np.float64).sum(axis=0)
        return np.log((hits + 0.5) / (len(y) - hits + 0.5))

    def fit_linear(self, features: np.ndarray, y: np.ndarray, *, outputs: int, **how: Unpack[Fit]) -> Linear:
        """One logistic regression a label, all in one solve, with one C for all of them.

        A label that is always or never set gets weight 0 and the logit of its smoothed share.
        Raises `DataError` for features that are not finite, or targets other than 0 and 1.
        """
        targets = np.asarray(y, np.float64)
        check(features, targets)
        if targets.shape[1:] != (outputs,) or not np.isin(targets, (0.0, 1.0)).all():
            raise DataError("linear probe", "a multi-label target is not 0 or 1", "check the labels")
        weight, bias = np.zeros((outputs, features.shape[1])), self.constant(targets, outputs)
        penalty, ridge = float(min(how.get("penalties") or [0.0])), False
        varies = np.flatnonzero((targets != targets[:1]).any(axis=0))
        if len(varies):
            found = fit_logistic(features, targets[:, varies], link="sigmoid", **how)
            weight[varies], bias[varies] = found.weight, found.bias
            penalty, ridge = found.penalty, found.ridge
        return Linear(weight, bias, penalty, ridge)

    def fit_sparse(
        self, features: Any, y: np.ndarray, outputs: int, penalty: float, weights: np.ndarray | None = None
    ) -> Linear:
        """A logistic regression at C = `penalty` for each label that varies."""
        from sklearn.linear_model import LogisticRegression

        weight, bias = np.zeros((outputs, features.shape[1])), self.constant(y, outputs)
        hits = np.asarray(y, np.float64).sum(axis=0)
        for label in np.flatnonzero((hits > 0) & (hits < len(y))):
            model = LogisticRegression(C=penalty, max_iter=1000).fit(features, y[:, label] > 0.5, weights)
            weight[label], bias[label] = model.coef_[0], model.intercept_[0]
        return Linear(weight, bias, penalty)

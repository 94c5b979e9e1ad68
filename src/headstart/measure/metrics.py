"""Metrics of single-label classification, as scikit-learn defines them, in numpy.

`y` is int64 `[N]`, `p` probabilities (or any scores) `[N, K]`; ties of the largest score go to the
first class. What is not defined on the given rows is NaN.
"""

from __future__ import annotations

import numpy as np

PROBABILITY_FLOOR = float(np.finfo(np.float64).eps)
"""Probabilities are clipped to [floor, 1 - floor] before a logarithm."""


def decide(p: np.ndarray) -> np.ndarray:
    """int64 `[N]`: the class of the largest score, the first of equals."""
    return np.asarray(p.argmax(axis=1))


def confusion(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """int64 `[K, K]`: rows are true classes, columns decided ones."""
    classes = p.shape[1]
    return np.bincount(y * classes + decide(p), minlength=classes**2).reshape(classes, classes)


def recalls(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """float64 `[K]`: recall of each class, NaN for one that does not occur in `y`."""
    table = confusion(y, p)
    return _ratio(np.diag(table), table.sum(axis=1))


def f1s(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """float64 `[K]`: F1 of each class, NaN for one that neither occurs in `y` nor was decided for."""
    table = confusion(y, p)
    return _ratio(2 * np.diag(table), table.sum(axis=0) + table.sum(axis=1))


def _ratio(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return np.divide(part, whole, out=np.full(len(whole), np.nan), where=whole > 0)


def top_k(y: np.ndarray, p: np.ndarray, k: int = 5) -> float:
    """Share of rows whose class is among the k largest scores (the first of equals counts as larger)."""
    own = p[np.arange(len(y)), y][:, None]
    earlier = np.arange(p.shape[1]) < y[:, None]
    ahead = (p > own).sum(axis=1) + ((p == own) & earlier).sum(axis=1)
    return _mean((ahead < k).astype(np.float64))


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Mean negative log probability of the true class."""
    return _mean(log_losses(y, p))


def log_losses(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """float64 `[N]`: the negative log probability of the true class of each row."""
    return np.asarray(-np.log(np.clip(p[np.arange(len(y)), y], PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)))


def brier(y: np.ndarray, p: np.ndarray) -> float:
    """Mean squared distance to the one-hot truth; for two classes half of it, within [0, 1]."""
    own = p[np.arange(len(y)), y]
    distance = (p**2).sum(axis=1) - own**2 + (1 - own) ** 2
    return _mean(distance) / (2 if p.shape[1] == 2 else 1)


def aurocs(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """float64 `[K]`, each class against the rest, or `[1]` of class 1 when there are two: areas under the
    ROC curve, NaN for a class without both positives and negatives."""
    classes = range(p.shape[1]) if p.shape[1] != 2 else (1,)
    return np.array([binary_auroc(y == c, p[:, c]) for c in classes])


def binary_auroc(positive: np.ndarray, score: np.ndarray) -> float:
    """Probability that a positive row scores above a negative one; equal scores count half."""
    positive = np.asarray(positive, bool)
    ahead, behind = int(positive.sum()), int((~positive).sum())
    if not ahead or not behind:
        return float("nan")
    _, inverse, counts = np.unique(score, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[inverse]  # 1-based, the middle of equals
    return float((ranks[positive].sum() - ahead * (ahead + 1) / 2) / (ahead * behind))


def resampled_auroc(positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """float64 `[B]`: `binary_auroc` under each row of item weights `[B, N]`, NaN without positives or
    negatives."""
    order = np.argsort(score, kind="stable")
    starts = np.flatnonzero(np.append(True, np.diff(score[order]) != 0))  # of equal scores
    sorted_ = weights[:, order].astype(np.float64)
    ahead, behind = (
        np.add.reduceat(sorted_ * kind, starts, axis=1) for kind in (positive[order], ~positive[order])
    )
    below = np.cumsum(behind, axis=1) - behind
    area, cells = (ahead * (below + behind / 2)).sum(axis=1), ahead.sum(axis=1) * behind.sum(axis=1)
    return np.divide(area, cells, out=np.full(len(weights), np.nan), where=cells > 0)


LEAST = 5
"""Positives, and negatives, under which it is not said whether a label is known."""


def above_chance(positive: np.ndarray, score: np.ndarray) -> bool:
    """Whether an area under the ROC curve is above one half beyond its 95 % interval (Hanley and McNeil,
    Radiology 1982); False with fewer than `LEAST` rows of a kind."""
    ahead, behind = int(positive.sum()), int((~positive).sum())
    if min(ahead, behind) < LEAST:
        return False
    area = binary_auroc(positive, score)
    one, two = area / (2 - area) - area**2, 2 * area**2 / (1 + area) - area**2
    spread = area * (1 - area) + (ahead - 1) * one + (behind - 1) * two
    return area - 1.96 * (spread / (ahead * behind)) ** 0.5 > 0.5


def known_mean(values: np.ndarray) -> float:
    """Mean of those that are not NaN; NaN without any."""
    return _mean(values[~np.isnan(values)])


def _mean(values: np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else float("nan")


def rmse(y: np.ndarray, value: np.ndarray) -> float:
    """Root mean squared error."""
    return float(np.sqrt(_mean((y - value) ** 2)))


def r2(y: np.ndarray, value: np.ndarray) -> float:
    """Share of the variance explained; NaN when the targets do not vary."""
    if len(y) < 2:
        return float("nan")
    total = float(((y - y.mean()) ** 2).sum())
    return 1.0 - float(((y - value) ** 2).sum()) / total if total > 0 else float("nan")

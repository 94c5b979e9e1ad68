"""Metrics of multi-label classification, as scikit-learn defines them, in numpy.

`y` is `[N, C]` of 0/1, `p` probabilities (or scores) `[N, C]`. Labels without a positive row have
no average precision and are left out of the mean (scikit-learn warns and counts them as 0).
"""

from __future__ import annotations

import numpy as np

from headstart.measure.metrics import PROBABILITY_FLOOR, binary_auroc, resampled_auroc

CELLS = 2_000_000
"""Resamples are worked on in blocks of about this many numbers."""


def average_precisions(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """float64 `[C]`: the average precision of each label, NaN without a positive row."""
    equal = np.ones((1, len(y)))
    return np.array([_average_precision(y[:, c] > 0.5, p[:, c], equal)[0] for c in range(y.shape[1])])


def resampled_map(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """float64 `[B]`: mean average precision under each row of item weights `[B, N]`.

    The labels that count are the same in each: one whose positives all have weight 0 in a resample has there
    what it has of the whole, so that losing it moves neither the score nor a difference of two. NaN where no
    label has positives.
    """
    whole = average_precisions(y, p)
    total, count = np.zeros(len(weights)), np.zeros(len(weights))
    for label in range(y.shape[1]):
        if y[:, label].any():
            precision = _average_precision(y[:, label] > 0.5, p[:, label], weights)
            total += np.where(np.isnan(precision), whole[label], precision)
            count += 1
    return np.divide(total, count, out=np.full(len(weights), np.nan), where=count > 0)


def _average_precision(positive: np.ndarray, score: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """float64 `[B]`: average precision of one label under item weights `[B, N]`."""
    order = np.argsort(-score, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(score[order]) != 0, True))  # last row of equal scores
    result = np.empty(len(weights))
    step = max(1, CELLS // max(1, len(score)))
    for start in range(0, len(weights), step):
        sorted_ = weights[start : start + step, order].astype(np.float64)
        seen = np.cumsum(sorted_, axis=1)[:, ends]
        hits = np.cumsum(sorted_ * positive[order], axis=1)[:, ends]
        precision = np.divide(hits, seen, out=np.zeros_like(hits), where=seen > 0)
        gained = np.diff(hits, axis=1, prepend=0.0)
        every = hits[:, -1]
        area = (precision * gained).sum(axis=1)
        result[start : start + step] = np.divide(area, every, out=np.full(len(area), np.nan), where=every > 0)
    return result


def f1s(y: np.ndarray, p: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """float64 `[C]`: F1 of each label, at a threshold on the probability; 0 for one never seen nor said."""
    hits, total = _counts(y, p, threshold)
    return np.divide(2 * hits, total, out=np.zeros_like(hits), where=total > 0)


def micro_f1(y: np.ndarray, p: np.ndarray, threshold: float = 0.5) -> np.ndarray:
    """float64 `[N, 2]`: numerator and denominator of the F1 of all cells together, item by item."""
    hits, total = _counts(y, p, threshold, axis=1)
    return np.stack([2 * hits, total], axis=1)


def _counts(y: np.ndarray, p: np.ndarray, threshold: float, axis: int = 0) -> tuple[np.ndarray, ...]:
    true, said = y > 0.5, p >= threshold
    return (true & said).sum(axis=axis).astype(float), (true.sum(axis=axis) + said.sum(axis=axis)).astype(
        float
    )


def lrap(y: np.ndarray, p: np.ndarray) -> float:
    """Label ranking average precision: of each true label, the share of true ones ranked as high.

    Rows where no label or every label is true count as 1.
    """
    true = y > 0.5
    order = np.argsort(-p, axis=1, kind="stable")
    score, hits = np.take_along_axis(p, order, axis=1), np.take_along_axis(true, order, axis=1)
    place = np.arange(p.shape[1])
    ends = np.append(score[:, 1:] != score[:, :-1], np.ones((len(y), 1), bool), axis=1)
    last = np.minimum.accumulate(np.where(ends, place, p.shape[1])[:, ::-1], axis=1)[:, ::-1]  # of equals
    precision = np.take_along_axis(hits.cumsum(axis=1), last, axis=1) / (last + 1)
    count = true.sum(axis=1)
    share = np.divide((precision * hits).sum(axis=1), count, out=np.ones(len(y)), where=count > 0)
    return float(share.mean()) if len(share) else float("nan")


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Mean over rows and labels of the binary cross-entropy."""
    clipped = np.clip(p, PROBABILITY_FLOOR, 1 - PROBABILITY_FLOOR)
    return float(np.mean(-np.where(y > 0.5, np.log(clipped), np.log1p(-clipped))))


def aurocs(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """float64 `[C]`: the area under the ROC curve of each label, NaN for one without both positives and
    negatives."""
    return np.array([binary_auroc(y[:, c] > 0.5, p[:, c]) for c in range(y.shape[1])])


def resampled_aurocs(y: np.ndarray, p: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """float64 `[B, C]`: `aurocs` under each row of item weights `[B, N]`."""
    return np.stack([resampled_auroc(y[:, c] > 0.5, p[:, c], weights) for c in range(y.shape[1])], axis=1)

"""Calibration: one temperature, and how far stated probabilities are from what happens.

Guo, Pleiss, Sun and Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

GOLDEN = (np.sqrt(5) - 1) / 2
REACH = 3.0
"""log T is searched within [-3, 3]."""
FEW = 200
"""With fewer held-out rows than this, log T is shrunk towards 0 by n / (n + 100)."""


def fit_temperature(logits: np.ndarray, y: np.ndarray) -> float:
    """The T that minimises the log-loss of `logits / T`, from out-of-fold logits `[N, K]`.

    `y` int64 `[N]` (softmax over classes) or `[N, K]` of 0/1 (a sigmoid for each label). Exactly 1
    when there are no rows.
    """
    if not len(y):
        return 1.0
    loss = _softmax_loss if np.ndim(y) == 1 else _sigmoid_loss
    low, high = -REACH, REACH
    left, right = high - GOLDEN * (high - low), low + GOLDEN * (high - low)
    at_left, at_right = loss(logits, y, left), loss(logits, y, right)
    for _ in range(60):  # convex in 1/T, so there is one minimum
        if at_left < at_right:
            high, right, at_right = right, left, at_left
            left = high - GOLDEN * (high - low)
            at_left = loss(logits, y, left)
        else:
            low, left, at_left = left, right, at_right
            right = low + GOLDEN * (high - low)
            at_right = loss(logits, y, right)
    log_t = (low + high) / 2
    if len(y) < FEW:
        log_t *= len(y) / (len(y) + 100)
    return float(np.exp(log_t))


def _softmax_loss(logits: np.ndarray, y: np.ndarray, log_t: float) -> float:
    z = np.asarray(logits, np.float64) * np.exp(-log_t)
    top = z.max(axis=1)
    return float(np.mean(np.log(np.exp(z - top[:, None]).sum(axis=1)) + top - z[np.arange(len(y)), y]))


def _sigmoid_loss(logits: np.ndarray, y: np.ndarray, log_t: float) -> float:
    z = np.asarray(logits, np.float64) * np.exp(-log_t)
    return float(np.mean(np.logaddexp(0.0, z) - y * z))


@dataclass(frozen=True)
class Reliability:
    """Bins of equal mass over the stated confidence, each with what happened."""

    confidence: np.ndarray = field(repr=False)
    """float64 `[B]`: mean stated probability of the decided class."""
    accuracy: np.ndarray = field(repr=False)
    """float64 `[B]`: share that was right."""
    count: np.ndarray = field(repr=False)
    """int64 `[B]`"""

    @property
    def ece(self) -> float:
        """Expected calibration error: mean gap of the bins, weighted by their rows."""
        if not self.count.sum():
            return float("nan")
        return float(np.average(np.abs(self.confidence - self.accuracy), weights=self.count))


def reliability(y: np.ndarray, p: np.ndarray, *, bins: int = 15) -> Reliability:
    """Reliability of the decided class of probabilities `[N, K]`, in bins of (nearly) equal mass.

    The calibration error is biased upwards with fewer than about 1,000 rows: read it beside log-loss.
    """
    confidence = p.max(axis=1)
    right = (p.argmax(axis=1) == y).astype(np.float64)
    order = np.argsort(confidence, kind="stable")
    parts = [part for part in np.array_split(order, min(bins, max(len(y), 1))) if len(part)]
    return Reliability(
        np.array([confidence[part].mean() for part in parts]),
        np.array([right[part].mean() for part in parts]),
        np.array([len(part) for part in parts], np.int64),
    )


def ece(y: np.ndarray, p: np.ndarray, *, bins: int = 15) -> float:
    """Expected calibration error over bins of equal mass."""
    return reliability(y, p, bins=bins).ece

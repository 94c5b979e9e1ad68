"""How frequent the classes are where nobody has labelled, from a model's answers.

BBSE: Lipton, Wang and Smola, "Detecting and correcting for label shift with black box predictors", ICML 2018.
MLLS: Saerens, Latinne and Decaestecker, Neural Computation 2002; with calibrated probabilities, which is the
best of them: Alexandari, Kundaje and Shrikumar, ICML 2020. All assume that within a class the items are
alike.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

MOST = 5_000
"""Rows of each domain that are looked at."""
RESAMPLES = 200
REFITTED = 200_000
"""Cells of answers up to which each resample is calibrated anew."""
WORST_CONDITION = 1e3
"""Condition of the confusion table above which BBSE says nothing."""
TINY = 1e-12


@dataclass(frozen=True)
class LabelShift:
    """The class frequencies of the target, and how far they are from the source's."""

    prior: np.ndarray
    """float64 `[C]`, sums to 1: of the target."""
    low: np.ndarray
    high: np.ndarray
    """float64 `[C]`: 95 % bootstrap intervals, both domains resampled."""
    source: np.ndarray
    """float64 `[C]`: of the labelled source."""
    total_variation: float
    """Half the sum of absolute differences: the share of items whose class would have to change."""
    tv_low: float
    """0 where the difference may be chance."""
    tv_high: float
    method: str
    condition: float
    """Of the confusion table: large where classes are hardly told apart."""
    bbse: np.ndarray | None = None
    """float64 `[C]`: BBSE's estimate, for comparison; None where the table's condition forbids it."""
    calibration: Calibration | None = field(default=None, repr=False)

    @property
    def told(self) -> bool:
        """Whether classes are as good as certainly not as frequent as in the source, and by enough to
        matter."""
        return self.tv_low > 0 and self.total_variation > 0.10

    @property
    def weights(self) -> np.ndarray:
        """float64 `[C]`: how much an item of each class of the source counts to be like the target."""
        return self.prior / np.maximum(self.source, TINY)

    def to_json(self) -> dict[str, Any]:
        return {
            "prior": self.prior.tolist(),
            "low": self.low.tolist(),
            "high": self.high.tolist(),
            "source": self.source.tolist(),
            "total_variation": self.total_variation,
            "tv_low": self.tv_low,
            "tv_high": self.tv_high,
            "method": self.method,
            "condition": self.condition,
            "bbse": None if self.bbse is None else self.bbse.tolist(),
        }


@dataclass(frozen=True)
class Calibration:
    """Bias-corrected temperature scaling: softmax(scale * log p + bias)."""

    scale: float
    bias: np.ndarray
    """float64 `[C]`, sums to 0."""

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Probabilities `[N, C]`, calibrated."""
        return _softmax(self.scale * _logs(p) + self.bias)


def label_shift(p_val: np.ndarray, y_val: np.ndarray, p_target: np.ndarray, *, seed: int = 0) -> LabelShift:
    """The target's class frequencies from probabilities of one model: held-out ones `p_val` `[S, C]` with
    labels `y_val` int64 `[S]`, and `p_target` `[T, C]`.

    A class that the labelled rows do not have gets frequency 0: nothing is known of it. Deterministic for a
    seed. Raises `ValueError` where a domain is empty.
    """
    if not len(p_val) or not len(p_target):
        raise ValueError(f"{len(p_val)} answers of the source and {len(p_target)} of the target")
    rng = np.random.default_rng(seed)
    keep_s, keep_t = (np.sort(rng.permutation(len(p))[:MOST]) for p in (p_val, p_target))
    p_val, p_target = (np.asarray(p, np.float64) for p in (p_val[keep_s], p_target[keep_t]))
    y_val = np.asarray(y_val)[keep_s]
    n, classes = p_val.shape
    ones = np.ones(n), np.ones(len(p_target))
    calibration = calibrated(p_val, y_val)
    source = _frequencies(y_val, ones[0], classes)
    prior = mlls(calibration(p_target), source)
    condition, by_table = bbse(p_val, y_val, p_target)
    again = n * classes <= REFITTED
    drawn = np.zeros((RESAMPLES, classes))
    distance = np.zeros(RESAMPLES)
    fixed = calibration(p_target)
    for number in range(RESAMPLES):
        w_s, w_t = (np.bincount(rng.integers(k, size=k), minlength=k) * 1.0 for k in (n, len(p_target)))
        own = _frequencies(y_val, w_s, classes)
        p = calibrated(p_val, y_val, w_s, start=calibration)(p_target) if again else fixed
        drawn[number] = mlls(p, own, w_t, start=prior)
        distance[number] = np.abs(drawn[number] - own).sum() / 2
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    value = float(np.abs(prior - source).sum() / 2)
    # resamples lie farther from the source than what they were drawn from: reflected, the low end has no such
    # bias
    tv_low = max(0.0, 2 * value - float(np.quantile(distance, 0.975)))
    return LabelShift(
        prior,
        np.minimum(low, prior),
        np.maximum(high, prior),
        source,
        value,
        min(tv_low, value),
        max(value, float(np.quantile(distance, 0.975))),
        "calibrated MLLS",
        condition,
        by_table,
        calibration,
    )


def mlls(
    p: np.ndarray, source: np.ndarray, weights: np.ndarray | None = None, *, start: np.ndarray | None = None
) -> np.ndarray:
    """float64 `[C]`: the most likely class frequencies, given calibrated probabilities `[T, C]` of a model
    whose classes are as frequent as `source` `[C]`; by expectation and maximisation, rows counting by
    `weights` `[T]`.
    """
    known = source > 0
    ratio = np.divide(p, source, out=np.zeros_like(p), where=known)
    weights = np.full(len(p), 1 / len(p)) if weights is None else weights / weights.sum()
    q = np.where(known, source if start is None else np.maximum(start, 1e-6), 0.0)
    q /= q.sum()
    for _ in range(1_000):
        mixed = ratio @ q
        new = q * ((weights / np.maximum(mixed, TINY)) @ ratio)
        new /= max(float(new.sum()), TINY)
        moved = float(np.abs(new - q).max())
        q = new
        if moved < 1e-6:
            break
    return q


def bbse(p_val: np.ndarray, y_val: np.ndarray, p_target: np.ndarray) -> tuple[float, np.ndarray | None]:
    """(condition of the soft confusion table, estimate float64 `[C]`; None where the condition is above
    `WORST_CONDITION`). The table and the answers are means of the probabilities `[S, C]` and `[T, C]`; the
    least bit of ridge keeps the solution finite, and no class is less frequent than never."""
    classes = p_val.shape[1]
    members = np.equal(y_val[:, None], np.arange(classes)).astype(np.float64)
    source = members.mean(axis=0)
    known = source > 0
    table = (p_val.T @ members / len(p_val))[:, known]  # [C, known]: joint of answer and label
    alike = table / source[known]
    condition = float(np.linalg.cond(alike))
    if not np.isfinite(condition) or condition > WORST_CONDITION:
        return condition, None
    ridge = (1e-3 / len(p_val)) * np.eye(int(known.sum()))
    weights = np.linalg.solve(table.T @ table + ridge, table.T @ p_target.mean(axis=0))
    found = np.zeros(classes)
    found[known] = np.maximum(weights, 0) * source[known]
    return condition, found / max(float(found.sum()), TINY)


def calibrated(
    p: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None, *, start: Calibration | None = None
) -> Calibration:
    """The scale and the biases of least log-loss of held-out probabilities `[N, C]` with labels int64 `[N]`,
    by Newton's method: the loss is convex in both.

    A light pull towards "as it is" (one row's worth for the scale, a tenth for a bias) keeps few rows finite.
    From `start`, found on nearly the same rows, two steps are enough.
    """
    logs, classes = _logs(p), p.shape[1]
    weights = np.ones(len(y)) if weights is None else weights
    pull, aim = np.array([1.0, *[0.1] * classes]), np.array([1.0, *[0.0] * classes])
    at = aim if start is None else np.array([start.scale, *start.bias])

    def loss(at: np.ndarray, q: np.ndarray) -> float:
        own = np.log(np.maximum(q[np.arange(len(y)), y], TINY))
        return float(pull @ (at - aim) ** 2) / 2 - float(weights @ own)

    q = _softmax(at[0] * logs + at[1:])
    best = loss(at, q)
    for _ in range(50 if start is None else 2):
        counted = weights[:, None] * q
        mean = (q * logs).sum(axis=1)
        wrong = counted.copy()
        wrong[np.arange(len(y)), y] -= weights
        slope = np.concatenate([[float((wrong * logs).sum())], wrong.sum(axis=0)]) + pull * (at - aim)
        curve = np.diag(pull)
        curve[0, 0] += float((counted * logs**2).sum() - weights @ mean**2)
        curve[0, 1:] += (counted * (logs - mean[:, None])).sum(axis=0)
        curve[1:, 0] = curve[0, 1:]
        curve[1:, 1:] += np.diag(counted.sum(axis=0)) - counted.T @ q
        step = np.linalg.solve(curve, slope)
        for _ in range(20):
            new = at - step
            q = _softmax(new[0] * logs + new[1:])
            found = loss(new, q)
            if found <= best + 1e-9 * abs(best):
                break
            step /= 2
        at, best = new, found
        if float(np.abs(step).max()) < 1e-6:
            break
    return Calibration(float(at[0]), at[1:] - at[1:].mean())


def _frequencies(y: np.ndarray, weights: np.ndarray, classes: int) -> np.ndarray:
    return np.bincount(y, weights=weights, minlength=classes) / weights.sum()


def _logs(p: np.ndarray) -> np.ndarray:
    return np.log(np.maximum(np.asarray(p, np.float64), TINY))


def _softmax(z: np.ndarray) -> np.ndarray:
    e = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(e / e.sum(axis=1, keepdims=True))

"""May the stated probabilities be believed? Measured with a temperature that had not seen the rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.experiment import Experiment
from headstart.core.strategy import Trial
from headstart.measure import calibration, metrics
from headstart.measure.intervals import wilson
from headstart.measure.partition import first_repeat
from headstart.tasks.base import TaskMethods

ELSEWHERE = (
    "This holds for items like these; on items from elsewhere (another camera, place or season) stated "
    "confidence is usually too high."
)
ENOUGH = 1_000
"""With fewer items a part of the calibration error is luck, and the sentence says how much."""


ITEMS_A_BIN = 20
"""Fewer say nothing about how often a bin is right."""


def reliability(experiment: Experiment, trial: Trial) -> dict[str, Any] | None:
    """Reliability of the shipped arm's probabilities, in the first repeat: those that the model's own
    temperature is fitted on. None but for classification.

    The temperature of each fold's rows is fitted on the rows of the other folds, so "after" is what a
    user may expect of new items.
    """
    known = np.flatnonzero(trial.covered[0])
    methods = tasks.for_task(experiment.task)
    if not methods.exclusive or len(known) < 2:
        return None
    y = experiment.targets[known]
    before = np.clip(trial.predictions.take(0, known), 1e-7, 1 - 1e-7)
    before /= before.sum(axis=1, keepdims=True)
    after = cross_fitted(methods, before, y, first_repeat(experiment.split, known))
    count = int(np.clip(len(y) // ITEMS_A_BIN, 4, 15))
    bins = calibration.reliability(y, after, bins=count)
    temperature = calibration.fit_temperature(np.log(before), y)
    found = {
        "bins": [
            {"confidence": c, "accuracy": a, "low": (seen := wilson(a * n, int(n))).low, "high": seen.high,
             "count": int(n)}
            for c, a, n in zip(bins.confidence, bins.accuracy, bins.count, strict=True)
        ],
        "ece": bins.ece,
        "ece_before": calibration.ece(y, before, bins=count),
        "log_loss": metrics.log_loss(y, after),
        "log_loss_before": metrics.log_loss(y, before),
        "temperature": temperature,
    }  # fmt: skip
    return {**found, "sentence": _sentence(found, len(y), by_luck(bins))}


def cross_fitted(methods: TaskMethods, p: np.ndarray, y: np.ndarray, part: np.ndarray) -> np.ndarray:
    """float64 `[n, K]`: probabilities at the temperature fitted on the rows of all other parts."""
    logits, out = np.log(p), np.empty_like(p)
    for number in np.unique(part):
        own = part == number
        out[own] = methods.activate(logits[own] / calibration.fit_temperature(logits[~own], y[~own]))
    return out


def by_luck(bins: calibration.Reliability) -> float:
    """The calibration error to expect of perfect probabilities in such bins: mean absolute normal error."""
    if not bins.count.sum():
        return 0.0
    error = np.sqrt(2 / np.pi * bins.confidence * (1 - bins.confidence) / bins.count)
    return float(np.average(error, weights=bins.count))


def _sentence(found: dict[str, Any], n: int, luck: float) -> str:
    text = (
        f"Stated confidence and share of right answers differ by {100 * found['ece']:.1f} points on average "
        f"at temperature {found['temperature']:.2f} ({100 * found['ece_before']:.1f} without it)."
    )
    if n < ENOUGH:
        text += f" With {n:,} items, perfect probabilities would show about {100 * luck:.1f} points by luck."
    return f"{text} {ELSEWHERE}"

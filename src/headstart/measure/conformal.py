"""Sets of labels with a stated coverage, and when to abstain, from held-out probabilities.

Sets: Sadinle, Lei and Wasserman, "Least ambiguous set-valued classifiers with bounded error levels", JASA
2019; from out-of-fold probabilities as in Vovk, "Cross-conformal predictors", 2015. Abstaining: Geifman and
El-Yaniv, "Selective classification for deep neural networks", NeurIPS 2017.
"""

from __future__ import annotations

import math

import numpy as np


def least_probability(true: np.ndarray, coverage: float) -> float:
    """The probability from which on a label belongs to the set, so that sets hold the truth so often.

    `true` float `[N]`: the probability that was given to the right label of held-out items. 0 (every label
    belongs) when there are too few items for that coverage. The promise is for items drawn as these were,
    on average over all of them; out-of-fold probabilities keep it nearly (never under 2 x coverage - 1).
    Raises `ValueError` for what are no probabilities.
    """
    true = probabilities(true)
    n = len(true)
    place = math.ceil((n + 1) * coverage)
    return 0.0 if place > n else float(np.sort(true)[n - place])


def probabilities(given: np.ndarray) -> np.ndarray:
    """float64 `[N]`, each from 0 to 1. Raises `ValueError` for anything else."""
    found = np.asarray(given, np.float64)
    if found.ndim != 1 or not ((found >= 0) & (found <= 1)).all():
        raise ValueError("not a probability for each item")
    return found


def label_sets(p: np.ndarray, least: float) -> np.ndarray:
    """bool `[N, K]`: the labels of probability `least` or more, and always the most probable one."""
    chosen = np.asarray(p, np.float64) >= least - 1e-9
    chosen[np.arange(len(p)), np.argmax(p, axis=1)] = True
    return chosen


def confidence_for_risk(
    confidence: np.ndarray, right: np.ndarray, risk: float, *, level: float = 0.95
) -> float | None:
    """The confidence from which on answers are wrong at most at the rate `risk`, with certainty `level`.

    `confidence` float `[N]` and `right` bool `[N]` of held-out items. A binary search over how many of the
    surest items are answered; each step's upper bound (Clopper and Pearson) pays for the number of steps.
    None when not even the surest items keep the bound. Raises `ValueError` for what are no probabilities,
    or not as many.
    """
    confidence = probabilities(confidence)
    if np.shape(right) != confidence.shape:
        raise ValueError(
            f"{len(confidence)} probabilities, but {np.size(right)} items that are right or wrong"
        )
    order = np.argsort(-confidence, kind="stable")
    wrong = np.cumsum(~np.asarray(right, bool)[order])
    n = len(order)
    steps = max(1, math.ceil(math.log2(n + 1)))
    low, high, found = 1, n, None
    for _ in range(steps):
        if low > high:
            break
        middle = (low + high) // 2
        if upper_bound(int(wrong[middle - 1]), middle, 1 - (1 - level) / steps) <= risk:
            found, low = middle, middle + 1
        else:
            high = middle - 1
    return None if found is None else float(confidence[order[found - 1]])


def upper_bound(wrong: int, n: int, level: float) -> float:
    """One-sided exact upper bound of a rate (Clopper and Pearson, 1934)."""
    from scipy.stats import beta

    return 1.0 if wrong >= n else float(beta.ppf(level, wrong + 1, n - wrong))

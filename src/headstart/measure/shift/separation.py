"""How well a linear classifier tells two domains apart: its AUC, and the proxy A-distance.

Ben-David et al., "Analysis of representations for domain adaptation", NIPS 2006. The interval is that of
DeLong, DeLong and Clarke-Pearson, Biometrics 1988; over groups that of Obuchowski, Biometrics 1997.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from statistics import NormalDist
from typing import Any

import numpy as np

from headstart.measure import threads
from headstart.measure.intervals import wilson
from headstart.measure.spectral import whitened

PENALTY = 10.0
"""Of the squared weights: scikit-learn's C = 0.1."""
FOLDS = 5
MODERATE, STRONG, COMPLETE = 0.60, 0.85, 0.99
"""Where the bands begin. From `COMPLETE` on the format of the files is the first suspect."""


@dataclass(frozen=True)
class Separation:
    """How far two domains can be told apart."""

    value: float
    """The AUC: the probability that an item of the target scores above one of the source; 0.5 is chance."""
    low: float
    high: float
    scores: np.ndarray = field(repr=False)
    """float64 `[S + T]`: held-out log-odds of being of the target, source rows first."""
    distance: float
    """Proxy A-distance, 2 (1 - 2 e) with the balanced error e of the held-out decisions: 0 to 2."""
    groups: int
    """Independent units of both domains."""

    @property
    def told(self) -> bool:
        """Whether the domains differ by more than chance, and by enough to matter."""
        return self.low > 0.5 and self.value >= MODERATE

    @property
    def band(self) -> str:
        """ "none", "mild", "moderate", "strong"."""
        if self.low <= 0.5:
            return "none"
        return "mild" if self.value < MODERATE else "moderate" if self.value <= STRONG else "strong"

    def to_json(self) -> dict[str, Any]:
        return {
            "value": self.value,
            "low": self.low,
            "high": self.high,
            "distance": self.distance,
            "band": self.band,
        }


def domain_auc(
    xs: np.ndarray,
    xt: np.ndarray,
    *,
    groups_s: np.ndarray | None = None,
    groups_t: np.ndarray | None = None,
    weights_s: np.ndarray | None = None,
    seed: int = 0,
    folds: int = FOLDS,
) -> Separation:
    """The AUC of a logistic regression on z-scored principal components of `xs` `[S, D]` and `xt` `[T, D]`,
    from held-out scores.

    Groups (int `[S]`, `[T]`, of one numbering) stay on one side of every fold, and are what the interval
    rests on. `weights_s` float64 `[S]`: how often each source row counts, as in a source whose classes are as
    frequent as the target's. Raises `ValueError` with fewer than two rows in a domain.
    """
    n, m = len(xs), len(xt)
    if n < 2 or m < 2:
        raise ValueError(f"{n} rows of the source and {m} of the target; at least 2 of each are needed")
    weights = np.concatenate(
        [np.ones(n) if weights_s is None else np.asarray(weights_s, np.float64), np.ones(m)]
    )
    unit = _units(n, m, groups_s, groups_t)
    target = np.arange(n + m) >= n
    with threads.suited_to(n + m):
        rows = whitened(np.concatenate([xs, xt]))
        scores, count = np.zeros(n + m), max(2, min(folds, n, m))
        fold = _folds(unit, target, count, seed)
        for number in range(count):
            held = fold == number
            if held.any():
                scores[held] = _fitted(rows[~held], target[~held], weights[~held], rows[held])
    value, error = delong(scores[:n], scores[n:], unit[:n], unit[n:], weights_s=weights[:n])
    units = min(len(np.unique(unit[:n])), len(np.unique(unit[n:])))
    if error > 0:
        # each score comes from a model that learnt from most others: of equal domains the variance is twice
        # that of scores given beforehand (measured, 20 to 512 columns, 30 to 300 rows), of domains far apart
        # the same
        reach = NormalDist().inv_cdf(0.975) * error * np.sqrt(1 + 4 * value * (1 - value))
        low, high = max(0.0, float(value - reach)), min(1.0, float(value + reach))
    else:  # of few units all told apart is no certainty, which no variance can show
        doubt = wilson(value * units, units)
        low, high = doubt.low, doubt.high
    wrong = np.where(target, scores <= 0, scores > 0) * weights
    balanced = (wrong[:n].sum() / weights[:n].sum() + wrong[n:].mean()) / 2
    distance = float(np.clip(2 * (1 - 2 * balanced), 0.0, 2.0))
    return Separation(value, low, high, scores, distance, len(np.unique(unit)))


def delong(
    source: np.ndarray,
    target: np.ndarray,
    groups_s: np.ndarray | None = None,
    groups_t: np.ndarray | None = None,
    *,
    weights_s: np.ndarray | None = None,
) -> tuple[float, float]:
    """(AUC, its standard error) of scores float64 `[S]` and `[T]`, ties counting half. O(N log N).

    Rows of one group (int, one numbering) vary together. Source rows count by `weights_s` `[S]`.
    """
    n, m = len(source), len(target)
    weights = np.ones(n) if weights_s is None else weights_s / weights_s.mean()
    order = np.argsort(source, kind="stable")
    below = np.concatenate([[0.0], np.cumsum(weights[order])])
    first, last = (np.searchsorted(source[order], target, side) for side in ("left", "right"))
    of_target = (below[first] + below[last]) / 2 / n
    own = np.sort(target)
    first, last = (np.searchsorted(own, source, side) for side in ("left", "right"))
    of_source = 1 - (first + last) / 2 / m
    value = float(of_target.mean())
    unit = _units(n, m, groups_s, groups_t)
    parts = np.zeros((2, int(unit.max()) + 1))
    np.add.at(parts[0], unit[:n], weights * (of_source - value) / n)
    np.add.at(parts[1], unit[n:], (of_target - value) / m)
    present = np.zeros_like(parts, dtype=bool)
    present[0, unit[:n]] = present[1, unit[n:]] = True
    counts = present.sum(axis=1)
    scale = counts / np.maximum(counts - 1, 1)
    both = int(present.all(axis=0).sum())
    variance = float((scale[:, None] * parts**2).sum())
    variance += 2 * both / max(both - 1, 1) * float((parts[0] * parts[1]).sum())
    return value, float(np.sqrt(max(variance, 0.0)))


def _units(n: int, m: int, groups_s: np.ndarray | None, groups_t: np.ndarray | None) -> np.ndarray:
    """int64 `[n + m]`, from 0: groups, or each row its own."""
    source = np.arange(n) if groups_s is None else np.asarray(groups_s)
    free = int(source.max()) + 1
    target = free + np.arange(m) if groups_t is None else np.asarray(groups_t)
    return np.unique(np.concatenate([source, target]), return_inverse=True)[1]


def _folds(unit: np.ndarray, target: np.ndarray, count: int, seed: int) -> np.ndarray:
    """int64 `[N]`: units drawn in turn, those with rows of the target apart from the others."""
    units = int(unit.max()) + 1
    fold, of_target = np.zeros(units, np.int64), np.zeros(units, bool)
    of_target[unit[target]] = True
    rng = np.random.default_rng(seed)
    for side in (False, True):
        own = rng.permutation(np.flatnonzero(of_target == side))
        fold[own] = np.arange(len(own)) % count
    return fold[unit]


def _fitted(x: np.ndarray, y: np.ndarray, weights: np.ndarray, held: np.ndarray) -> np.ndarray:
    """Log-odds float64 `[H]` of held-out rows: logistic regression by Newton's method, both domains with the
    same weight."""
    weights = weights.copy()
    for side in (False, True):
        weights[y == side] *= len(y) / 2 / max(weights[y == side].sum(), 1e-12)
    x = np.hstack([x, np.ones((len(x), 1))])
    ridge = np.full(x.shape[1], PENALTY)
    ridge[-1] = 1e-9  # an intercept is free
    beta = np.zeros(x.shape[1])
    for _ in range(30):
        p = 1 / (1 + np.exp(-np.clip(x @ beta, -30, 30)))
        slope = x.T @ (weights * (p - y)) + ridge * beta
        curve = (x * (weights * np.maximum(p * (1 - p), 1e-6))[:, None]).T @ x + np.diag(ridge)
        step = np.linalg.solve(curve, slope)
        beta -= step * min(1.0, 5.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-8:
            break
    return np.asarray(held @ beta[:-1] + beta[-1])

"""Scores of how well features fit labels: the product's, and the published algorithms written down as they are.

    scores.py product|published FEATURES.npy LABELS.npy ANSWERS.npy

FEATURES float32 `[N, D]`, LABELS int `[N]`, ANSWERS float `[N, Z]` (of the source's own classifier: rows sum to one).
"published" follows the papers: LogME by fixed point from a thin singular value decomposition (You et al., ICML 2021),
the H-score by the pseudo-inverse of the covariance (Bao et al., ICIP 2019), TransRate by coding rates of all rows and of
each class (Huang et al., ICML 2022), LEEP from the joint distribution of answers and labels (Nguyen et al., ICML 2020).
"""

from __future__ import annotations

import argparse
import importlib.util
from collections.abc import Callable

import numpy as np
from say import say, timed

BRIEF = 1.0
"""Seconds below which a score is computed five times; the fastest counts, on every side."""
Scores = dict[str, Callable[[], float]]


def logme(f: np.ndarray, y: np.ndarray) -> float:
    f = f.astype(np.float64)
    rows, columns = f.shape
    u, s, _ = np.linalg.svd(f, full_matrices=False)
    s2 = s**2
    evidence = []
    for label in range(y.max() + 1):
        target = (y == label).astype(np.float64)
        x2 = (u.T @ target) ** 2
        rest = (target**2).sum() - x2.sum()
        alpha = beta = 1.0
        for _ in range(11):
            t = alpha / beta
            gamma = (s2 / (s2 + t)).sum()
            m2 = (s2 * x2 / (t + s2) ** 2).sum()
            r2 = (x2 / (1 + s2 / t) ** 2).sum() + rest
            alpha, beta = gamma / (m2 + 1e-5), (rows - gamma) / (r2 + 1e-5)
            if abs(alpha / beta - t) / t <= 1e-3:
                break
        log = columns / 2 * np.log(alpha) + rows / 2 * np.log(beta) - 0.5 * np.log(alpha + beta * s2).sum()
        log += -beta / 2 * r2 - alpha / 2 * m2 - rows / 2 * np.log(2 * np.pi)
        evidence.append(log / rows)
    return float(np.mean(evidence))


def hscore(f: np.ndarray, y: np.ndarray) -> float:
    means = np.zeros_like(f)
    for label in range(y.max() + 1):
        means[y == label] = f[y == label].mean(axis=0)
    return float(np.trace(np.linalg.pinv(np.cov(f, rowvar=False)) @ np.cov(means, rowvar=False)))


def transrate(f: np.ndarray, y: np.ndarray, epsilon: float = 1e-4) -> float:
    z = f.astype(np.float64) - f.mean(axis=0, dtype=np.float64)

    def rate(part: np.ndarray) -> float:
        inner = np.eye(part.shape[1]) + part.T @ part / (len(part) * epsilon)
        return 0.5 * float(np.linalg.slogdet(inner)[1])

    return rate(z) - sum(np.mean(y == label) * rate(z[y == label]) for label in range(y.max() + 1))


def leep(theta: np.ndarray, y: np.ndarray) -> float:
    joint = np.zeros((y.max() + 1, theta.shape[1]))
    for label in range(y.max() + 1):
        joint[label] = theta[y == label].sum(axis=0) / len(y)
    conditional = joint / joint.sum(axis=0)
    return float(np.mean(np.log((conditional[y] * theta).sum(axis=1))))


def published(f: np.ndarray, y: np.ndarray, theta: np.ndarray) -> Scores:
    return {
        "LogME": lambda: logme(f, y),
        "H-score": lambda: hscore(f, y),
        "TransRate": lambda: transrate(f, y),
        "LEEP": lambda: leep(theta, y),
    }


def product(f: np.ndarray, y: np.ndarray, theta: np.ndarray) -> Scores:
    """Without centring and shrinking, so that the numbers are those of the papers."""
    from headstart.measure.transferability import hscore, leep, logme, transrate

    return {
        "LogME": lambda: logme.logme(f, np.eye(y.max() + 1)[y], centre=False),
        "H-score": lambda: hscore.hscore(f, y, shrink=False),
        "TransRate": lambda: transrate.transrate(f, y),
        "LEEP": lambda: leep.leep(theta, y),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("side", choices=("product", "published"))
    parser.add_argument("arrays", nargs=3)
    asked = parser.parse_args()
    if asked.side == "product" and importlib.util.find_spec("headstart.measure.transferability") is None:
        say(skip="this version of Headstart has no measure.transferability yet")
        return
    given = [np.load(path) for path in asked.arrays]
    scores = {"product": product, "published": published}[asked.side](*given)
    parts = {}
    for name, score in scores.items():
        value, took = timed(score)
        for _ in range(4 if took["seconds"] < BRIEF else 0):
            took = min(took, timed(score)[1], key=lambda one: one["processor"])
        parts[name] = {**took, "value": value}
    say(parts=parts)


if __name__ == "__main__":
    main()

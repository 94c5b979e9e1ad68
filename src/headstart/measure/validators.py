"""How good predictions of unlabelled items look: numbers by which adapters are compared without labels.

`p` float `[N, K]` are probabilities. None of them is evidence by itself (Musgrave, Belongie and Lim,
"Benchmarking Validation Methods for Unsupervised Domain Adaptation", 2022): a collapsed model can have the
best of some.
"""

from __future__ import annotations

import numpy as np

TEMPERATURE = 0.05
"""Of the neighbourhoods of `snd`."""
SND_ROWS = 1_000
DRAWS = 50
"""Of noise."""


def balanced(y: np.ndarray, said: np.ndarray, outputs: int) -> float:
    """Mean over the classes that occur in `y` of the share that was said right, 0 to 1."""
    count = np.bincount(y, minlength=outputs)
    right = np.bincount(y[said == y], minlength=outputs)
    return float((right[count > 0] / count[count > 0]).mean())


def agreement(a: np.ndarray, b: np.ndarray, outputs: int) -> float:
    """Cohen's kappa of two answers int64 `[N]` to the same items: 0 is chance, 1 the same everywhere (Cohen,
    "A Coefficient of Agreement for Nominal Scales", 1960)."""
    chance = float(np.bincount(a, minlength=outputs) @ np.bincount(b, minlength=outputs)) / len(a) ** 2
    return (float((a == b).mean()) - chance) / max(1 - chance, 1e-12)


def bnm(p: np.ndarray) -> float:
    """Nuclear norm over its bound `sqrt(N min(N, K))`: sure and varied answers have 1 (Cui et al., "Towards
    Discriminability and Diversity: Batch Nuclear-Norm Maximization", CVPR 2020)."""
    return float(np.linalg.norm(p, "nuc") / np.sqrt(len(p) * min(p.shape)))


def information(p: np.ndarray) -> float:
    """Entropy of the mean answer minus the mean entropy, in nats (Shi and Sha, "Information-Theoretical
    Learning of Discriminative Clusters", ICML 2012). Only shown."""
    return float(_entropy(p.mean(axis=0)) - _entropy(p).mean())


def snd(p: np.ndarray) -> float:
    """Soft neighbourhood density: mean entropy of the similarities to the other answers (Saito et al.,
    "Tune it the Right Way", ICCV 2021), of `SND_ROWS` rows at most. Only shown: it is highest for a
    collapsed model."""
    if len(p) < 2:
        return 0.0
    rows = p[np.unique(np.linspace(0, len(p) - 1, min(len(p), SND_ROWS)).astype(np.int64))]
    unit = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    near = unit @ unit.T / TEMPERATURE
    np.fill_diagonal(near, -np.inf)
    near = np.exp(near - near.max(axis=1, keepdims=True))
    return float(_entropy(near / near.sum(axis=1, keepdims=True)).mean())


def surer_than_noise(p: np.ndarray, *, seed: int = 0) -> float:
    """By how many standard deviations fewer answers lie near a boundary than for noise: Gaussian logits of
    the same mean and covariance.

    Only of use for networks that were trained on the target: a linear head draws its boundaries where there
    is no gap, also in targets that it answers well.
    """
    logits = np.log(np.maximum(p, 1e-12))
    logits -= logits.mean(axis=1, keepdims=True)
    values, axes = np.linalg.eigh(np.cov(logits, rowvar=False))
    root = axes * np.sqrt(np.maximum(values, 0.0))
    rng = np.random.default_rng(seed)
    mean = logits.mean(axis=0)
    noise = np.array([_apart(mean + rng.standard_normal(logits.shape) @ root.T) for _ in range(DRAWS)])
    return float((_apart(logits) - noise.mean()) / max(float(noise.std(ddof=1)), 1e-12))


def _apart(logits: np.ndarray) -> float:
    """How far answers are from a boundary, 0 to 1: their mean margin over the root of its mean square, which
    has no scale."""
    best = np.sort(logits, axis=1)
    margin = best[:, -1] - best[:, -2]
    return float(margin.mean() / max(float(np.sqrt((margin**2).mean())), 1e-12))


def _entropy(p: np.ndarray) -> np.ndarray:
    return np.asarray(-(p * np.log(np.maximum(p, 1e-300))).sum(axis=-1))

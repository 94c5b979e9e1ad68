"""Adaptation without the source's items (Liang, Hu and Feng, "Do We Really Need to Access the Source Data?
Source Hypothesis Transfer for Unsupervised Domain Adaptation", ICML 2020: SHOT)."""

from __future__ import annotations

import numpy as np
from torch import Tensor

from headstart.train.losses.entropy import entropy


def information(z: Tensor) -> Tensor:
    """Scalar: mean entropy of the predictions less the entropy of their mean, from logits `[B, K]`; low where
    each is sure and all together are varied."""
    p = z.softmax(1)
    return entropy(p).mean() - entropy(p.mean(0, keepdim=True))[0]


def pseudo_labels(features: np.ndarray, p: np.ndarray) -> np.ndarray:
    """int64 `[n]`: the class whose centre is nearest by cosine, from features `[n, D]` and probabilities `[n,
    K]`.

    Centres weighted by the probabilities first, then once more of the items that each one got. A class that
    no item is said to be is not given.
    """
    x = np.column_stack([features, np.ones(len(features))])
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    said = np.unique(p.argmax(axis=1))
    heft = p
    for _ in range(2):
        centres = heft.T @ x / (heft.sum(axis=0)[:, None] + 1e-8)  # [K, D + 1]
        centres = centres / np.maximum(np.linalg.norm(centres, axis=1, keepdims=True), 1e-12)
        labels = said[(x @ centres[said].T).argmax(axis=1)]
        heft = np.eye(p.shape[1])[labels]
    return np.asarray(labels, np.int64)

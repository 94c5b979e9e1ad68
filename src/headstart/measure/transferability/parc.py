"""PARC: whether rows that are alike by their features are alike by their labels.

Bolya, Mittapalli and Hoffman, "Scalable diverse model selection for accessible transfer learning", NeurIPS
2021.
"""

from __future__ import annotations

import numpy as np

from headstart.measure.partition import drawn
from headstart.measure.spectral import basis, standardise

DIRECTIONS = 32
"""Principal directions that are looked at."""
MOST = 2000
"""Rows at most: it compares all pairs."""


def parc(features: np.ndarray, targets: np.ndarray, *, directions: int = DIRECTIONS, seed: int = 0) -> float:
    """Spearman's correlation, -1 to 1, of two dissimilarities of all pairs of rows: of features `[N, D]` in
    their principal directions, and of `targets` `[N, K]` (`one_hot` for classes), each 1 - the correlation of
    the rows. Of more than 2,000 rows some, drawn by `seed`. O(N^2 log N).

    >>> import numpy as np
    >>> labels = np.arange(40) % 4
    >>> x = np.eye(4)[labels] + 0.05 * np.random.default_rng(0).normal(size=(40, 4))
    >>> parc(x, np.eye(4)[labels]) > 0.5
    True
    """
    from scipy.stats import spearmanr

    some = drawn(len(features), MOST, seed=seed)
    spectral = basis(features[some])
    right = spectral.right[:, :directions]
    # a correlation over directions depends on which way each of them points: its largest loading is positive
    turn = np.sign(right[np.abs(right).argmax(axis=0), np.arange(right.shape[1])])
    scores = standardise(spectral.scores[:, :directions] * turn)[0]
    upper = np.triu_indices(len(some), 1)
    if scores.shape[1] < 2:
        return 0.0
    return float(spearmanr(_unlike(scores)[upper], _unlike(np.asarray(targets, np.float64)[some])[upper])[0])


def _unlike(rows: np.ndarray) -> np.ndarray:
    """float64 `[n, n]`: 1 - the correlation of rows; of a constant row 1."""
    centred = rows - rows.mean(axis=1, keepdims=True)
    length = np.linalg.norm(centred, axis=1, keepdims=True)
    centred = np.divide(centred, length, out=np.zeros_like(centred), where=length > 1e-12)
    # equal up to rounding is equal: it would not be for ranks
    return np.asarray(np.round(1.0 - centred @ centred.T, 10))

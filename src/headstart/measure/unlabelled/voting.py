"""Labels that several models, or most of them, agree on, in each class its share.

What one model is sure of it has usually known before, and what it is wrong about it learns once more; models
that see the items differently teach each other (Blum and Mitchell, "Combining labeled and unlabeled data with
co-training", COLT 1998; Zhou and Li, "Tri-training", IEEE TKDE 2005).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def agreed(votes: Sequence[np.ndarray], most: np.ndarray, least: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(rows, their classes), int64: of each class the rows to which all `votes` (probabilities `[N, K]`) give
    it on average, and `least` of them (0: all) each by itself; the surest first, at most `most` `[K]` of
    them. Rows are in increasing order.
    """
    mean = np.mean(votes, axis=0)
    answer = mean.argmax(axis=1)
    alike = np.sum([p.argmax(axis=1) == answer for p in votes], axis=0) >= (least or len(votes))
    kept = []
    for number, room in enumerate(most):
        rows = np.flatnonzero(alike & (answer == number))
        kept.append(rows[np.argsort(-mean[rows, number], kind="stable")][: int(room)])
    rows = np.sort(np.concatenate(kept))
    return rows, answer[rows]

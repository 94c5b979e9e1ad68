"""Labels that several models agree on, in each class its share.

What one model is sure of it has usually known before, and what it is wrong about it learns once more; models
that see the items differently teach each other (Blum and Mitchell, "Combining labeled and unlabeled data with
co-training", COLT 1998; Zhou and Li, "Tri-training", IEEE TKDE 2005).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def agreed(votes: Sequence[np.ndarray], most: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows, their classes), int64: of each class the rows that all `votes` (probabilities `[N, K]`) give
    to it, those of the highest mean probability first, and at most `most` `[K]` of them. Rows are in
    increasing order.
    """
    answers = np.array([p.argmax(axis=1) for p in votes])
    alike, mean = (answers == answers[0]).all(axis=0), np.mean(votes, axis=0)
    kept = []
    for number, room in enumerate(most):
        rows = np.flatnonzero(alike & (answers[0] == number))
        kept.append(rows[np.argsort(-mean[rows, number], kind="stable")][: int(room)])
    rows = np.sort(np.concatenate(kept))
    return rows, answers[0][rows]

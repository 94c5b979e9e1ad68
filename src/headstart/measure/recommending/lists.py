"""Lists of items for each user, and how good they are: one number a user, so that arms are compared in pairs.

Every item of the catalogue competes: measures on a few sampled items rank recommenders otherwise than the
catalogue does (Krichene and Rendle, KDD 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

BLOCK = 256
"""Users scored together: scores take `BLOCK x items` numbers, however many users there are."""
NOTHING = -1
"""In a list: no item is left."""


def top_lists(
    scores: Callable[[Any], np.ndarray], known: Any, *, k: int = 10, block: int = BLOCK
) -> np.ndarray:
    """int64 `[U, k]`: the best items of each user, best first, none that is known; `NOTHING` fills the end.

    `known` is CSR `[U, I]`; `scores` maps a block of its rows `[B, I]` to floats `[B, I]`. Of equal scores
    the first column wins. Raises ValueError where a score is NaN: it has no place in an order.

    >>> import numpy as np, scipy.sparse as sp
    >>> known = sp.csr_array(np.array([[1, 0, 0], [0, 0, 1]]))
    >>> top_lists(lambda rows: np.tile([3.0, 1.0, 2.0], (rows.shape[0], 1)), known, k=2).tolist()
    [[2, 1], [0, 1]]
    """
    users, items = known.shape
    found = np.full((users, k), NOTHING, np.int64)
    for start in range(0, users, block):
        rows = known[start : start + block]
        said = np.array(scores(rows), np.float64)
        if said.shape != rows.shape or np.isnan(said).any():
            raise ValueError(f"scores must be numbers of shape {rows.shape}, not {said.shape} or NaN")
        said[rows.nonzero()] = -np.inf
        least = np.partition(said, max(0, items - k), axis=1)[:, max(0, items - k)]
        for row, (line, at_least) in enumerate(zip(said, least, strict=True), start):
            able = np.flatnonzero((line >= at_least) & (line > -np.inf))
            best = able[np.argsort(-line[able], kind="stable")][:k]
            found[row, : len(best)] = best
    return found


def hits(lists: np.ndarray, relevant: Any) -> np.ndarray:
    """bool `[U, k]`: whether each item of `lists` is one that its user chose later (CSR `[U, I]`)."""
    wanted = relevant.tocsr()
    found = np.zeros(lists.shape, bool)
    for user, line in enumerate(lists):
        found[user] = np.isin(line, wanted.indices[wanted.indptr[user] : wanted.indptr[user + 1]])
    return found


def ndcg(lists: np.ndarray, relevant: Any) -> np.ndarray:
    """float64 `[U]`: normalised discounted cumulative gain at k, each relevant item worth 1 (Järvelin and
    Kekäläinen, TOIS 2002); NaN for a user without a relevant item.

    >>> import numpy as np, scipy.sparse as sp
    >>> float(ndcg(np.array([[2, 0]]), sp.csr_array(np.array([[1, 0, 0]])))[0].round(4))
    0.6309
    """
    worth = 1 / np.log2(np.arange(2, lists.shape[1] + 2))
    ideal = np.concatenate([[np.nan], np.cumsum(worth)])
    return (hits(lists, relevant) @ worth) / ideal[np.minimum(_counts(relevant), lists.shape[1])]


def recall(lists: np.ndarray, relevant: Any) -> np.ndarray:
    """float64 `[U]`: the share of the relevant items that the list holds; NaN without a relevant item.

    >>> import numpy as np, scipy.sparse as sp
    >>> recall(np.array([[2, 0]]), sp.csr_array(np.array([[1, 1, 0]]))).tolist()
    [0.5]
    """
    return hits(lists, relevant).sum(1) / np.where(_counts(relevant) > 0, _counts(relevant), np.nan)


def reciprocal_rank(lists: np.ndarray, relevant: Any) -> np.ndarray:
    """float64 `[U]`: one over the place of the first relevant item, 0 where the list holds none; its mean is
    MRR; NaN without a relevant item.

    >>> import numpy as np, scipy.sparse as sp
    >>> reciprocal_rank(np.array([[2, 0]]), sp.csr_array(np.array([[1, 0, 0]]))).tolist()
    [0.5]
    """
    right = hits(lists, relevant)
    first = np.where(right.any(1), 1 / (1 + right.argmax(1)), 0.0)
    return np.where(_counts(relevant) > 0, first, np.nan)


def coverage(lists: np.ndarray, items: int) -> float:
    """The share of a catalogue of so many items that stands in any list.

    >>> coverage(np.array([[2, 0], [0, -1]]), 4)
    0.5
    """
    return len(np.unique(lists[lists != NOTHING])) / items


def novelty(lists: np.ndarray, known: Any) -> float:
    """Mean surprise of what is listed, in bits: -log2 of the share of users who know the item (Zhou et al.,
    PNAS 2010). An item that nobody knows counts as known to one; NaN where every list is empty.

    >>> import scipy.sparse as sp
    >>> novelty(np.array([[1], [1]]), sp.csr_array(np.array([[1, 1], [1, 0]])))
    1.0
    """
    listed = lists[lists != NOTHING]
    if not len(listed):
        return float("nan")
    owners = np.maximum(np.diff(known.tocsc().indptr), 1)
    return float(np.mean(np.log2(known.shape[0] / owners[listed])))


def _counts(relevant: Any) -> np.ndarray:
    return np.diff(relevant.tocsr().indptr)

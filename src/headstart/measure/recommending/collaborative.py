"""What users who chose alike say about an item: recommenders that read nothing but who chose what."""

from __future__ import annotations

from typing import Any

import numpy as np

LARGEST = 20_000
"""Items of a catalogue that EASE's matrix `[I, I]` is made for: 3.2 GB in float64."""
NEIGHBOURS = 50
PRIOR = 20
"""Events of everyone that each history is mixed with before its categories are read."""


def popularity(known: Any) -> np.ndarray:
    """float64 `[I]`: how many users chose each item of CSR `[U, I]`.

    >>> import scipy.sparse as sp
    >>> popularity(sp.csr_array(np.array([[1, 1], [1, 0]]))).tolist()
    [2.0, 1.0]
    """
    return np.asarray(known.sum(axis=0), np.float64).ravel()


def popularity_by_category(known: Any, rows: Any, categories: Any) -> np.ndarray:
    """float64 `[B, I]`: popularity, times how much more a user likes the item's categories than all users do.

    `rows` are the users' histories, CSR `[B, I]`; `categories` CSR `[I, C]`, 1 where an item is of one. An
    item's categories share it evenly, and count evenly; a history is mixed with `PRIOR` events of everyone's,
    so that a user without one, like an item without categories, gets plain popularity.
    """
    sizes = np.asarray(categories.sum(axis=1), np.float64).ravel()
    evenly = categories.multiply(1 / np.maximum(sizes, 1)[:, None]).tocsr()
    counts = popularity(known)
    everyone = counts @ evenly
    everyone = everyone / max(everyone.sum(), 1.0)
    histories = np.asarray((rows @ evenly).todense(), np.float64) + PRIOR * everyone
    shares = histories / np.maximum(histories.sum(1, keepdims=True), 1e-12)
    lift = np.divide(shares, everyone, out=np.ones(shares.shape), where=everyone > 0)
    return (lift @ evenly.T.toarray() + (sizes == 0)) * counts


def item_knn(known: Any, *, neighbours: int = NEIGHBOURS) -> Any:
    """CSR `[I, I]`: cosine of the users of two items, of each column its largest `neighbours`, diagonal 0.

    A history times this scores the items (Sarwar et al., WWW 2001); of equal cosines the first row is kept.
    """
    import scipy.sparse as sp

    lengths = np.sqrt(np.maximum(popularity(known.multiply(known)), 1e-12))
    scaled = known.multiply(1 / lengths).tocsc()
    columns, kept, values = [], [], []
    for item in range(known.shape[1]):
        alike = (scaled.T @ scaled[:, [item]]).tocoo()
        near = alike.coords[0] != item
        rows, cosines = alike.coords[0][near], alike.data[near]
        best = np.lexsort((rows, -cosines))[:neighbours]
        columns.append(np.full(len(best), item))
        kept.append(rows[best])
        values.append(cosines[best])
    where = (np.concatenate(kept), np.concatenate(columns))
    return sp.coo_array((np.concatenate(values), where), shape=(known.shape[1],) * 2).tocsr()


def ease(known: Any, *, penalty: float) -> np.ndarray:
    """float64 `[I, I]`, diagonal 0: each item from all others by ridge regression, in closed form.

    `B = I - P / diag(P)` with `P = (X'X + penalty I)^-1` for CSR `[U, I]` X; a history times B scores the
    items (Steck, Embarrassingly Shallow Autoencoders for Sparse Data, WWW 2019). Raises ValueError for a
    penalty that is not positive and for more than `LARGEST` items, whose square does not fit.

    >>> import scipy.sparse as sp
    >>> ease(sp.csr_array(np.array([[1, 1], [1, 0]])), penalty=1.0).round(3).tolist()
    [[0.0, 0.333], [0.5, 0.0]]
    """
    items = known.shape[1]
    if not penalty > 0:
        raise ValueError(f"the penalty of EASE must be positive, not {penalty:g}")
    if items > LARGEST:
        raise ValueError(f"EASE holds items x items numbers: {items:,} items are more than {LARGEST:,}")
    gram = np.asarray((known.T @ known).todense(), np.float64)
    gram[np.diag_indices(items)] += penalty
    inverse = np.linalg.inv(gram)
    weights = inverse / -np.diag(inverse)
    np.fill_diagonal(weights, 0.0)
    return weights

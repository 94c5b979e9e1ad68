"""What an item is, for items that nobody chose yet: taste as a function of features that a source gives."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart.measure.recommending.collaborative import popularity
from headstart.measure.spectral import basis

COMPONENTS = 50
PENALTY = 1_000.0


@dataclass(frozen=True)
class Taste:
    """Histories CSR `[B, I]` to scores `[B, I]`, without a matrix of items x items."""

    left: np.ndarray = field(repr=False)
    """float64 `[I, D]`: what a history is added up from."""
    right: np.ndarray = field(repr=False)
    """float64 `[D, I]`: from that sum to the scores of all items, also of those that nobody chose."""

    def __call__(self, rows: Any) -> np.ndarray:
        return np.asarray((rows @ self.left) @ self.right)


def taste(
    known: Any, features: np.ndarray, *, components: int = COMPONENTS, penalty: float = PENALTY
) -> Taste:
    """Ridge regression of each user's choices, 0 or 1, on whitened features `[I, D]` of the items.

    An item that nobody chose says nothing of taste: it is scored and not learnt from. Rows of `features` are
    scaled to length 1 and whitened by their first `components` (UniSRec, KDD 2022). The scores are estimates
    of the same 0 and 1 as those of EASE, so the two can be added. Raises ValueError where nobody chose
    anything, and for other items than those of CSR `[U, I]`.

    >>> import scipy.sparse as sp
    >>> known = sp.csr_array(np.array([[1, 1, 0, 0, 0], [0, 0, 1, 1, 0]]))
    >>> features = np.array([[1, 0], [1, 0.1], [0, 1], [0.1, 1], [1, 0.05]])
    >>> scores = taste(known, features, penalty=0.1)(known)
    >>> bool(scores[0, 4] > scores[1, 4])
    True
    """
    if len(features) != known.shape[1]:
        raise ValueError(f"features of {len(features):,} items for {known.shape[1]:,} columns")
    chosen = popularity(known) > 0
    if not chosen.any():
        raise ValueError("nobody chose anything: there is no taste to learn")
    lengths = np.linalg.norm(features, axis=1, keepdims=True)
    found = basis(np.asarray(features, np.float64) / np.maximum(lengths, 1e-12))
    white = found.left[:, :components] * np.sqrt(len(features))
    columns = np.concatenate([white, np.ones((len(white), 1))], axis=1)
    ridge = np.diag(np.append(np.full(white.shape[1], penalty), 0.0))  # how much a user chooses is not shrunk
    learnt = columns[chosen]
    return Taste(columns, np.linalg.solve(learnt.T @ learnt + ridge, columns.T))


def hybrid(collaborative: np.ndarray, content: np.ndarray, events: np.ndarray, *, k: float) -> np.ndarray:
    """float64 `[B, I]`: both scores added, content the less the more events `[I]` an item has: `k / (n + k)`.

    The collaborative score is not taken back where events are few, as in `n / (n + k)` of it: it is small
    there by itself. On MovieLens 100K by time that rule loses to EASE, this one wins. Raises ValueError for a
    `k` that is not positive.

    >>> hybrid(np.array([[1.0, 0.0]]), np.array([[0.4, 0.4]]), np.array([10.0, 0.0]), k=10).tolist()
    [[1.2, 0.4]]
    """
    if not k > 0:
        raise ValueError(f"k is a number of more than 0 events, not {k:g}")
    return collaborative + content * (k / (events + k))

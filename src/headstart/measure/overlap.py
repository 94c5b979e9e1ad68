"""Overlap of two maps of classes: what is counted of each item, and the measures that follow from the sums.

Counts are float64 `[..., 3, K]`: places of each class that are right, that are of it, that are said to be it;
of boundaries `[..., 4, K]`: said ones near a true one, said ones, true ones near a said one, true ones.
"""

from __future__ import annotations

import numpy as np


def counts(truth: np.ndarray, said: np.ndarray, classes: int) -> np.ndarray:
    """float64 `[3, K]` of uint8 maps of one shape; places whose true number is no class do not count."""
    use = truth < classes
    true, guess = truth[use], said[use]
    right = np.bincount(true[true == guess], minlength=classes)
    sizes = (np.bincount(one[one < classes], minlength=classes) for one in (true, guess))
    return np.stack([right, *sizes]).astype(np.float64)


def ious(counted: np.ndarray) -> np.ndarray:
    """float64 `[..., K]`: intersection over union (Jaccard); NaN for a class that is neither there nor
    said."""
    right, true, said = (counted[..., part, :] for part in range(3))
    return _ratio(right, true + said - right)


def dices(counted: np.ndarray) -> np.ndarray:
    """float64 `[..., K]`: twice the intersection over the sum of the sizes (F1 of places)."""
    right, true, said = (counted[..., part, :] for part in range(3))
    return _ratio(2 * right, true + said)


TOLERANCE = 0.0075
"""Of the diagonal: so far apart two boundaries may be and count as the same (Csurka et al., BMVC 2013)."""
LARGEST = 1_000
"""Cells on the longer side; of larger maps boundaries are looked at in so many."""


def boundaries(truth: np.ndarray, said: np.ndarray, classes: int) -> np.ndarray:
    """float64 `[4, K]` of uint8 maps of one shape; places whose true number is no class do not count."""
    every = -(-max(truth.shape) // LARGEST)
    true = np.where(truth < classes, truth, classes)[::every, ::every]
    guess = np.where(truth < classes, np.minimum(said, classes), classes)[::every, ::every]
    reach = max(1.0, TOLERANCE * float(np.hypot(*true.shape)))
    span = np.arange(-int(reach), int(reach) + 1)
    disc = np.argwhere(span[:, None] ** 2 + span**2 <= reach**2)  # from the corner of what surrounds a place
    found = np.zeros((4, classes))
    near = np.zeros((true.shape[0] + len(span) - 1, true.shape[1] + len(span) - 1), bool)
    sides = [_edges(one, classes) for one in (true, guess)]
    for k in range(classes):
        places = [at[label == k] for at, label in sides]
        for line, (here, there) in enumerate((places[::-1], places)):
            found[2 * line + 1, k] = len(here)
            if len(here) and len(there):
                where = (there[:, None] + disc).reshape(-1, 2)
                near[where[:, 0], where[:, 1]] = True
                inner = here + len(span) // 2
                found[2 * line, k] = near[inner[:, 0], inner[:, 1]].sum()
                near[where[:, 0], where[:, 1]] = False
    return found


def _edges(labels: np.ndarray, void: int) -> tuple[np.ndarray, np.ndarray]:
    """(int64 `[n, 2]` row and column, their classes) of places with a neighbour of another class."""
    edge = np.zeros(labels.shape, bool)
    for axis in (0, 1):
        first, second = (np.take(labels, range(i, labels.shape[axis] - 1 + i), axis) for i in (0, 1))
        differ = (first != second) & (first != void) & (second != void)
        below, above = (edge[:-1], edge[1:]) if axis == 0 else (edge[:, :-1], edge[:, 1:])
        below |= differ
        above |= differ
    at = np.argwhere(edge)
    return at, labels[at[:, 0], at[:, 1]]


def boundary_fs(counted: np.ndarray) -> np.ndarray:
    """float64 `[..., K]`: harmonic mean of the share of said boundaries that are true and of true ones that
    are said; NaN for a class without either."""
    near, said, hit, true = (counted[..., part, :] for part in range(4))
    precision, recall = _ratio(near, said), _ratio(hit, true)
    none = np.isnan(precision) & np.isnan(recall)
    both = np.nan_to_num(precision) + np.nan_to_num(recall)
    found = np.divide(2 * precision * recall, both, out=np.zeros(both.shape), where=both > 0)
    return np.where(none, np.nan, np.nan_to_num(found))


def _ratio(above: np.ndarray, below: np.ndarray) -> np.ndarray:
    return np.divide(above, below, out=np.full(below.shape, np.nan), where=below > 0)

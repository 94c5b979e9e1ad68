"""Labels that look wrong, from probabilities that were predicted out of fold.

The confident joint of Northcutt, Jiang and Chuang, "Confident Learning: Estimating Uncertainty in
Dataset Labels", JAIR 2021, worked out from the paper's formulas.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np


@dataclass(frozen=True)
class Suspects:
    """Rows whose label is doubted, the most suspicious first."""

    rows: np.ndarray = field(repr=False)
    """int64 `[S]`: positions in what was given."""
    suggested: np.ndarray = field(repr=False)
    """int64 `[S]`: the class that the row is counted to."""
    margin: np.ndarray = field(repr=False)
    """float64 `[S]`: probability of the given class less that of the suggested one, negative."""

    def __len__(self) -> int:
        return len(self.rows)


def thresholds(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """float64 `[K]`: the mean probability of class k over the rows labelled k; infinite without rows."""
    count = np.bincount(y, minlength=p.shape[1])
    total = np.bincount(y, weights=p[np.arange(len(y)), y], minlength=p.shape[1])
    return np.divide(total, count, out=np.full(p.shape[1], np.inf), where=count > 0)


def confident_classes(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """int64 `[N]`: of the classes whose probability reaches their threshold, the most probable; -1 where
    none does."""
    among = np.where(p >= thresholds(y, p) - 1e-12, p, -1.0)
    best = among.argmax(axis=1)
    return np.where(among[np.arange(len(y)), best] >= 0, best, -1)


def suspects(y: np.ndarray, p: np.ndarray) -> Suspects:
    """The rows off the diagonal of the confident joint, by increasing normalised margin.

    `y` int64 `[N]` are the given labels, `p` float `[N, K]` probabilities from models that had not
    seen the row. A row is named only where the suggested class is more probable than the given one.
    """
    if not len(y):
        nothing = np.zeros(0, np.int64)
        return Suspects(nothing, nothing, np.zeros(0))
    found, each = confident_classes(y, p), np.arange(len(y))
    margin = p[each, y] - p[each, found]
    rows = np.flatnonzero((found >= 0) & (found != y) & (margin < 0))
    rows = rows[np.argsort(margin[rows], kind="stable")]
    return Suspects(rows, found[rows], margin[rows])

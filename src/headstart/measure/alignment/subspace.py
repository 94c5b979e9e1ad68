"""Subspace alignment: the leading directions of the source are turned into those of the target.

Fernando, Habrard, Sebban and Tuytelaars, "Unsupervised Visual Domain Adaptation Using Subspace Alignment",
ICCV 2013.
"""

from __future__ import annotations

import numpy as np

from headstart.measure.alignment.frame import Affine, Alignment, Moments

WIDTHS = (128, 64, 32, 16)
"""Directions that are kept: the most of these that the rows can tell, or half of the columns of few."""


def width(xs: np.ndarray, xt: np.ndarray) -> int:
    """How many directions."""
    rows, columns = min(len(xs), len(xt)), xs.shape[1]
    able = [one for one in WIDTHS if one < columns and one <= rows // 3]
    return able[0] if able else max(1, min(columns // 2, rows // 3))


def subspace(xs: np.ndarray, xt: np.ndarray, weights: np.ndarray | None = None) -> Alignment:
    """`xs -> (xs - mean_s) Ps Ps^T Pt`, `xt -> (xt - mean_t) Pt`."""
    source, target = Moments.of(xs, weights), Moments.of(xt)
    kept = width(xs, xt)
    ps, pt = (np.linalg.eigh(one.covariance)[1][:, ::-1][:, :kept] for one in (source, target))
    moved = ps @ (ps.T @ pt)
    return Alignment(Affine(moved, -source.mean @ moved), Affine(pt, -target.mean @ pt))

"""Entropic optimal transport: each source row goes to the mean of the target rows that it is sent to.

Courty, Flamary, Tuia and Rakotomamonjy, "Optimal Transport for Domain Adaptation", IEEE TPAMI 2017; new
rows as in Ferradans, Papadakis, Peyre and Aujol, "Regularized Discrete Optimal Transport", SIAM J. Imaging
Sciences 2014. The plan is that of POT (extra `adapt`).
"""

from __future__ import annotations

import numpy as np

from headstart.errors import MissingExtra
from headstart.measure.alignment.frame import Affine, Alignment

REGULARISATION = 0.05
"""Of the plan's entropy, as a share of the mean cost."""
ROWS = 2_000
"""Of each domain at most, evenly spread: the plan is a matrix of source rows x target rows."""
STEPS = 500


def entropic(xs: np.ndarray, xt: np.ndarray, weights: np.ndarray | None = None) -> Alignment:
    """The barycentric map of Sinkhorn's plan; a row that is not in the plan moves as its nearest one does.

    Raises `MissingExtra` without POT.
    """
    try:
        from ot.bregman import sinkhorn_log
    except ImportError as error:
        raise MissingExtra("ot", extra="adapt", needed_for="entropic optimal transport") from error
    some = _spread(len(xs))
    ours, theirs = xs[some], xt[_spread(len(xt))]
    a = np.ones(len(ours)) if weights is None else weights[some]
    cost = _squares(ours, theirs)
    plan = sinkhorn_log(
        a / a.sum(),
        np.full(len(theirs), 1 / len(theirs)),
        cost,
        REGULARISATION * float(cost.mean()),
        numItermax=STEPS,
        stopThr=1e-6,
        warn=False,
    )
    moved = (plan / plan.sum(axis=1, keepdims=True)) @ theirs - ours

    def carried(x: np.ndarray) -> np.ndarray:
        return np.asarray(x + moved[_squares(x, ours).argmin(axis=1)])

    return Alignment(carried, Affine.identity(xs.shape[1]))


def _spread(rows: int) -> np.ndarray:
    return np.unique(np.linspace(0, rows - 1, min(rows, ROWS)).astype(np.int64))


def _squares(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float64 `[n, m]`: squared distances."""
    return np.maximum((a**2).sum(axis=1)[:, None] + (b**2).sum(axis=1) - 2 * a @ b.T, 0.0)

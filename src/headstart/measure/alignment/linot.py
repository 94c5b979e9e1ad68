"""Linear optimal transport: the cheapest map that takes one Gaussian to another.

Flamary, Lounici and Ferrari, "Concentration bounds for linear Monge mapping estimation and optimal transport
domain adaptation", 2019.
"""

from __future__ import annotations

import numpy as np

from headstart.measure.alignment.frame import Alignment, power, turned


def linot(xs: np.ndarray, xt: np.ndarray, weights: np.ndarray | None = None) -> Alignment:
    """`xs -> (xs - mean_s) A + mean_t` with `A = Cs^-1/2 (Cs^1/2 Ct Cs^1/2)^1/2 Cs^-1/2`, in the directions
    that `turned` looks at."""
    return turned(xs, xt, weights, _cheapest)


def _cheapest(cs: np.ndarray, ct: np.ndarray) -> np.ndarray:
    root, back = power(cs, 0.5), power(cs, -0.5)
    return np.asarray(back @ power(root @ ct @ root, 0.5) @ back)

"""CORAL: the source is whitened and coloured as the target.

Sun, Feng and Saenko, "Return of Frustratingly Easy Domain Adaptation", AAAI 2016.
"""

from __future__ import annotations

import numpy as np

from headstart.measure.alignment.frame import Alignment, power, turned


def coral(xs: np.ndarray, xt: np.ndarray, weights: np.ndarray | None = None) -> Alignment:
    """`xs -> (xs - mean_s) Cs^-1/2 Ct^1/2 + mean_t`, in the directions that `turned` looks at."""
    return turned(xs, xt, weights, lambda cs, ct: power(cs, -0.5) @ power(ct, 0.5))

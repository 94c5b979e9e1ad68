"""CORAL: the source's features get the target's mean and covariance, and the head is fitted again there."""

from __future__ import annotations

import numpy as np

from headstart.measure.alignment.coral import coral
from headstart.measure.alignment.frame import Alignment
from headstart.strategies.adapt._base import Aligned


class Coral(Aligned):
    """See `measure.alignment.coral`."""

    name = "coral"

    def align(self, xs: np.ndarray, xt: np.ndarray, weights: np.ndarray | None) -> Alignment:
        return coral(xs, xt, weights)

"""Prior reweighting: the same head, its classes as frequent as they seem to be in the target.

Saerens, Latinne and Decaestecker, Neural Computation 2002, with calibrated probabilities (Alexandari,
Kundaje and Shrikumar, ICML 2020). A shift of the biases, and all that label shift needs.
"""

from __future__ import annotations

import numpy as np

from headstart.core.strategy import Request
from headstart.strategies.adapt._base import Adapts, Domains, Headed

SMALL = 1e-4
"""Least share that a class is given: it is never ruled out."""


class Prior(Adapts):
    """See `measure.shift.label_shift`."""

    name = "prior"

    def adapt(self, request: Request) -> Headed:
        domains = Domains.of(request)
        linear, own = domains.fit(domains.x(domains.source)), domains.frequencies
        shares = domains.shares(linear.logits(domains.x(domains.target)), own)
        choices = {"C": linear.penalty, "shares": shares.tolist()}
        if np.array_equal(shares, own):  # as frequent as in the source
            return Headed(domains, linear.weight, linear.bias, linear.logits, choices)
        known, calibration = own > 0, domains.held_out[0]
        shift = np.zeros(len(own))
        shift[known] = np.log(np.maximum(shares[known], SMALL) / own[known])
        bias = linear.bias + (shift + calibration.bias) / calibration.scale
        return Headed(domains, linear.weight, bias, linear.logits, choices)

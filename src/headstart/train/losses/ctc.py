"""Connectionist temporal classification (Graves et al., ICML 2006): signs without their places in time."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from headstart.measure.texts.paths import BLANK


def ctc_loss(z: Tensor, targets: Tensor) -> Tensor:
    """float `[B]`, whose mean is that over all characters of the batch, in nats.

    `z` `[B, T, K]` are log-probabilities of every step, those behind the end of an item sure of the blank;
    `targets` int64 `[B, L]` numbers from 1 on, filled up with -1. What has too few steps for its characters
    counts 0.
    """
    lengths = (targets >= 0).sum(1)
    steps = torch.full((len(z),), z.shape[1])
    # of half precision there is no such loss, and the one of a processor takes no mixed devices
    each = functional.ctc_loss(
        z.float().transpose(0, 1), targets.clamp(min=0), steps, lengths, BLANK, "none", zero_infinity=True
    )
    return each * len(targets) / lengths.sum().clamp(min=1)

"""Batches of sequences, cut to the longest in them: what is stored is padded to one length for all."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from headstart.core.masked import Layout

TOGETHER, TOKENS = 8, 256
"""Texts of like length that run through the network at a time, or so many tokens where that is more: padding
costs as much as words. Against whole batches of 32 a training step of all-MiniLM-L6-v2 takes 0.73 of the time
on book reviews, 0.74 on AG News, 0.62 on CR and 0.95 on TREC, whose texts are all short (one core)."""


def trimmed(inputs: Tensor, layout: Layout) -> Tensor:
    """Without the end that every mask hides. At least one step stays."""
    used = _used(inputs, layout).any(0).nonzero()
    found: Tensor = layout.cut(inputs, int(used.max()) + 1 if len(used) else 1)
    return found


def by_length(inputs: Tensor, layout: Layout, act: Callable[[Tensor], Tensor]) -> Tensor:
    """`act` of a batch of sequences, which gives a row for each of them.

    On a processor sequences of like length go together and are cut to the longest of them; a GPU is fastest
    with all at once.
    """
    if inputs.device.type != "cpu":
        return act(trimmed(inputs, layout))
    lengths = _used(inputs, layout).sum(1)
    order = lengths.argsort(stable=True)
    size = max(TOGETHER, TOKENS // max(1, round(float(lengths.float().mean()))))
    rows = torch.cat([act(trimmed(inputs[part], layout)) for part in order.split(size)])
    return rows[order.argsort()]


def _used(inputs: Tensor, layout: Layout) -> Tensor:
    """bool `[B, T]`: the places that some mask of an item shows."""
    used: Tensor = (layout.masks(inputs) > 0).any(1)
    return used


@dataclass(frozen=True)
class Trim:
    """`trimmed` in the place of an augmentation."""

    layout: Layout

    def __call__(self, inputs: Tensor, rows: np.ndarray, epoch: int) -> Tensor:  # noqa: ARG002
        return trimmed(inputs, self.layout)

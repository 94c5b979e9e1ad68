"""Batches of texts, cut to the longest text in them: what is stored is padded to one length for all."""

from __future__ import annotations

import numpy as np
from torch import Tensor


def trimmed(inputs: Tensor) -> Tensor:
    """Tokens `[B, C, T]` (whole numbers) or states `[..., T, D + 1]` without the end that every mask hides.

    At least one token stays.
    """
    tokens = not inputs.is_floating_point()
    mask = inputs[:, 1::3] if tokens else inputs[..., -1]  # [B, 1 or 2, T], or [..., T]
    used = (mask.reshape(-1, mask.shape[-1]) > 0).any(0).nonzero()
    length = int(used.max()) + 1 if len(used) else 1
    return inputs[..., :length] if tokens else inputs[..., :length, :]


class Trim:
    """`trimmed` in the place of an augmentation."""

    def __call__(self, inputs: Tensor, rows: np.ndarray, epoch: int) -> Tensor:  # noqa: ARG002
        return trimmed(inputs)

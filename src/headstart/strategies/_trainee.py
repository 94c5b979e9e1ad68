"""A network in training: the layers behind a cut, and a head."""

from __future__ import annotations

from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core.backbone import Backbone, embedding_tap
from headstart.core.features import Rows
from headstart.train.augment import centre
from headstart.train.batches import in_order


class Trainee(nn.Module):
    """States at a cut `[B, ...]`, or uint8 pixels `[B, 3, H, W]` at the first cut -> z `[B, K]`.

    `body` shares its parameters with the backbone: training this trains that.
    """

    def __init__(self, backbone: Backbone, cut: str, outputs: int) -> None:
        super().__init__()
        self.body = backbone.tail(cut)
        self.head = nn.Linear(backbone.stages[-1].channels, outputs)
        self._normalise = backbone.normalise
        self._pool = partial(backbone.pool, tap=embedding_tap(backbone))

    def forward(self, inputs: Tensor) -> Tensor:
        x = self._normalise(inputs) if inputs.dtype == torch.uint8 else inputs.float()
        z: Tensor = self.head(self._pool(self.body(x)).float())  # [B, D] -> [B, K]
        return z

    def set_head(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """Start from a linear probe; `weight` is `[K, D]`."""
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(np.asarray(weight, np.float32)))
            self.head.bias.copy_(torch.from_numpy(np.asarray(bias, np.float32)))


def outputs_of(
    net: nn.Module, view: Rows, rows: np.ndarray, *, size: tuple[int, int] | None, batch: int = 64
) -> np.ndarray:
    """float64 `[len(rows), K]`: z of unvaried rows; pixels are cut to `size` at the centre."""
    net.eval()
    device = next(net.parameters()).device
    out = []
    with torch.inference_mode():
        for _, inputs in in_order(view, rows, batch):
            cut = centre(inputs, size) if size is not None else inputs
            out.append(net(cut.to(device)).float().cpu())
    return np.asarray(torch.cat(out).numpy(), np.float64)

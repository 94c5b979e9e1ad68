"""A network in training: the layers behind a cut, and a head."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core.backbone import Backbone
from headstart.core.features import Rows
from headstart.core.masked import layout_at
from headstart.train.batches import in_order
from headstart.train.engines import quick_on_cpu
from headstart.train.trim import by_length


class Trainee(nn.Module):
    """States at a cut `[B, ...]`, prepared inputs at the first one -> z `[B, K]`.

    `body` shares its parameters with the backbone: training this trains that. Sequences are trained in
    bfloat16 where the processor has it, if they are to be `quick`.
    """

    def __init__(self, backbone: Backbone, cut: str, outputs: int, *, quick: bool = True) -> None:
        super().__init__()
        self.body = backbone.tail(cut)
        self.head = nn.Linear(backbone.width(backbone.embedding), outputs)
        self._layout = layout_at(backbone, cut)
        self._quick = quick and self._layout is not None
        self._normalise = backbone.normalise if cut == backbone.cuts[0] else torch.Tensor.float
        self._pool = partial(backbone.pool, tap=backbone.embedding)

    def forward(self, inputs: Tensor) -> Tensor:
        pooled = self.features(inputs)
        with torch.autocast("cpu", enabled=False):  # few products, on which the loss hangs
            z: Tensor = self.head(pooled)  # [B, D] -> [B, K]
        return z

    def features(self, inputs: Tensor) -> Tensor:
        """What the head reads, `[B, D]`."""
        with quick_on_cpu(self._quick and self.training and inputs.device.type == "cpu"):
            layout, act = self._layout, self._pooled
            return act(inputs) if layout is None else by_length(inputs, layout, act)

    def _pooled(self, inputs: Tensor) -> Tensor:
        pooled: Tensor = self._pool(self.body(self._normalise(inputs)))
        return pooled.float()

    def set_head(self, weight: np.ndarray, bias: np.ndarray) -> None:
        """Start from a linear probe; `weight` is `[K, D]`."""
        with torch.no_grad():
            self.head.weight.copy_(torch.from_numpy(np.asarray(weight, np.float32)))
            self.head.bias.copy_(torch.from_numpy(np.asarray(bias, np.float32)))


def outputs_of(
    net: nn.Module, view: Rows, rows: np.ndarray, *, unvaried: Callable[[Tensor], Tensor], batch: int = 64
) -> np.ndarray:
    """float64 `[len(rows), K]`: z of rows as they are; `unvaried` makes inputs of what is stored."""
    net.eval()
    device = next(net.parameters()).device
    out = []
    with torch.inference_mode():
        for _, inputs in in_order(view, rows, batch):
            out.append(net(unvaried(inputs).to(device)).float().cpu())
    return np.asarray(torch.cat(out).numpy(), np.float64)

"""Exponential moving average of weights: what is evaluated and shipped instead of the last step."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn


def decay_for(steps: int) -> float:
    """min(0.999, 1 - 10/steps): the average spans about a tenth of the training, never under one step."""
    return min(0.999, max(0.0, 1 - 10 / steps))


class Average:
    """Averages every parameter and floating buffer of `module`; counters are copied."""

    def __init__(self, module: nn.Module, decay: float) -> None:
        self.decay = decay
        self.tensors = copy_state(module)

    @torch.no_grad()
    def update(self, module: nn.Module) -> None:
        """average <- decay * average + (1 - decay) * module."""
        for name, now in module.state_dict().items():
            if now.is_floating_point():
                self.tensors[name].lerp_(now, 1 - self.decay)
            else:
                self.tensors[name].copy_(now)

    @contextmanager
    def applied(self, module: nn.Module) -> Iterator[None]:
        """Inside, `module` has the averaged weights; afterwards its own again."""
        own = copy_state(module)
        load_state(module, self.tensors)
        try:
            yield
        finally:
            load_state(module, own)


def copy_state(module: nn.Module) -> dict[str, Tensor]:
    """Parameters and buffers by name, copied."""
    return {name: t.detach().clone() for name, t in module.state_dict().items()}


@torch.no_grad()
def load_state(module: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Copy values in place: whoever shares the module's parameters sees them."""
    for name, target in module.state_dict().items():
        target.copy_(tensors[name])

"""AdaBN, mixed: BatchNorm normalises by the source's statistics and the items' own, weighted by their number.

Li et al., "Revisiting batch normalization for practical domain adaptation", 2016; the mixture is that of
Schneider et al., "Improving robustness against common corruptions by covariate shift adaptation", NeurIPS
2020. Known differences: the items' own statistics are those of all of them, not of each batch, so that it
does not matter in which order they come; and only the first layers are changed, as many as make answers more
certain and diverse. A head that was fitted to features of one kind of picture, normalised by the statistics
of all kinds, is wrong for features normalised by their own: deep layers tell what is in a picture, not how it
was taken.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from headstart.core import words
from headstart.nets.base import Net
from headstart.predict.adapting.base import Done, Guard, Job

PRIOR = 16
"""Items that the source's statistics count for."""
PARTS = (0.25, 0.5, 1.0)
"""Of the layers, from the first on: depths that are tried."""


def mixed(source: Tensor, target: Tensor, items: int, prior: float = PRIOR) -> Tensor:
    """`(N0 source + n target) / (N0 + n)`: of means, and of variances, `[C]`."""
    return (prior * source + items * target) / (prior + items)


class _Mixing:
    """Before a layer is computed: the statistics of all it was given so far become part of its own."""

    def __init__(self, layer: _BatchNorm) -> None:
        assert layer.running_mean is not None
        assert layer.running_var is not None
        self.source = (layer.running_mean.double().clone(), layer.running_var.double().clone())
        self.items = 0
        self.mean = torch.zeros_like(self.source[0])
        self.square = torch.zeros_like(self.source[0])

    def __call__(self, layer: Any, given: tuple[Tensor, ...]) -> None:
        values = given[0].double().transpose(0, 1).flatten(1)  # [B, C, ...] -> [C, B ...]
        share = len(given[0]) / (self.items + len(given[0]))
        self.items += len(given[0])
        self.mean += share * (values.mean(1) - self.mean)
        self.square += share * ((values**2).mean(1) - self.square)
        layer.running_mean.copy_(mixed(self.source[0], self.mean, self.items))
        layer.running_var.copy_(mixed(self.source[1], self.square - self.mean**2, self.items))


def layers_of(net: nn.Module) -> list[_BatchNorm]:
    """Those that normalise by statistics they keep."""
    found = (module for module in net.modules() if isinstance(module, _BatchNorm))
    return [layer for layer in found if layer.running_mean is not None]


def lacking(net: Net) -> str:
    """See `headstart.predict.adapting.base.Method`."""
    return "" if layers_of(net) else "this model has no BatchNorm, whose statistics are what it changes"


def mix(job: Job) -> None:
    """One pass over the items, after which every layer has mixed statistics."""
    layers = layers_of(job.net)
    hooks = [layer.register_forward_pre_hook(_Mixing(layer)) for layer in layers]
    for batch in job.batches:
        job.net(batch)
    for hook in hooks:
        hook.remove()


@torch.no_grad()
def apply(job: Job, before: np.ndarray) -> Done:
    """One pass over the items for the statistics, and one for each depth that the guard is asked about.

    A layer's statistics are of what the layers before it, so changed, give it: those of the first layers are
    the same, however many follow.
    """
    layers = layers_of(job.net)
    tensors = [one for layer in layers for one in (layer.running_mean, layer.running_var) if one is not None]
    guard = Guard(tensors, before, job.due)
    mix(job)
    own, stopped, kept = [one.clone() for one in tensors], "", 0
    guard.restore()
    for part in PARTS:
        depth = math.ceil(part * len(layers))
        for tensor, value in zip(tensors[: 2 * depth], own, strict=False):
            tensor.copy_(value)
        stopped = guard.against(job.predictions())
        kept = kept if stopped else depth
    guard.restore()
    items = len(before)
    share = f", {100 * items / (PRIOR + items):.0f} % the items' own" if kept else ""
    told = f"statistics of the first {kept} of {words.count(len(layers), 'BatchNorm layer')}{share}"
    return Done(guard.answers, told, guard.steps, stopped)

"""How fast each stage is to learn, from the gradients before the first step (Auto-RGN).

Lee et al., "Surgical fine-tuning improves adaptation to distribution shifts", ICLR 2023: a stage whose gradient is
large beside its weights is one that the new task wants to change.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from headstart.train.batches import Batches
from headstart.train.loop import Loss

BATCHES = 8
"""Over which gradients are averaged."""


def relative_gradients(
    net: nn.Module, body: nn.Module, batches: Batches, loss: Loss, depths: Mapping[int, int]
) -> dict[int, float]:
    """Stage -> norm of its gradient over the norm of its weights, as a share of the largest of all stages.

    Of the mean loss over `BATCHES` batches of the first epoch, in eval mode; weights, buffers and modes stay as
    they are. `depths` are `groups.stage_depths`; what they do not know counts as the last stage. Where no stage has
    a gradient every share is 1.
    """
    last = max(depths.values(), default=0)
    modes = {module: module.training for module in net.modules()}
    net.eval()
    device = next(net.parameters()).device
    trained = [p for p in body.parameters() if p.requires_grad]
    total = [torch.zeros_like(p) for p in trained]
    for _, batch in batches.walk(0, min(BATCHES, batches.per_epoch)):
        value = loss(net(batches.inputs(batch, device)).float(), batch.targets.to(device)).mean()
        for kept, found in zip(total, torch.autograd.grad(value, trained, allow_unused=True), strict=True):
            if found is not None:
                kept += found
    for module, training in modes.items():
        module.training = training
    squares: dict[int, list[float]] = {}
    for parameter, gradient in zip(trained, total, strict=True):
        of_stage = squares.setdefault(depths.get(id(parameter), last), [0.0, 0.0])
        of_stage[0] += float(gradient.double().square().sum())
        of_stage[1] += float(parameter.detach().double().square().sum())
    ratios = {stage: (g / w) ** 0.5 if w else 0.0 for stage, (g, w) in squares.items()}
    largest = max(ratios.values(), default=0.0)
    return {stage: ratio / largest if largest else 1.0 for stage, ratio in ratios.items()}

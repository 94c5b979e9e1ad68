"""Auto-RGN: learning rates by stage from the first gradients (Lee et al., ICLR 2023)."""

from __future__ import annotations

from collections.abc import Mapping

from torch import nn

from headstart.train.batches import Batches
from headstart.train.engines import Loss

AUTO_RGN = "auto-rgn"
BATCHES = 5
"""Over which gradients are summed, within the first epoch."""


def relative_gradient_norms(
    net: nn.Module, batches: Batches, loss: Loss, depths: Mapping[int, int]
) -> dict[int, float]:
    """By stage number: norm of its gradient over that of its weights, as a share of the largest such ratio.

    `depths` are as in `groups.stage_depths`; what they do not hold (the head) is not looked at. The gradient
    is that of the weights as they are, on the first batches, without dropout and with BatchNorm as it stands.
    """
    net.eval()
    net.zero_grad()
    for _, batch in batches.walk(0, min(BATCHES, batches.per_epoch)):
        loss(net(batches.inputs(batch, "cpu")), batch.targets).mean().backward()
    gradients, weights = dict[int, float](), dict[int, float]()
    for parameter in net.parameters():
        if parameter.grad is not None and (stage := depths.get(id(parameter))) is not None:
            gradients[stage] = gradients.get(stage, 0.0) + float(parameter.grad.square().sum())
            weights[stage] = weights.get(stage, 0.0) + float(parameter.detach().square().sum())
    net.zero_grad()
    ratios = {stage: (gradients[stage] / max(weights[stage], 1e-30)) ** 0.5 for stage in gradients}
    most = max(ratios.values(), default=0.0)
    return {stage: ratio / most if most else 1.0 for stage, ratio in ratios.items()}

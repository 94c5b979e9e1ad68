"""Between the probe and what fine-tuning made of it: the average of both weights (WiSE-FT).

Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022. The probe is the network before its
first step: the source's weights under the converged head. How much of the trained weights is taken is chosen
in every fold by its own training rows: a fifth of them is asked, and a second training on the others answers.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch

from headstart import tasks
from headstart.strategies.gradient._trainee import outputs_of
from headstart.strategies.gradient._training import Arm, Trained, divide, mixed, train_on
from headstart.train.loop import Watch

SHARES = tuple(tenth / 10 for tenth in range(11))
"""Of the trained weights; the rest is the probe's."""
HELD = 0.2
"""Share of a fold's training rows by which one of them is chosen."""


def chosen_share(arm: Arm, rows: np.ndarray) -> float:
    """The share with the least loss on a fifth of these rows, after training on the others; 1 where there is
    nothing to choose by, or the time is over."""
    request = arm.request
    part, held = divide(request, rows, HELD)
    if not len(held) or not len(part):
        return 1.0
    request.progress("weight averages", 0, len(arm.design.shares))
    shorter = arm.lasting(arm.design.epochs, len(part))
    try:
        trained = train_on(shorter, part, Watch(request.budget))
    except FloatingPointError:
        return 1.0
    if trained.outcome.status != "done":
        return 1.0
    methods = tasks.for_task(request.task)
    targets = torch.from_numpy(methods.targets(request.dataset.targets[held], trained.offset, trained.scale))

    def loss(share: float) -> float:
        net = mixed(shorter, trained, part, share).net
        z = outputs_of(net, arm.inputs.views[0], held, unvaried=arm.inputs.unvaried)
        return float(methods.loss(torch.from_numpy(z).float(), targets).mean())

    # from the trained weights down, so that a tie leaves them as they are
    return min(sorted(arm.design.shares, reverse=True), key=loss)


def averaged(arm: Arm, trained: Trained, rows: np.ndarray) -> Trained:
    """What was trained on these rows, at the share that they choose; as it is where none is to be tried."""
    if not arm.design.shares or trained.outcome.status != "done":
        return trained
    share = chosen_share(arm, rows)
    return replace(mixed(arm, trained, rows, share), share=share)

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
from headstart.strategies.gradient._design import HELD
from headstart.strategies.gradient._trainee import outputs_of
from headstart.strategies.gradient._training import Arm, Trained, divide, mixed, train_on
from headstart.train.loop import Watch

SHARES = tuple(tenth / 10 for tenth in range(11))
"""Of the trained weights; the rest is the probe's."""
USUAL = 0.5
"""What is taken unless another share is clearly better: the least of eleven losses on a few dozen rows is
mostly noise (`docs/measured.md`)."""


def chosen_share(arm: Arm, rows: np.ndarray) -> float:
    """The usual share; or that with the least loss on a fifth of these rows after training on the others,
    where the loss falls by more than one standard error of the paired difference. 1 where there is nothing to
    choose by, or the time is over."""
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
    trained = mixed(shorter, trained, part, 1.0)  # which keeps the weights: the net will have others
    methods = tasks.for_task(request.task)
    targets = torch.from_numpy(methods.targets(request.dataset.targets[held], trained.offset, trained.scale))

    def losses(share: float) -> np.ndarray:
        net = mixed(shorter, trained, part, share).net
        z = outputs_of(net, arm.inputs.views[0], held, unvaried=arm.inputs.unvaried)
        return methods.loss(torch.from_numpy(z).float(), targets).double().numpy()

    found = {share: losses(share) for share in arm.design.shares}
    best = min(found, key=lambda share: float(found[share].mean()))
    fall = found[USUAL] - found[best]
    error = fall.std(ddof=1) / np.sqrt(len(fall)) if len(fall) > 1 else np.inf
    return best if fall.mean() > error else USUAL


def averaged(arm: Arm, trained: Trained, rows: np.ndarray) -> Trained:
    """What was trained on these rows, at the share that they choose; as it is where none is to be tried."""
    if not arm.design.shares or trained.outcome.status != "done":
        return trained
    share = chosen_share(arm, rows)
    return replace(mixed(arm, trained, rows, share), share=share)

"""From scratch: the source's architecture with new random weights, the same augmentation.

What transfer has to beat (Wang et al., CVPR 2019): the same network without the source, trained two
to three times longer, with a learning rate of its own.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import torch

from headstart import modalities, tasks
from headstart.core.backbone import Backbone
from headstart.core.strategy import Request, Trial
from headstart.strategies.gradient import _arm, _design, _ladder, _settled
from headstart.strategies.gradient._design import Design, Inputs, length_of
from headstart.strategies.gradient._trainee import outputs_of
from headstart.strategies.gradient._training import Arm, Kind, divide, train_on
from headstart.train.loop import Watch
from headstart.train.recipe import Recipe

STEPS, MOST_EPOCHS = 3_000, 80
"""Three times the steps of fine-tuning."""
SIDES = (224, 160, 128, 96, 64, 48, 32)
"""Input sides tried, largest first, when the source's own takes too long."""
LEAST_SIDE = 64
"""No smaller side is tried, unless the source's own is smaller."""
SGD_RATES = (3e-2, 1e-1, 1e-2)
"""Learning rates of SGD: the one used when there is no time to try, then the others."""
LEAST_EPOCHS_TO_TRY = 20
"""Trainings shorter than this are too short to try learning rates."""
TRIAL_SHARE, TRIAL_EPOCHS = 0.1, 5
"""Share of the epochs for which each learning rate is tried in every fold, and the least number of them."""


class Scratch(_arm.Trains):
    """Trains a new network of the source's architecture from the pixels or tokens."""

    name = "scratch"
    kind = Kind("scratch", STEPS, MOST_EPOCHS, fresh=True)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. Raises `UnknownName` or `BadOption` for settings that cannot be followed."""
        return _arm.fit(request, self.kind, partial(design, request), rates_to_try, at_best_rate)


def design(request: Request) -> Design:
    """All layers from new weights, at the largest side that leaves enough epochs."""
    settings, backbone = request.settings, request.network
    _design.check(settings, request.dataset.modality)
    rows = _design.training_rows(request)
    optimizer = settings.optimizer or "adamw"
    recipe = Recipe(
        steps=1,
        lr=settings.lr or rates(request, optimizer)[0],
        optimizer=optimizer,
        head_lr=settings.head_lr,
        head_boost=1.0,
        statistics_from=2,  # new networks have no statistics worth keeping
        weight_decay=5e-4 if optimizer == "sgd" else 0.05,
        seed=request.seed,
    )
    whole = Design(
        cut=backbone.cuts[0],
        freeze="none",
        recipe=recipe,
        batch_size=_design.batch_size(settings, rows),
        epochs=0,
        augment=settings.augment or modalities.get(request.dataset.modality).DEFAULT_VIEW,
        length=length_of(request),
    )
    size = backbone.source.input.size
    if size is None:
        return whole
    own = max(size)
    side = choose_side(request, replace(whole, side=own))
    return replace(whole, side=side, smaller=side < own)


def rates(request: Request, optimizer: str) -> tuple[float, ...]:
    """Learning rates to try, the usual one first."""
    return SGD_RATES if optimizer == "sgd" else modalities.get(request.dataset.modality).TUNING.from_scratch


def choose_side(request: Request, whole: Design) -> int:
    """The largest side at which all folds fit with at least half of the epochs; the least one otherwise.

    Measured on noise at the least side and scaled by area; networks bound to one size keep it.
    """
    backbone = request.network
    size = backbone.source.input.size
    assert size is not None
    own = max(size)
    smaller = [side for side in SIDES if LEAST_SIDE <= side < own]
    if request.budget.left == float("inf") or not smaller or not any_size(backbone, smaller[-1]):
        return own
    epochs = _arm.epochs_of(request, Scratch.kind, whole.batch_size)
    folds = _arm.first_folds(request)
    arm = noise_arm(request, replace(whole, side=smaller[-1]))
    least, left = _settled.paced(request, lambda: _arm.measure(arm), " at the least side")
    for side in (own, *smaller):
        pace = replace(least, seconds_per_step=least.seconds_per_step * (side / smaller[-1]) ** 2)
        plan = _ladder.fitting(pace, left, epochs=epochs, folds=folds, reserve=request.reserve)
        if isinstance(plan, _ladder.Plan) and plan.folds == folds and 2 * plan.epochs >= epochs:
            return side
    return smaller[-1]


def any_size(backbone: Backbone, side: int) -> bool:
    """Whether the network takes images of that side."""
    module = backbone.tail(backbone.cuts[0]).eval()
    noise = torch.zeros((2, 3, side, side), dtype=torch.uint8)
    try:
        with torch.inference_mode():
            pooled = backbone.pool(module(backbone.normalise(noise)), backbone.embedding)
    except (RuntimeError, ValueError, AssertionError):  # each architecture objects in its own way
        return False
    return tuple(pooled.shape) == (2, backbone.stages[-1].channels)


def noise_arm(request: Request, trial_design: Design) -> Arm:
    """An arm that reads nothing: every row is the same grey, to measure the pace before anything is read."""
    side = trial_design.side
    assert side is not None
    grey: Any = np.broadcast_to(np.uint8(128), (len(request.dataset), 3, side, side))
    return Arm(request, trial_design, Inputs((grey,), None, (side, side)), Scratch.kind)


def rates_to_try(settled: _arm.Settled) -> tuple[float, ...]:
    """The learning rates, if trying them in every fold leaves time for all folds; none otherwise."""
    request, design, pace = settled.arm.request, settled.arm.design, settled.pace
    tried = rates(request, design.recipe.optimizer)
    if request.settings.lr is not None or design.epochs < LEAST_EPOCHS_TO_TRY:
        return ()
    if pace is None:
        return tried
    (left,) = _settled.once(request, ["left for rates"], lambda: [request.budget.left])
    trainings = settled.folds * (1 + len(tried) * trial_epochs(design.epochs) / design.epochs)
    return tried if pace.seconds(design.epochs, trainings) <= left else ()


def trial_epochs(epochs: int) -> int:
    """Epochs for which a learning rate is tried."""
    return min(epochs, max(TRIAL_EPOCHS, round(TRIAL_SHARE * epochs)))


def at_best_rate(arm: Arm, rows: np.ndarray) -> Arm:
    """The arm at the rate with the least loss on a fifth of these rows after short trainings on the others;
    as it is where there is nothing to choose, or by."""
    request, tried = arm.request, arm.design.rates
    part, held = divide(request, rows, 0.2)
    if not tried or not len(held):
        return arm
    short = arm.lasting(trial_epochs(arm.design.epochs), len(part))
    losses = {}
    for done, rate in enumerate(tried):
        request.progress("learning rates", done, len(tried))
        losses[rate] = held_out_loss(replace(short, design=short.design.at(rate)), part, held)
    return replace(arm, design=arm.design.at(min(tried, key=lambda rate: losses[rate])))


def held_out_loss(arm: Arm, part: np.ndarray, held: np.ndarray) -> float:
    """Mean loss on `held` after training on `part`; infinite when training was not possible."""
    try:
        trained = train_on(arm, part, Watch(arm.request.budget))
    except FloatingPointError:
        return float("inf")
    if trained.outcome.status != "done":
        return float("inf")
    methods = tasks.get(arm.request.task.kind)
    targets = methods.targets(arm.request.dataset.targets[held], trained.offset, trained.scale)
    z = outputs_of(trained.net, arm.inputs.views[0], held, unvaried=arm.inputs.unvaried)
    return float(methods.loss(torch.from_numpy(z).float(), torch.from_numpy(targets)).mean())

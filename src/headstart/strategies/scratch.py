"""From scratch: the source's architecture with new random weights, the same augmentation.

What transfer has to beat (Wang et al., CVPR 2019): the same network without the source, trained two
to three times longer, with a learning rate of its own.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from headstart import modalities, tasks
from headstart.core.backbone import Backbone, embedding_tap
from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.strategy import Request, Trial
from headstart.strategies.gradient import _arm, _design, _ladder
from headstart.strategies.gradient._design import Design, Inputs, length_of
from headstart.strategies.gradient._trainee import outputs_of
from headstart.strategies.gradient._training import Arm, divide, labels, train_on
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
"""Trainings shorter than this say nothing about learning rates in a quarter of their length."""
TRIAL_SHARE = 0.25
"""Share of the epochs for which each learning rate is tried."""


class Scratch:
    """Trains a new network of the source's architecture from the pixels or tokens."""

    name = "scratch"
    kind = _arm.Kind("scratch", fresh=True)

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """The folds at the source's own size; less is taken when there is less."""
        rows, everything = _design.training_rows(request), len(request.dataset)
        per_epoch = max(1, round(rows / _design.batch_size(request.settings, rows)))
        epochs = request.settings.epochs or _ladder.wanted(per_epoch, steps=STEPS, most=MOST_EPOCHS)
        work = 3 * epochs * (_arm.first_folds(request) * rows + len(request.split.development))
        return Cost(0.0, seconds_per_pass * work / max(1, everything))

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. Raises `UnknownName` or `BadOption` for settings that cannot be followed."""
        settled = _arm.recall(request, self.kind)
        if settled is not None:
            return _arm.run(_arm.open_arm(request, settled[0], self.kind), self.kind, settled[1], Cost())
        arm = _arm.open_arm(request, design(request), self.kind)
        found = _arm.settle(arm, steps=STEPS, most=MOST_EPOCHS)
        if isinstance(found, float):
            return _arm.cut_off(request, self.kind, found, Cost())
        arm = try_rates(found) if request.settings.lr is None else found.arm
        _arm.remember(request, self.kind, arm.design, found.folds)
        return _arm.run(arm, self.kind, found.folds, Cost())

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "taps"."""
        return _arm.refit(request, trial, self.kind)


def design(request: Request) -> Design:
    """All layers from new weights, at the largest side that leaves enough epochs."""
    settings, backbone = request.settings, request.backbone
    _design.check(settings, request.dataset.modality)
    assert backbone is not None
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
    (side,) = _arm.once(request, ["side"], lambda: [choose_side(request, replace(whole, side=own))])
    return replace(whole, side=int(side), smaller=side < own)


def rates(request: Request, optimizer: str) -> tuple[float, ...]:
    """Learning rates to try, the usual one first."""
    return SGD_RATES if optimizer == "sgd" else modalities.get(request.dataset.modality).TUNING.from_scratch


def choose_side(request: Request, whole: Design) -> int:
    """The largest side at which all folds fit with at least half of the epochs; the least one otherwise.

    Measured on noise at the least side and scaled by area; networks bound to one size keep it.
    """
    backbone = request.backbone
    assert backbone is not None
    size = backbone.source.input.size
    assert size is not None
    own = max(size)
    smaller = [side for side in SIDES if LEAST_SIDE <= side < own]
    if request.budget.left == float("inf") or not smaller or not any_size(backbone, smaller[-1]):
        return own
    rows = len(request.split.folds[0].train)
    per_epoch = max(1, round(rows / whole.batch_size))
    epochs = request.settings.epochs or _ladder.wanted(per_epoch, steps=STEPS, most=MOST_EPOCHS)
    folds = _arm.first_folds(request)
    least = _arm.measure(noise_arm(request, replace(whole, side=smaller[-1])))
    for side in (own, *smaller):
        pace = replace(least, seconds_per_step=least.seconds_per_step * (side / smaller[-1]) ** 2)
        plan = _ladder.fitting(pace, request.budget.left, epochs=epochs, folds=folds, reserve=request.reserve)
        if plan is not None and plan.folds == folds and 2 * plan.epochs >= epochs:
            return side
    return smaller[-1]


def any_size(backbone: Backbone, side: int) -> bool:
    """Whether the network takes images of that side."""
    module = backbone.tail(backbone.cuts[0]).eval()
    noise = torch.zeros((2, 3, side, side), dtype=torch.uint8)
    try:
        with torch.inference_mode():
            pooled = backbone.pool(module(backbone.normalise(noise)), embedding_tap(backbone))
    except (RuntimeError, ValueError, AssertionError):  # each architecture objects in its own way
        return False
    return tuple(pooled.shape) == (2, backbone.stages[-1].channels)


class _Noise:
    """Rows without content: to measure the pace before anything is read."""

    def __init__(self, rows: int, side: int) -> None:
        self.shape: tuple[int, ...] = (rows, 3, side, side)
        self.dtype: np.dtype[Any] = np.dtype(np.uint8)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, index: np.ndarray) -> np.ndarray:
        return np.full((len(index), *self.shape[1:]), 128, dtype=np.uint8)


def noise_arm(request: Request, trial_design: Design) -> Arm:
    """An arm that reads nothing."""
    assert trial_design.side is not None
    size = (trial_design.side, trial_design.side)
    return Arm(
        request, trial_design, Inputs((_Noise(len(request.dataset), size[0]),), None, size), fresh=True
    )


def try_rates(settled: _arm.Settled) -> Arm:
    """The arm with the best of three learning rates by the loss on a fifth of the first fold's
    training rows, if trying them leaves time for the folds; the arm as it is otherwise.

    Some of those rows are held out in later folds. That can only flatter this control, never transfer.
    """
    arm, request, design = settled.arm, settled.arm.request, settled.arm.design
    tried = rates(request, design.recipe.optimizer)
    part, held = divide(request, request.split.folds[0].train, 0.2)
    trainings = settled.folds + len(tried) * TRIAL_SHARE
    pace = settled.pace
    if design.epochs < LEAST_EPOCHS_TO_TRY or not len(held):
        return arm
    if pace is not None:
        (left,) = _arm.once(request, ["left_for_rates"], lambda: [request.budget.left])
        if pace.seconds(design.epochs, trainings) > left:
            return arm
    short = arm.lasting(max(1, round(TRIAL_SHARE * design.epochs)), len(part))
    losses = {}
    for done, rate in enumerate(tried):
        request.progress("learning rates", done, len(tried))
        recipe = replace(short.design.recipe, lr=rate)
        losses[rate] = held_out_loss(replace(short, design=replace(short.design, recipe=recipe)), part, held)
    best = min(tried, key=lambda rate: losses[rate])
    return replace(arm, design=replace(design, recipe=replace(design.recipe, lr=best)))


def held_out_loss(arm: Arm, part: np.ndarray, held: np.ndarray) -> float:
    """Mean loss on `held` after training on `part`; infinite when training was not possible."""
    try:
        trained = train_on(arm, part, Watch(arm.request.budget))
    except FloatingPointError:
        return float("inf")
    if trained.outcome.status != "done":
        return float("inf")
    methods = tasks.get(arm.request.task.kind)
    targets = methods.targets(labels(arm.request)[held], trained.offset, trained.scale)
    z = outputs_of(trained.net, arm.inputs.views[0], held, unvaried=arm.inputs.unvaried)
    return float(methods.loss(torch.from_numpy(z).float(), torch.from_numpy(targets)).mean())

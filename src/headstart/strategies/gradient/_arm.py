"""A training arm from beginning to end: what fits, the folds, the model on all rows."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import torch

from headstart import modalities
from headstart.core import fingerprint
from headstart.core.budget import Budget, words
from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.strategies.gradient import _design, _ladder, _settled
from headstart.strategies.gradient._design import Design, load_inputs
from headstart.strategies.gradient._trainee import outputs_of
from headstart.strategies.gradient._training import (
    Arm,
    Kind,
    Trained,
    chosen,
    named_watch,
    predict,
    probe_head,
    train_on,
    whole_head,
)
from headstart.strategies.shared._folds import NOTHING, OutOfTime, Paused, empty_trial, run_folds
from headstart.strategies.shared._shipping import taps_model
from headstart.train.engines import ENGINES
from headstart.train.loop import RENEWED, Watch

PILOT_STEPS = 4
"""Steps of the throw-away training by which the pace is measured."""


def first_folds(request: Request) -> int:
    """Number of folds in the first repeat: the most that a training arm runs."""
    return sum(fold.repeat == 0 for fold in request.split.folds)


def epochs_of(request: Request, kind: Kind, batch_size: int) -> int:
    """Epochs aimed at, as `_ladder.wanted` has them, or those set by hand."""
    per_epoch = max(1, round(len(request.split.folds[0].train) / batch_size))
    return request.settings.epochs or _ladder.wanted(per_epoch, steps=kind.steps, most=kind.most_epochs)


def cost(
    request: Request, kind: Kind, seconds_per_pass: float, *, passes: float = 0.0, share: float = 1.0
) -> Cost:
    """Passes, then the folds and the model on all rows; a step on that share of the network is taken for
    three forward passes."""
    rows = len(request.split.folds[0].train)
    epochs = epochs_of(request, kind, _design.batch_size(request.settings, rows))
    work = 3 * share * epochs * (first_folds(request) * rows + len(request.split.development))
    return Cost(passes, seconds_per_pass * (passes + work / max(1, len(request.dataset))))


class Trains:
    """A strategy that is one kind of training arm."""

    kind: Kind

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """The folds and the model on all rows, through all layers."""
        return cost(request, self.kind, seconds_per_pass)

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "taps"."""
        return refit(request, trial, self.kind)


def open_arm(request: Request, design: Design, kind: Kind) -> Arm:
    """Have the pass store what is missing, and put the arm together."""
    return Arm(request, design, load_inputs(request, design, probe=not kind.fresh), kind)


def measure(arm: Arm) -> _ladder.Pace:
    """The pace of a throw-away training on the first fold.

    What happens once a process (imports, the first step's preparations) is paid here, and is not
    taken for a cost of every fold.
    """
    fold = arm.request.split.folds[0]
    arm = replace(arm, request=arm.request.view(fold.train))
    per_epoch = max(1, round(len(fold.train) / arm.design.batch_size))
    short = replace(arm, design=replace(arm.design, recipe=replace(arm.design.recipe, steps=PILOT_STEPS)))
    head = seconds_of(lambda: probe_head(arm, fold.train)) if arm.inputs.embedding is not None else 0.0
    trained, step = pilot(arm.request, partial(train_on, short, fold.train))
    if trained is None:
        return _ladder.Pace(head + step, per_epoch)
    copy = seconds_of(arm.source.copy)
    some, view, unvaried = fold.test[:64], arm.inputs.views[0], arm.inputs.unvaried
    forward = seconds_of(lambda: outputs_of(trained.net, view, some, unvaried=unvaried)) / len(some)
    renewal = min(RENEWED, per_epoch) * step / 2
    return _ladder.Pace(step, per_epoch, head + copy + forward * len(fold.test) + renewal)


def pilot(request: Request, training: Callable[[Watch], Trained]) -> tuple[Trained | None, float]:
    """A throw-away training and the seconds of one of its steps; where the time is over before there are
    two, None and the seconds of all, so that nothing fits."""
    start = time.perf_counter()
    times: list[float] = []
    watch = Watch(request.budget, progress=lambda *_: times.append(time.perf_counter()))
    trained = training(watch)
    if len(times) < 2:
        return None, time.perf_counter() - start
    return trained, float(np.median(np.diff(times)))


def seconds_of(act: Callable[[], Any]) -> float:
    """What a call takes."""
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


@dataclass(frozen=True)
class Settled:
    """What fits the budget."""

    arm: Arm
    """With its length."""
    folds: int
    pace: _ladder.Pace | None = None
    """None when there is no limit, and nothing was measured."""


def settle(arm: Arm) -> Settled | float:
    """What fits the budget; or the seconds that are missing."""
    request, rows = arm.request, len(arm.request.split.folds[0].train)
    epochs = epochs_of(request, arm.kind, arm.design.batch_size)
    engine = chosen(arm.lasting(epochs, rows), first_folds(request) + 1)
    arm = replace(arm, design=replace(arm.design, choice=engine))
    if request.budget.left == float("inf"):
        return Settled(arm.lasting(epochs, rows), first_folds(request))
    pace, left = _settled.paced(request, lambda: measure(arm))
    plans = _ladder.options(epochs, first_folds(request), warm=not arm.kind.fresh)
    plan = fitting(request, pace, left, epochs, plans)
    if isinstance(plan, float):
        return plan
    lasting = arm.lasting(plan.epochs, rows)
    return Settled(replace(lasting, design=lasting.design.aiming(epochs)), plan.folds, pace)


def fitting(
    request: Request,
    pace: _ladder.Pace,
    left: float,
    epochs: int,
    plans: Iterable[_ladder.Plan] | None = None,
) -> _ladder.Plan | float:
    """`_ladder.fitting` for what the request asks, in so many seconds."""
    return _ladder.fitting(
        pace,
        left,
        epochs=epochs,
        folds=first_folds(request),
        fixed=request.settings.epochs is not None,
        reserve=request.reserve,
        plans=plans,
    )


# the contract


def fit(
    request: Request,
    kind: Kind,
    design: Callable[[], Design],
    rates: Callable[[Settled], tuple[float, ...]] = lambda _: (),
    tuned: Callable[[Arm, np.ndarray], Arm] = lambda arm, _: arm,
) -> Trial:
    """The folds of an arm, as far as they fit the budget. Of the `rates` that there is time to try, `tuned`
    takes one by a fold's training rows; the model on all rows gets that of most folds."""
    known = _settled.recall(request, kind.name, Design.from_json)
    arm = open_arm(request, design() if known is None else known[0], kind)
    if known is not None:
        return run(arm, known[1], tuned)
    found = settle(arm)
    if isinstance(found, float):
        return cut_off(request, kind.name, found, Cost(arm.inputs.forward_passes))
    arm = replace(found.arm, design=replace(found.arm.design, rates=rates(found)))
    _settled.remember(request, kind.name, arm.design.to_json(), found.folds)
    fold = 0.0 if found.pace is None else found.pace.seconds(arm.design.epochs, 1) / _ladder.MARGIN
    request.expects(fold * (request.part or found.folds))
    trial = run(arm, found.folds, tuned)
    if "part" in trial.choices and fold:  # what is not of its steps is paid but once
        trial = replace(trial, cost=replace(trial.cost, fold=fold))
    return trial


def run(arm: Arm, folds: int, tuned: Callable[[Arm, np.ndarray], Arm]) -> Trial:
    """Out-of-fold predictions over the first folds."""

    own = arm

    def training(request: Request, rows: np.ndarray, name: str) -> Trained:
        nonlocal own
        own = tuned(replace(arm, request=request), rows)
        trained = train_on(own, rows, named_watch(request, own.design.to_json(), rows, name))
        return replace(trained, freeze=own.design.freeze if own.design.automatic else "")

    return run_trainings(
        arm.request,
        arm.kind.name,
        arm.design.to_json(),
        folds,
        training=training,
        predictions=lambda _, trained, fold: predict(own, trained, fold.test),
        reason=lambda design: summary(Design.from_json(design), folds, first_folds(arm.request)),
        before=Cost(arm.inputs.forward_passes),
    )


def run_trainings(
    request: Request,
    strategy: str,
    design: Mapping[str, Any],
    folds: int,
    *,
    training: Callable[[Request, np.ndarray, str], Trained],
    predictions: Callable[[Request, Trained, Fold], np.ndarray],
    reason: Callable[[Mapping[str, Any]], str],
    before: Cost = NOTHING,
) -> Trial:
    """Out-of-fold predictions over the first folds: `training` of a fold's training rows, under a name for
    `named_watch`, then `predictions` float `[len(fold.test), K]` of what it made. In the data of the request
    that they get only the labels of those rows exist. All depends on `design`, JSON, and the request.

    `reason`, of the design as the trial has it, is the trial's, unless it is cut off.
    """

    def fit_fold(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict[str, Any]]:
        trained = training(request, fold.train, f"fold {number + 1}")
        if trained.outcome.status == "out of time":
            raise OutOfTime
        choices = {
            "lr": trained.lr,
            "steps": trained.outcome.steps,
            "losses": [round(loss, 6) for loss in trained.outcome.losses],
        }
        if trained.freeze:
            choices["freeze"] = trained.freeze
        if trained.outcome.status == "paused":
            raise Paused(predictions(request, trained, fold))
        return predictions(request, trained, fold), choices

    name, about = request.arm(strategy), fingerprint.of_json(design)
    try:
        trial = run_folds(request, name, fit_fold, folds=range(folds), about=about, before=before)
    except FloatingPointError as error:
        return empty_trial(request, name, "failed", str(error), cost=before)
    rates = Counter(fold["lr"] for fold in trial.choices["folds"] if design.get("rates"))
    if rates:
        design = {**design, "lr": rates.most_common(1)[0][0]}
    choices = {**design, "trained_folds": folds, **trial.choices}
    return replace(trial, choices=choices, reason=trial.reason or reason(design))


def summary(design: Design, folds: int, of: int) -> str:
    """What was chosen, in words."""
    frozen = "all layers" if design.freeze == "none" else f"layers after {design.freeze}"
    size = f" at {design.side} px" if design.smaller and design.side is not None else ""
    part = f", {folds} of {of} folds for want of time" if folds < of else ""
    engine = ENGINES[design.choice.engine] if design.choice is not None else None
    numbers = " in bfloat16" if engine is not None and engine.half else ""
    return (
        f"{frozen}{size}, {design.duration}{numbers}, {design.recipe.optimizer} lr {design.recipe.lr:g}{part}"
    )


def cut_off(request: Request, strategy: str, missing: float, cost: Cost = NOTHING) -> Trial:
    """The trial of an arm whose smallest plan does not fit; its choices say what it "needs", in seconds."""
    name = request.arm(strategy)
    reason = f"would have taken about {words(max(1.0, missing))} more"
    trial = empty_trial(request, name, "cut off", reason, cost=cost)
    return replace(trial, choices={"needs": (request.budget.seconds or 0.0) + missing})


def refit(request: Request, trial: Trial, kind: Kind) -> Model:
    """The model on all development rows: the trial's design and as many steps.

    Where the folds stop early on rows held back, so does this.
    """
    request = replace(request, budget=Budget())
    arm = open_arm(request, Design.from_json(trial.choices), kind)
    rows = request.split.development
    trained = train_on(arm, rows, named_watch(request, arm.design.to_json(), rows, "all rows"))
    contract = arm.source.source.input
    if arm.inputs.size is not None:
        contract = contract.scaled(arm.inputs.size, stored=True)
    taps, trunk = [arm.source.embedding], trained.backbone.module
    made = taps_model(request.task, arm.source, taps, *whole_head(trained), trunk=trunk)
    return replace(made, input=contract, source={} if kind.fresh else made.source)


def seconds_of_passes(request: Request, cut: str, *, batch: int = 8) -> tuple[float, float]:
    """Rough times of one pass over the data, and of what lies behind the cut alone, from a small batch of it;
    0 where a GPU makes them short."""
    if torch.cuda.is_available():
        return 0.0, 0.0
    backbone = request.network
    modality = modalities.get(request.dataset.modality)
    items = request.dataset.items[:: max(1, len(request.dataset) // batch)][:batch]
    opened = (modality.open_item(item.read(), request.dataset.levels) for item in items)
    some = modality.collate([modality.prepare(one, backbone.source.input) for one in opened])
    found = []
    with torch.inference_mode():
        x = backbone.normalise(torch.from_numpy(some))
        for place, state in ((backbone.cuts[0], x), (cut, backbone.states(x, (cut,))[cut])):
            module = backbone.tail(place).eval()
            module(state)
            fastest = min(seconds_of(partial(module, state)) for _ in range(2))  # others use the machine, too
            found.append(fastest * len(request.dataset) / len(items))
    whole, behind = found
    return whole, min(whole, behind)

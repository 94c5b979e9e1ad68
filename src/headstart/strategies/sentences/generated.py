"""Arms that write their answers: the untouched source, what trains a part of it, and its architecture from
scratch.

A source that writes says so (`core.generator.Writes`); of any other these arms are not applicable. What the
decoder reads is stored by the one pass, so that no epoch runs the encoder unless it is trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from headstart import modalities, tasks
from headstart.core import fingerprint
from headstart.core.budget import Budget
from headstart.core.evidence import Cost
from headstart.core.generator import Generator, Prompted, Writes
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.core.words import count
from headstart.errors import SourceError
from headstart.nets.generator import tensors_of
from headstart.strategies.gradient import _arm, _design, _ladder, _settled
from headstart.strategies.gradient._design import Design, length_of
from headstart.strategies.gradient._training import Kind, named_watch
from headstart.strategies.lora import named_targets
from headstart.strategies.sentences._learning import LowRank, all_of, later_layers
from headstart.strategies.sentences._writing import (
    Arm,
    Learns,
    alarms,
    cost_of,
    fitted,
    repeated,
    train_on,
    written,
)
from headstart.strategies.shared import _shipping
from headstart.strategies.shared._folds import OutOfTime, Paused, empty_trial, run_folds
from headstart.tasks.base import Says
from headstart.train.recipe import Recipe

STEPS, MOST_EPOCHS = 800, 50
"""Steps aimed at, and epochs never exceeded (unless set by hand)."""
STATE_BYTES = 4_000_000_000
"""Largest size on disk of the states; beyond it the encoder runs in every epoch."""
WRITTEN = 4.0
"""Passes over the items that writing their answers takes, about."""


class Unable(Exception):
    """Why a source cannot write here."""


def opened(request: Request) -> tuple[Request, Generator]:
    """The request with the backbone behind the prompt that was asked for, or the source's own for such a
    task, and what writes. Raises `Unable`."""
    backbone, methods = request.network, tasks.for_task(request.task)
    if not isinstance(backbone, Writes) or not isinstance(methods, Says):
        raise Unable(f"{backbone.source.name} is no network that writes texts")
    prompt = request.settings.prompt
    if prompt is None:
        prompted: Any = backbone.prompted(methods.prompts)
    elif isinstance(backbone, Prompted):
        prompted = backbone.behind(prompt)
    else:
        raise Unable(f"{backbone.source.name} takes no prompt")
    try:
        return replace(request, backbone=prompted), prompted.generator()
    except SourceError as error:
        raise Unable(str(error)) from error


def make_design(request: Request, generator: Generator, rate: float, *, whole: bool) -> Design:
    """From the stored states of the encoder where nothing before them is trained, and where they fit on the
    disk."""
    settings, backbone = request.settings, request.network
    _design.check(settings, request.dataset.modality)
    rows = _design.training_rows(request)
    cut = backbone.cuts[0] if whole else generator.place
    if cut != backbone.cuts[0]:
        width = backbone.stages[-1].channels + 1
        if 2 * width * (length_of(request, cut) or 1) * len(request.dataset) > STATE_BYTES:
            cut = backbone.cuts[0]
    return Design(
        cut=cut,
        freeze="none" if whole else "encoder",
        recipe=Recipe(
            steps=1,
            lr=settings.lr or rate,
            optimizer=settings.optimizer or "adamw",
            weight_decay=0.01,
            smoothing=0.0,
            seed=request.seed,
        ),
        batch_size=settings.batch_size or (8 if rows <= 500 else 16),
        epochs=0,
        augment=modalities.get(request.dataset.modality).DEFAULT_VIEW,
        length=length_of(request, cut),
    )


def model_of(request: Request, generator: Generator, source: Mapping[str, Any]) -> Model:
    """A net of kind "generator"."""
    net = {
        "kind": "generator",
        "architecture": dict(generator.architecture),
        "writing": generator.writing.to_json(),
        "cut": request.network.cuts[0],
    }
    return Model(request.task, request.network.source.input, net, tensors_of(generator), source=source)


class Untouched:
    """The source as it is, behind the prompt that its record names."""

    name = "untouched"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """A pass, and the answers."""
        return Cost(1.0, (1 + WRITTEN) * seconds_per_pass)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. The answers do not depend on the folds: each item's is written once."""
        try:
            request, generator = opened(request)
        except Unable as error:
            return empty_trial(request, request.arm(self.name), "not applicable", str(error))
        kind = Kind(self.name, 0, 0)
        arm = Arm(request, generator, make_design(request, generator, 1.0, whole=False), kind, all_of)
        said: dict[int, str] = {}

        def fit_fold(request: Request, fold: Fold, _: int) -> tuple[Any, dict[str, Any]]:
            new = np.array([row for row in fold.test.tolist() if row not in said], np.int64)
            texts, ended = written(generator, arm.inputs, arm.design.cut, new, request)
            said.update(zip(new.tolist(), texts, strict=True))
            answers = [said[row] for row in fold.test.tolist()]
            return answers, {
                "ended": ended if len(new) else 1.0,
                "repetition": repeated(answers),
                "nats": cost_of(generator, arm, fold.test),
            }

        about = fingerprint.of_json([generator.digest, generator.writing.to_json()])
        trial = run_folds(request, request.arm(self.name), fit_fold, about=about)
        cost = trial.cost + Cost(forward_passes=arm.inputs.forward_passes)
        return replace(
            trial, cost=cost, reason=trial.reason or _with_alarms(_as_it_is(request), trial.choices)
        )

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "generator"."""
        request, generator = opened(request)
        return model_of(request, generator, _shipping.origin(request.network))


def _as_it_is(request: Request) -> str:
    prefix = getattr(request.network.source.input, "prefix", "")
    if prefix:
        return f"as it is, behind {prefix.strip()!r}"
    names = getattr(tasks.for_task(request.task), "prompts", ())
    known = request.network.prompts(names) if isinstance(request.network, Prompted) else ()
    if len(known) < 2 or request.settings.prompt is not None:
        return "as it is"
    several = " or ".join(repr(prompt) for prompt in known)
    return f"as it is, behind no prompt: its record has {several}, so name one with --prompt"


class Trains:
    """An arm that trains a part of the network."""

    name: str
    kind: Kind
    rate: float
    whole = False
    """Whether the encoder learns, too."""
    what: str
    """What is trained, in words."""

    def learns(self, request: Request) -> Learns:
        """What decides it."""
        raise NotImplementedError

    def obstacle(self, generator: Generator) -> str:  # noqa: ARG002
        """Why it cannot train such a network; "" where it can."""
        return ""

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """The folds and the model on all rows, their answers, and those of rows held back in every epoch."""
        trained = _arm.cost(request, self.kind, seconds_per_pass, passes=WRITTEN, share=1.5)
        return replace(trained, forward_passes=0.0 if self.whole else 1.0)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. Raises `UnknownName` or `BadOption` for settings that cannot be followed."""
        try:
            request, generator = opened(request)
            if obstacle := self.obstacle(generator):
                raise Unable(obstacle)
        except Unable as error:
            return empty_trial(request, request.arm(self.name), "not applicable", str(error))
        known = _settled.recall(request, self.name, Design.from_json)
        design = make_design(request, generator, self.rate, whole=self.whole)
        arm = Arm(request, generator, design if known is None else known[0], self.kind, self.learns(request))
        before = Cost(forward_passes=arm.inputs.forward_passes)
        if known is None:
            settled = settle(arm)
            if isinstance(settled, float):
                return _arm.cut_off(request, self.name, settled, before)
            arm, folds, fold = settled
            _settled.remember(request, self.name, arm.design.to_json(), folds)
            request.expects(fold * (request.part or folds))
        else:
            folds = known[1]
        return self._folds(arm, folds, before)

    def _folds(self, arm: Arm, folds: int, before: Cost) -> Trial:
        request, design = arm.request, arm.design.to_json()

        def fit_fold(request: Request, fold: Fold, number: int) -> tuple[Any, dict[str, Any]]:
            watch = named_watch(request, design, fold.train, f"fold {number + 1}")
            trained, learnt = train_on(arm.of(request), fold.train, watch)
            if trained.outcome.status == "out of time":
                raise OutOfTime
            answers, ended = written(learnt.generator, arm.inputs, arm.design.cut, fold.test, request)
            if trained.outcome.status == "paused":
                raise Paused(answers)
            return answers, {
                "lr": trained.lr,
                "steps": trained.outcome.steps,
                "losses": [round(loss, 6) for loss in trained.outcome.losses],
                "scores": [round(score, 6) for score in learnt.scores],
                "better": learnt.better,
                "ended": ended,
                "repetition": repeated(answers),
                "nats": cost_of(learnt.generator, arm, fold.test),
            }

        name = request.arm(self.name)
        about = fingerprint.of_json([design, arm.generator.digest, arm.generator.writing.to_json()])
        try:
            trial = run_folds(request, name, fit_fold, folds=range(folds), about=about, before=before)
        except FloatingPointError as error:
            return empty_trial(request, name, "failed", str(error), cost=before)
        choices = {**design, "trained_folds": folds, **trial.choices}
        return replace(trial, choices=choices, reason=trial.reason or self._said(arm, trial.choices, folds))

    def _said(self, arm: Arm, choices: Mapping[str, Any], folds: int) -> str:
        of, design = _arm.first_folds(arm.request), arm.design
        part = f", {folds} of {of} folds for want of time" if folds < of else ""
        told = f"{self.what}, {design.duration}, lr {design.recipe.lr:g}{part}"
        worse = [fold for fold in choices["folds"] if not fold["better"]]
        if worse:
            steps = max(fold["steps"] for fold in worse)
            told += (
                f"; no better than the untouched source after {count(steps, 'step')} in {len(worse)} of "
                f"{count(len(choices['folds']), 'fold')}, where its weights were put back"
            )
        return _with_alarms(told, choices)

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "generator", trained on all development rows by the trial's design."""
        request, generator = opened(replace(request, budget=Budget()))
        arm = Arm(request, generator, Design.from_json(trial.choices), self.kind, self.learns(request))
        rows = request.split.development
        _, learnt = train_on(arm, rows, named_watch(request, arm.design.to_json(), rows, "all rows"))
        return model_of(
            request, learnt.generator, {} if self.kind.fresh else _shipping.origin(request.network)
        )


def _with_alarms(told: str, choices: Mapping[str, Any]) -> str:
    folds = choices["folds"]
    if not folds:
        return told
    found = alarms(*(float(np.mean([fold[name] for fold in folds])) for name in ("ended", "repetition")))
    costs = [fold["nats"] for fold in folds if "nats" in fold]  # versions before did not have it
    if costs:
        told += "; {:.3f} nats a character".format(*np.divide(*np.sum(costs, axis=0)[:, None]))
    return f"{told}; {found}" if found else told


class Lora(Trains):
    """Matrices of low rank beside the decoder's linear layers, added to them at the end."""

    name, rate, what = "lora", 1e-3, "LoRA of the decoder"
    kind = Kind("lora", STEPS, MOST_EPOCHS)

    def learns(self, request: Request) -> Learns:
        return LowRank(named_targets(request.settings.lora_targets))

    def obstacle(self, generator: Generator) -> str:
        none = not LowRank().names(generator)
        return (
            "no layer of its decoder has a linear layer inside, and LoRA stands beside such" if none else ""
        )


class Finetune(Trains):
    """The decoder's last layers."""

    name, rate, what = "finetune", 3e-4, "the decoder's last layers"
    kind = Kind("finetune", STEPS, MOST_EPOCHS)

    def learns(self, request: Request) -> Learns:  # noqa: ARG002
        return later_layers


class Full(Trains):
    """Encoder and decoder."""

    name, rate, what, whole = "full", 1e-4, "all layers", True
    kind = Kind("full", STEPS, MOST_EPOCHS)

    def learns(self, request: Request) -> Learns:  # noqa: ARG002
        return all_of


class Scratch(Full):
    """Encoder and decoder from new random weights."""

    name, rate, what = "scratch", 1e-3, "all layers from new weights"
    kind = Kind("scratch", 3 * STEPS, 120, fresh=True)


def settle(arm: Arm) -> tuple[Arm, int, float] | float:
    """(the arm with its length, its folds, seconds of one) as they fit the budget; or the seconds that are
    missing."""
    request, folds = arm.request, _arm.first_folds(arm.request)
    rows = _design.training_rows(request)
    per_epoch = max(1, round(rows / min(arm.design.batch_size, rows)))
    epochs = _arm.epochs_of(request, arm.kind, arm.design.batch_size)

    def lasting(own: int) -> Arm:
        other = replace(arm, design=arm.design.lasting(own, per_epoch).aiming(epochs))
        return other.of(request) if "inputs" in arm.__dict__ else other

    if request.budget.left == float("inf"):
        return lasting(epochs), folds, 0.0
    pace, left = _settled.paced(request, lambda: measure(arm, per_epoch))
    plans = _ladder.options(epochs, folds, warm=not arm.kind.fresh)
    plan = _arm.fitting(request, pace, left, epochs, plans)
    if isinstance(plan, float):
        return plan
    return lasting(plan.epochs), plan.folds, pace.seconds(plan.epochs, 1) / _ladder.MARGIN


def measure(arm: Arm, per_epoch: int) -> _ladder.Pace:
    """The pace of a throw-away training on the first fold, with the answers that every epoch writes in its
    steps."""
    fold = arm.request.split.folds[0]
    viewed = arm.of(arm.request.view(fold.train))
    recipe = replace(arm.design.recipe, steps=_arm.PILOT_STEPS)
    short = replace(viewed, design=replace(viewed.design, recipe=recipe))
    trained, step = _arm.pilot(
        arm.request, lambda watch: train_on(short.of(viewed.request), fold.train, watch)[0]
    )
    if trained is None:
        return _ladder.Pace(step, per_epoch)
    generator = fitted(arm.generator, viewed.request.dataset.targets[fold.train].tolist())
    some = fold.test[:8]
    each = _arm.seconds_of(lambda: written(generator, arm.inputs, arm.design.cut, some)) / max(1, len(some))
    held = each * 0.15 * len(fold.train) / per_epoch
    return _ladder.Pace(step + held, per_epoch, each * len(fold.test) + 1.0)

"""A light decoder over several maps of a network, trained by gradients: on frozen maps, with the last layers,
with all layers, or from scratch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from headstart import sources
from headstart.core.budget import Budget
from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.core.words import count
from headstart.strategies.dense._decoding import STEPS, Arm, begin, predict, train_on
from headstart.strategies.gradient import _arm, _design, _ladder, _settled
from headstart.strategies.gradient._design import Design
from headstart.strategies.gradient._training import Kind, Trained, engine_for, named_watch
from headstart.strategies.shared import _shipping
from headstart.train.engines import ENGINES
from headstart.train.recipe import Recipe

BATCH = 4
VIEWS = ((24, 12), (80, 8), (400, 4), (2_000, 2))
"""(images, views): up to so many images to train on, so many stored views; one beyond."""
BYTES = 4_000_000_000
"""Of the views of all images, on disk."""
PASS_SHARE = 0.35
"""Largest share of the time left that the passes over the views may take."""
OLD = 10**6
"""Smallest batch from which statistics are estimated again: a pretrained trunk keeps its own."""


class Decoder:
    """On stored maps of the frozen network."""

    name = "decoder"
    kind = Kind("decoder", STEPS, 0)
    arm = Arm
    head = "decoder"
    """What sentences call what is trained on the maps."""
    rates = (2e-3, 2e-3)
    """Peak learning rates of the trunk's last layers and of the decoder."""
    statistics = OLD
    """Smallest batch from which BatchNorm takes statistics of its own."""
    work = 0.3
    """Of an image's pass, what a step takes for each image of its batch, about."""

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """Passes over the views, then the folds and the model on all rows."""
        rows = _design.training_rows(request)
        trainings = _arm.first_folds(request) + 1
        each = seconds_per_pass / max(1, len(request.dataset))
        passes = views(request, rows) * len(request.split.development) / max(1, len(request.dataset))
        steps = trainings * self.arm.steps(rows) * (request.settings.batch_size or BATCH) * self.work
        return Cost(passes, passes * seconds_per_pass + steps * each)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. Raises `UnknownName` or `BadOption` for settings that cannot be followed."""
        request = self.reads(request)
        known = _settled.recall(request, self.name, Design.from_json)
        design = self.design(request) if known is None else known[0]
        arm = self.arm(request, request.network, design, self.kind)
        before = Cost(arm.features.forward_passes)
        if known is None:
            settled = settle(arm)
            if isinstance(settled, float):
                return _arm.cut_off(request, self.name, settled, before)
            arm, folds, fold = settled
            _settled.remember(request, self.name, arm.design.to_json(), folds)
            request.expects(fold * (request.part or folds))
        else:
            folds = known[1]

        def training(request: Request, rows: np.ndarray, name: str) -> Trained:
            watch = named_watch(request, arm.design.to_json(), rows, name)
            return train_on(arm.of(request), rows, watch)

        def predictions(_: Request, trained: Trained, fold: Fold) -> Any:
            return predict(arm, trained, fold.test)

        return _arm.run_trainings(
            request,
            self.name,
            arm.design.to_json(),
            folds,
            training=training,
            predictions=predictions,
            reason=partial(self.said, folds=folds, of=_arm.first_folds(request)),
            before=before,
        )

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of the arm's kind, trained on all development rows by the trial's design."""
        request = replace(self.reads(request), budget=Budget())
        arm = self.arm(request, request.network, Design.from_json(trial.choices), self.kind)
        rows = request.split.development
        trained = train_on(arm, rows, named_watch(request, arm.design.to_json(), rows, "all rows"))
        net = {
            "kind": arm.net,
            "architecture": dict(arm.backbone.source.architecture),
            "taps": [str(tap) for tap in arm.taps],
        }
        tensors = {
            **_shipping.state(trained.backbone.module, "trunk"),
            **_shipping.state(trained.net.head, "head"),
        }
        origin = {} if self.kind.fresh else _shipping.origin(arm.backbone)
        return Model(request.task, arm.backbone.source.input, net, tensors, source=origin)

    def reads(self, request: Request) -> Request:
        """The request with the network as this arm reads images with it."""
        return request

    def cut(self, backbone: Any) -> tuple[str, str]:  # noqa: ARG002
        """(the last stage that stays as it is, the cut behind which is trained; empty: nothing is)."""
        return "all", ""

    def design(self, request: Request) -> Design:
        """What is decided before anything is measured."""
        settings, rows = request.settings, _design.training_rows(request)
        _design.check(settings, request.dataset.modality)
        freeze, cut = self.cut(request.network)
        trunk, head = self.rates
        lr = settings.lr or trunk
        recipe = Recipe(
            steps=1,
            lr=lr,
            optimizer=settings.optimizer or "adamw",
            head_lr=settings.head_lr or (head if settings.lr is None else lr),
            weight_decay=0.05,
            smoothing=0.0,
            statistics_from=self.statistics,
            seed=request.seed,
        )
        design = Design(cut, freeze, recipe, settings.batch_size or BATCH, 0)
        return replace(design, views=self.affordable(request, design, views(request, rows)))

    def affordable(self, request: Request, design: Design, wanted: int) -> int:
        """As many views as fit on the disk and into a share of the time; what was asked for is left
        alone."""
        if request.settings.views is not None or not wanted:
            return wanted
        backbone: Any = request.network
        values = sum(int(np.prod(backbone.map_shape(tap))) for tap in self.arm.taps_of(backbone))
        if design.freeze == "none":
            values = 3 * int(np.prod(backbone.source.input.size))
        fits = BYTES // (2 * values * max(1, len(request.split.development)))
        if request.budget.left < float("inf"):
            once, left = _settled.once(
                request,
                ["pass", "left for views"],
                lambda: [_arm.seconds_of_passes(request, backbone.cuts[0])[0], request.budget.left],
            )
            once *= len(request.split.development) / max(1, len(request.dataset))
            fits = min(fits, int(PASS_SHARE * left / max(once, 1e-9)))
        return int(max(0, min(wanted, fits)))

    def said(self, design: Mapping[str, Any], folds: int, of: int) -> str:
        """What was chosen, in words."""
        told, head = Design.from_json(design), self.head
        trained = {"all": f"a {head} on frozen maps", "none": f"a {head} and all layers"}.get(
            told.freeze, f"a {head} and the layers after {told.freeze}"
        )
        part = f", {folds} of {of} folds for want of time" if folds < of else ""
        engine = ENGINES[told.choice.engine] if told.choice is not None else None
        numbers = " in bfloat16" if engine is not None and engine.half else ""
        less = f" ({told.epochs} of {told.aimed} epochs)" if told.aimed else ""
        steps = f"{count(told.recipe.steps, 'step')}{less}"
        return f"{trained}, {steps}{numbers}, {count(told.views, 'view')}{part}"


class Finetune(Decoder):
    """With the layers behind the last map but one, on stored states."""

    name = "finetune"
    kind = Kind("finetune", STEPS, 0)
    rates = (5e-4, 2e-3)
    work = 0.8

    def cut(self, backbone: Any) -> tuple[str, str]:
        """The stage of the last map but one."""
        stages = {stage.name: stage.cut for stage in backbone.stages}
        name = self.arm.taps_of(backbone)[-2:][0].stage
        return name, stages[name]


class Full(Decoder):
    """With all layers."""

    name = "full"
    kind = Kind("full", STEPS, 0)
    rates = (5e-4, 2e-3)
    work = 3.5

    def cut(self, backbone: Any) -> tuple[str, str]:
        return "none", backbone.cuts[0]


class Scratch(Full):
    """With all layers, from new random weights, on images of half the size: a quarter of the work."""

    name = "scratch"
    kind = Kind("scratch", STEPS, 0, fresh=True)
    rates = (2e-3, 2e-3)
    statistics = 2
    work = 1.0

    def reads(self, request: Request) -> Request:
        backbone: Any = request.network
        height, width = backbone.source.input.size
        return replace(request, backbone=sources.mapped(backbone, (height // 2, width // 2)))


def views(request: Request, rows: int) -> int:
    """How many stored views to train on, as time and disk allow."""
    settings = request.settings
    if settings.augment == "none":
        return 0
    if settings.views is not None:
        return settings.views
    return next((number for most, number in VIEWS if rows <= most), 1)


def settle(arm: Arm) -> tuple[Arm, int, float] | float:
    """(the arm with its length and engine, its folds, seconds of one) as they fit the budget; or the seconds
    that are missing."""
    request, design = arm.request, arm.design
    rows, folds = _design.training_rows(request), _arm.first_folds(request)
    per_epoch = max(1, round(rows / min(design.batch_size, rows)))
    epochs = request.settings.epochs or -(-arm.steps(rows) // per_epoch)
    lasting = replace(arm, design=design.lasting(epochs, per_epoch))
    lasting = with_engine(lasting, request.split.folds[0].train, folds + 1)
    if request.budget.left == float("inf"):
        return lasting, folds, 0.0
    pace, left = _settled.paced(request, lambda: measure(lasting, per_epoch))
    plans = _ladder.options(epochs, folds, warm=not arm.kind.fresh)
    plan = _arm.fitting(request, pace, left, epochs, plans)
    if isinstance(plan, float):
        return plan
    fold = pace.seconds(plan.epochs, 1) / _ladder.MARGIN
    design = lasting.design.lasting(plan.epochs, per_epoch).aiming(epochs)
    return replace(lasting, design=design), plan.folds, fold


def with_engine(arm: Arm, rows: np.ndarray, trainings: int) -> Arm:
    """The same with the engine for so many trainings on about these rows."""
    design = arm.design
    viewed = arm.of(arm.request.view(rows))
    about = {
        "trained": [arm.backbone.digest, arm.backbone.source.input.to_json(), arm.kind.name, design.cut],
        arm.net: [list(shape) for shape in arm.shapes],
        "batch": [design.batch_size, arm.request.task.outputs],
    }
    steps = trainings * design.recipe.steps
    choice = engine_for(arm.request, about, lambda: begin(viewed, rows, design.recipe), design.recipe, steps)
    return replace(arm, design=replace(design, choice=choice))


def measure(arm: Arm, per_epoch: int) -> _ladder.Pace:
    """The pace of a throw-away training on the first fold."""
    fold = arm.request.split.folds[0]
    short = replace(
        arm, design=replace(arm.design, recipe=replace(arm.design.recipe, steps=_arm.PILOT_STEPS))
    )
    viewed = short.of(arm.request.view(fold.train))
    trained, step = _arm.pilot(arm.request, lambda watch: train_on(viewed, fold.train, watch))
    if trained is None:
        return _ladder.Pace(step, per_epoch)
    some = fold.test[:4]
    each = _arm.seconds_of(lambda: predict(arm, trained, some)) / len(some)
    return _ladder.Pace(step, per_epoch, each * len(fold.test) + 1.0)

"""What every deep adapter shares: what it reads, its training, and what it offers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart import tasks
from headstart.core import fingerprint
from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.strategy import NotApplicable, Request
from headstart.strategies import finetune
from headstart.strategies.adapt._base import LEAST, Adapts, Domains
from headstart.strategies.adapt.deep._training import Course, Pair, Way
from headstart.strategies.gradient import _arm, _design, _ladder
from headstart.strategies.gradient._design import Design
from headstart.strategies.gradient._trainee import Trainee, outputs_of
from headstart.strategies.gradient._training import Arm, Kind, balanced_loss, named_watch
from headstart.strategies.shared._folds import OutOfTime
from headstart.strategies.shared._shipping import taps_model
from headstart.train.device import reproducible
from headstart.train.freeze import FrozenPart
from headstart.train.loop import Outcome
from headstart.train.recipe import Recipe

STEPS, MOST_EPOCHS = 1_000, 30
"""Steps aimed at, and epochs never exceeded (unless set by hand): those of fine-tuning."""
KIND = Kind("deep", STEPS, MOST_EPOCHS)
SMALL = 300_000
"""Parameters up to which the whole network is trained, from its inputs."""
RATE = 1e-3
"""First learning rate of the trunk; the head's is ten times as high."""
SMALL_RATE = 1e-2
"""That of a small network, whose layers hold less that could be lost."""
DECAY = 5e-4
"""Weight decay."""


@dataclass(frozen=True)
class Learnt:
    """What a training is read by."""

    arm: Arm
    net: Trainee
    module: Any
    """The whole network, whose layers behind the cut are those of `net`."""
    target: np.ndarray
    outcome: Outcome
    states: list[dict[str, Tensor]] = field(repr=False)


@dataclass(frozen=True)
class Offered:
    """`Adapted`: a network at one of its checkpoints."""

    learnt: Learnt = field(repr=False)
    number: int
    """Of the checkpoint; 0 is the source-only model."""

    @property
    def checkpoints(self) -> tuple[Offered, ...]:
        """All that the training offers, the source-only model first."""
        return tuple(replace(self, number=number) for number in range(len(self.learnt.states)))

    @property
    def choices(self) -> Mapping[str, Any]:
        """See `Adapted`."""
        learnt, design = self.learnt, self.learnt.arm.design
        views = "stored views" if design.views else "views of the pixels" if learnt.arm.inputs.size else ""
        return {
            **{name: getattr(design, name) for name in ("freeze", "epochs", "batch_size")},
            "lr": design.recipe.lr,
            "views": views or "dropout of features",
            "ended": learnt.outcome.status,
            "steps": learnt.outcome.steps,
            "losses": [round(loss, 6) for loss in learnt.outcome.losses],
            "checkpoint": self.number,
            "of": len(learnt.states) - 1,
        }

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """See `Adapted`."""
        arm = self.learnt.arm
        z = outputs_of(self._net(), arm.inputs.views[0], rows, unvaried=arm.inputs.unvaried)
        return tasks.for_task(arm.request.task).activate(z).astype(np.float32)

    def of_source(self, rows: np.ndarray) -> np.ndarray:
        """See `Adapted`. The network takes items of both domains alike."""
        return self.predict(rows)

    def model(self) -> Model:
        """A net of kind "taps"."""
        arm, net = self.learnt.arm, self._net()
        head = (part.detach().cpu().double().numpy() for part in (net.head.weight, net.head.bias))
        taps = [arm.source.embedding]
        made = taps_model(arm.request.task, arm.source, taps, *head, trunk=self.learnt.module)
        contract = arm.source.source.input
        if arm.inputs.size is not None:
            contract = contract.scaled(arm.inputs.size, stored=True)
        return replace(made, input=contract)

    def _net(self) -> Trainee:
        """With the weights of the checkpoint."""
        self.learnt.net.load_state_dict(self.learnt.states[self.number])
        return self.learnt.net


class Deep(Adapts):
    """An adapter by what it adds to the source's loss. See `core.strategy.Adapter`.

    Within pseudo-balancing: the source's batches have the class shares that the target seems to have, and the
    head is reweighted to those found last (Garg et al., "RLSbench", ICML 2023). Where the metric weighs
    classes, the source's items are weighed as it asks and are not balanced.
    """

    @abstractmethod
    def way(self, width: int, outputs: int, items: int, head: torch.nn.Linear) -> Way:
        """For features of that width, and that many classes and target items; `head` as it starts."""

    def adapt(self, request: Request) -> Offered:
        """What is found at the last checkpoint that the budget reaches; `Offered.checkpoints` has the others.
        Raises `UnknownName` or `BadOption` for settings that cannot be followed."""
        return self._learn(request, "all rows")

    def of_fold(self, request: Request, number: int) -> Offered:
        """Raises `OutOfTime`: another process goes on where it stopped."""
        found = self._learn(request, f"fold {number + 1}")
        if found.learnt.outcome.status == "out of time":
            raise OutOfTime
        return found

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """As that of fine-tuning with two domains in each step."""
        found = finetune.Finetune().cost(request, seconds_per_pass)
        return replace(found, seconds=2 * found.seconds)

    def _learn(self, request: Request, name: str) -> Offered:
        request = replace(request, taps=())
        domains = Domains.of(request)
        if len(domains.source) < LEAST:
            raise NotApplicable(f"at least {LEAST} labelled source items are needed")
        linear = domains.fit(domains.x(domains.source))
        return self._train(request, domains, (linear.weight, linear.bias), name)

    def _train(
        self, request: Request, domains: Domains, head: tuple[np.ndarray, np.ndarray], name: str
    ) -> Offered:
        methods, outputs = tasks.for_task(request.task), request.task.outputs
        source, target = domains.source, domains.target
        size = min(_design.batch_size(request.settings, max(len(source), len(target))), len(target))
        design = self._design(request, size)
        arm = _arm.open_arm(request, design, KIND)
        y = request.dataset.targets[source]
        weighed = len(source) > 0 and methods.weights(request.task, y) is not None
        start = domains.begun if len(source) and not weighed else np.full(outputs, 1 / outputs)
        pair = Pair(
            views=arm.inputs.views,
            source=source,
            y=y,
            target=target,
            size=size,
            unvaried=arm.inputs.unvaried,
            vary=arm.inputs.varied(design.augment, request.seed),
            shares=(lambda _, heft: heft) if weighed else domains.shares,
            start=start,
            seed=request.seed,
        )
        epochs = request.settings.epochs or _ladder.wanted(pair.per_epoch, steps=STEPS, most=MOST_EPOCHS)
        arm = replace(arm, design=design.lasting(epochs, pair.per_epoch))
        backbone = request.network.copy()
        with reproducible(request.seed):
            net = Trainee(backbone, design.cut, outputs)
            net.set_head(*head)
            way = self.way(net.head.in_features, outputs, len(target), net.head)
        net.requires_grad_(True)
        frozen = FrozenPart.of(backbone.module, net.body)
        kept = {**arm.design.to_json(), "target": fingerprint.of_array(target)}
        recipe = arm.design.recipe
        outcome, states = Course(
            net=net,
            way=way,
            pair=pair,
            recipe=recipe,
            watch=named_watch(request, kept, source, name),
            loss=balanced_loss(request, source) if len(source) else torch.nn.functional.cross_entropy,
            statistics=(1 + (not way.source_free)) * size >= recipe.statistics_from,
        ).run()
        frozen.verify()
        net.cpu().eval()
        backbone.module.cpu()
        learnt = Learnt(arm, net, backbone.module, target, outcome, states)
        return Offered(learnt, len(states) - 1)

    def _design(self, request: Request, size: int) -> Design:
        small = sum(p.numel() for p in request.network.module.parameters()) <= SMALL
        whole = small and request.settings.freeze is None
        design = finetune.design_whole(request) if whole else finetune.design_cut(request)
        rate = request.settings.lr or (SMALL_RATE if whole else RATE)
        recipe = Recipe(
            steps=1,
            lr=rate,
            head_lr=request.settings.head_lr,
            weight_decay=DECAY,
            statistics_from=design.recipe.statistics_from,
            seed=request.seed,
        )
        return replace(design, recipe=recipe, batch_size=size)

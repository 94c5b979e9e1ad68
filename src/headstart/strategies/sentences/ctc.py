"""What is said, character by character, from the stored steps of a frozen network: the probe of speech.

A small head (`headstart.nets.ctc`) is trained by CTC on the states of one pass. Training stops by the task's
own metric over rows held back, whole groups.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart import modalities
from headstart.core import fingerprint
from headstart.core.backbone import Backbone, Stage
from headstart.core.budget import Budget
from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.core.words import count
from headstart.nets.ctc import Head, said
from headstart.strategies.gradient._design import Design, Inputs, length_of, load_inputs
from headstart.strategies.gradient._training import named_watch
from headstart.strategies.sentences._writing import hold_back
from headstart.strategies.sentences.baselines import signed
from headstart.strategies.shared import _shipping
from headstart.strategies.shared._folds import OutOfTime, run_folds
from headstart.train.batches import Batches
from headstart.train.device import reproducible
from headstart.train.loop import Watch, train
from headstart.train.losses.ctc import ctc_loss
from headstart.train.recipe import Recipe

STEPS, MOST_EPOCHS, BATCH = 800, 80, 16
RATE = 3e-3
LOOKED_AT = 200
"""Training rows whose steps are standardised by."""


class Ctc:
    """A head on frozen steps, trained by CTC."""

    name = "probe"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """A pass, and the trainings: of a step about a thousandth of the pass's time for each item."""
        trainings = len(request.split.folds) + 1
        return Cost(1.0, seconds_per_pass + trainings * (5.0 + 1e-3 * STEPS * BATCH))

    def source(self, request: Request) -> Backbone:
        """The network whose steps are read."""
        return request.network

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds the epochs, and of each fold its "alphabet" and losses."""
        arm = _Arm(replace(request, backbone=self.source(request)))

        def fit_fold(request: Request, fold: Fold, number: int) -> tuple[Any, dict[str, Any]]:
            watch = named_watch(request, arm.design.to_json(), fold.train, f"{self.name} fold {number + 1}")
            learnt = arm.of(request).learn(fold.train, watch)
            losses = [round(loss, 6) for loss in learnt.losses]
            return arm.hear(learnt, fold.test), {"alphabet": "".join(learnt.alphabet), "losses": losses}

        about = fingerprint.of_json(arm.design.to_json())
        trial = run_folds(arm.request, request.arm(self.name), fit_fold, about=about)
        cost = trial.cost + Cost(forward_passes=arm.inputs.forward_passes)
        signs = max((len(fold["alphabet"]) for fold in trial.choices["folds"]), default=0)
        reason = trial.reason or f"{count(signs, 'character')} heard in the steps of {arm.stage.name}"
        return replace(trial, cost=cost, reason=reason, choices={**arm.design.to_json(), **trial.choices})

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "ctc"."""
        arm = _Arm(replace(request, backbone=self.source(request), budget=Budget()))
        rows = arm.request.split.development
        learnt = arm.learn(
            rows, named_watch(arm.request, arm.design.to_json(), rows, f"{self.name} all rows")
        )
        backbone = arm.request.network
        net = {
            "kind": "ctc",
            "architecture": dict(backbone.source.architecture),
            "stage": arm.stage.name,
            "alphabet": learnt.alphabet,
        }
        tensors = {**_shipping.state(backbone.module, "trunk"), **_shipping.state(learnt.head, "head")}
        return Model(request.task, backbone.source.input, net, tensors, source=self.origin(backbone))

    def origin(self, backbone: Backbone) -> Any:
        """What the model says of where its weights come from."""
        return _shipping.origin(backbone)


class RandomFrozen(Ctc):
    """The same on the same architecture with random weights."""

    name = "random-frozen"

    def source(self, request: Request) -> Backbone:
        return request.network.fresh(request.seed)

    def origin(self, backbone: Backbone) -> Any:  # noqa: ARG002
        return {}


@dataclass(frozen=True)
class _Learnt:
    """A head, and the characters that it knows."""

    head: Head
    alphabet: list[str]
    losses: list[float]


class _Heard(nn.Module):
    """Stored states -> log-probabilities."""

    def __init__(self, head: Head, backbone: Backbone, stage: str) -> None:
        super().__init__()
        self.head, self._backbone, self._stage = head, backbone, stage

    def forward(self, states: Tensor) -> Tensor:
        steps = self._backbone.dense(states.float(), self._stage)
        found: Tensor = self.head(steps.values, steps.mask)
        return found


@dataclass(frozen=True)
class _Arm:
    """What the trainings share."""

    request: Request

    @property
    def stage(self) -> Stage:
        """The last one."""
        return self.request.network.stages[-1]

    @cached_property
    def design(self) -> Design:
        """The same for all folds."""
        settings, rows = self.request.settings, len(self.request.split.folds[0].train)
        size = min(settings.batch_size or BATCH, max(1, rows))
        per_epoch = max(1, round(rows / size))
        epochs = settings.epochs or max(1, min(MOST_EPOCHS, -(-STEPS // per_epoch)))
        recipe = Recipe(
            epochs * per_epoch, settings.head_lr or RATE, "adamw", weight_decay=0.01, smoothing=0.0,
            seed=self.request.seed,
        )  # fmt: skip
        length = length_of(self.request, self.stage.cut)
        kind = modalities.get(self.request.dataset.modality).DEFAULT_VIEW
        return Design(self.stage.cut, self.stage.name, recipe, size, epochs, augment=kind, length=length)

    @cached_property
    def inputs(self) -> Inputs:
        """The states of all items."""
        return load_inputs(self.request, self.design, probe=False)

    def of(self, request: Request) -> _Arm:
        """The same for another view of the data; what was read stays read."""
        other = _Arm(replace(request, backbone=self.request.backbone))
        other.__dict__.update(design=self.design, inputs=self.inputs)
        return other

    def learn(self, rows: np.ndarray, watch: Watch) -> _Learnt:
        """From these rows alone. Raises `OutOfTime`, `FloatingPointError`."""
        request, recipe = self.request, self.design.recipe
        texts = [_plain(text) for text in request.dataset.targets[rows].tolist()]
        alphabet = sorted(set("".join(texts)))
        part, held = hold_back(request, rows)
        table = _numbered([_plain(text) for text in request.dataset.targets[part].tolist()], alphabet)
        with reproducible(recipe.seed):
            head = Head(self.stage.channels, len(alphabet) + 1)
        net = _Heard(head, request.network, self.stage.name)
        self._standardise(net, part)
        trim, size = self.inputs.varied("", recipe.seed), self.design.batch_size
        batches = Batches(self.inputs.views, part, table, size, recipe.seed, trim)
        wanted = request.dataset.targets[held]

        def validation(model: nn.Module) -> float:
            return -signed(request, wanted, self._said(model, alphabet, held))

        outcome = train(
            net, batches, recipe, watch=watch, loss=ctc_loss, validation=validation if len(held) else None,
            param_groups=[{"params": list(head.parameters()), "scale": 1.0, "head": False}],
        )  # fmt: skip
        if outcome.status == "out of time":
            raise OutOfTime
        if outcome.status == "diverged":
            raise FloatingPointError("the loss was not finite")
        return _Learnt(head, alphabet, outcome.losses)

    def hear(self, learnt: _Learnt, rows: np.ndarray) -> list[str]:
        """What is said in these rows."""
        net = _Heard(learnt.head, self.request.network, self.stage.name)
        return self._said(net, learnt.alphabet, rows)

    @torch.no_grad()
    def _said(self, net: nn.Module, alphabet: list[str], rows: np.ndarray) -> list[str]:
        found: list[str] = []
        for start in range(0, len(rows), self.design.batch_size):
            z = net(self._states(rows[start : start + self.design.batch_size]))
            found += [said(row, alphabet) for row in z.float().cpu().numpy()]
        return found

    def _states(self, rows: np.ndarray) -> Tensor:
        return self.inputs.unvaried(torch.from_numpy(np.ascontiguousarray(self.inputs.views[0][rows])))

    @torch.no_grad()
    def _standardise(self, net: _Heard, rows: np.ndarray) -> None:
        """Mean and deviation of the steps of at most `LOOKED_AT` of these rows."""
        some = rows[np.unique(np.linspace(0, len(rows) - 1, min(LOOKED_AT, len(rows))).astype(np.int64))]
        number, total, squares = 0, torch.zeros(self.stage.channels), torch.zeros(self.stage.channels)
        for start in range(0, len(some), self.design.batch_size):
            states = self._states(some[start : start + self.design.batch_size]).float()
            steps = self.request.network.dense(states, self.stage.name)
            seen = steps.values[steps.mask]
            number, total, squares = number + len(seen), total + seen.sum(0), squares + seen.square().sum(0)
        mean: Any = total / max(1, number)
        net.head.mean.copy_(mean)
        net.head.sd.copy_((squares / max(1, number) - mean.square()).clamp(min=1e-6).sqrt())


def _plain(text: str) -> str:
    """In small letters, with single blanks."""
    return " ".join(text.casefold().split())


def _numbered(texts: Sequence[str], alphabet: Sequence[str]) -> np.ndarray:
    """int64 `[n, L]`: characters by their numbers from 1 on, filled up with -1."""
    number = {sign: place for place, sign in enumerate(alphabet, 1)}
    found = np.full((len(texts), max(1, *map(len, texts))), -1, np.int64)
    for row, text in enumerate(texts):
        found[row, : len(text)] = [number[sign] for sign in text]
    return found

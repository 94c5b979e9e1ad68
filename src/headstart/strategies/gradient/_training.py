"""One training of an arm: on some rows, from the source's weights or from new ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn

from headstart import tasks
from headstart.core import fingerprint
from headstart.core.backbone import Backbone
from headstart.core.strategy import Request
from headstart.store.memo import Memo
from headstart.strategies.gradient._adapters import Adapter
from headstart.strategies.gradient._design import Design, Inputs
from headstart.strategies.gradient._trainee import Trainee, outputs_of
from headstart.train import choice as choices
from headstart.train import draws
from headstart.train.average import copy_state, load_state
from headstart.train.batches import Batches
from headstart.train.choice import Choice
from headstart.train.device import reproducible
from headstart.train.engines import EAGER, Loss
from headstart.train.freeze import FrozenPart, set_train_mode
from headstart.train.groups import parameter_groups, stage_depths
from headstart.train.loop import Outcome, Watch, train
from headstart.train.recipe import Recipe
from headstart.train.rgn import AUTO_RGN, relative_gradient_norms

LEAST_TO_STOP_EARLY = 500
"""Rows of a validation part below which its loss is too noisy to stop by."""
HELD_BACK = 0.1
"""Share of the training rows that may serve as validation part."""


@dataclass(frozen=True)
class Kind:
    """What distinguishes the training arms."""

    name: str
    steps: int
    """Steps aimed at, in no more than `most_epochs`."""
    most_epochs: int
    fresh: bool = False
    """Starts from new random weights, head and all."""
    adapter: Adapter | None = None
    """Trains a small part of every layer."""


@dataclass(frozen=True)
class Arm:
    """What the trainings of an arm share."""

    request: Request
    design: Design
    inputs: Inputs
    kind: Kind
    heads: dict[str, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)
    """Probes fitted so far, by their rows."""

    @property
    def source(self) -> Backbone:
        return self.request.network

    def lasting(self, epochs: int, rows: int) -> Arm:
        """The same, for so many epochs of so many rows."""
        per_epoch = max(1, round(rows / self.design.batch_size))
        return replace(self, design=self.design.lasting(epochs, per_epoch))


@dataclass(frozen=True)
class Trained:
    """A network after training; predictions are `activate(z * scale + offset)`."""

    net: Any
    """The `Trainee`; an arm may have one of its own."""
    backbone: Backbone
    outcome: Outcome
    lr: float
    """Peak rate of the attempt that succeeded."""
    offset: np.ndarray = field(default_factory=lambda: np.zeros(1))
    scale: np.ndarray = field(default_factory=lambda: np.ones(1))
    freeze: str = ""
    """The stage behind which it was trained, where its rows chose it."""


def train_on(arm: Arm, rows: np.ndarray, watch: Watch | None = None) -> Trained:
    """Train on the given rows of the data set, and average the weights by the design's share.

    A loss that is not finite leads to one more attempt at a tenth of the learning rate, and then to
    `FloatingPointError`. Raises `FrozenChanged` when a frozen part did not stay as it was.
    """
    trained = attempts(arm.design.recipe, lambda recipe: _attempt(arm, rows, recipe, watch or Watch()))
    if arm.design.share != 1.0 and trained.outcome.status == "done":
        average(arm, trained, rows, arm.design.share)
    return trained


def attempts(recipe: Recipe, attempt: Callable[[Recipe], Trained]) -> Trained:
    """What `attempt` trains by the recipe, or by one with a tenth of its rates; then `FloatingPointError`."""
    head_lr = None if recipe.head_lr is None else recipe.head_lr / 10
    for tried in (recipe, replace(recipe, lr=recipe.lr / 10, head_lr=head_lr)):
        trained = attempt(tried)
        if trained.outcome.status != "diverged":
            return trained
    raise FloatingPointError(f"the loss was not finite, even at a learning rate of {recipe.lr / 10:g}")


@dataclass(frozen=True)
class Begun:
    """A training before its first step."""

    net: Any
    backbone: Backbone
    frozen: FrozenPart
    batches: Batches
    groups: list[dict[str, Any]]
    loss: Loss
    held: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    """Rows held back to stop by."""
    offset: np.ndarray = field(default_factory=lambda: np.zeros(1))
    scale: np.ndarray = field(default_factory=lambda: np.ones(1))


def _begin(arm: Arm, rows: np.ndarray, recipe: Recipe) -> Begun:
    request, design = arm.request, arm.design
    methods = tasks.get(request.task.kind)
    offset, scale = methods.scaling(request.dataset.targets[rows], request.task.outputs)
    backbone = arm.source.fresh(request.seed) if arm.kind.fresh else arm.source.copy()
    net = _start(arm, backbone, rows, offset, scale)
    if arm.kind.adapter is not None:
        arm.kind.adapter.begin(backbone, net.body, request.seed)
    frozen = FrozenPart.of(backbone.module, net.body)
    part, held = hold_back(request, rows)
    targets = methods.targets(request.dataset.targets[part], offset, scale)
    vary = arm.inputs.varied(design.augment, request.seed)
    batches = Batches(arm.inputs.views, part, targets, design.batch_size, request.seed, vary)
    loss, depths = balanced_loss(request, part, recipe.smoothing), stage_depths(backbone)
    scales = relative_gradient_norms(net, batches, loss, depths) if recipe.layer_rates == AUTO_RGN else None
    return Begun(
        net,
        backbone,
        frozen,
        batches,
        parameter_groups(net.body, net.head, recipe, depths, scales),
        loss,
        held,
        offset,
        scale,
    )


def chosen(arm: Arm, trainings: float) -> Choice | None:
    """The engine for so many trainings of an arm: plain float32 where that was asked for, else the one kept
    for this machine, else the best of a trial on the first batch of the first fold; None where there is none
    to choose: on a GPU, of sequences, and where all of it is short."""
    request, design = arm.request, arm.design
    if request.engine != EAGER and arm.inputs.layout is not None:
        return None
    of = [arm.source.digest, arm.source.source.input.to_json(), arm.kind.name, design.cut]
    batch = [design.batch_size, list(arm.inputs.size or ()), design.recipe.statistics_from]
    rows = request.split.folds[0].train
    return engine_for(
        request,
        {"trained": of, "batch": batch, "outputs": request.task.outputs},
        lambda: _begin(replace(arm, request=request.view(rows)), rows, design.recipe),
        design.recipe,
        round(trainings * design.recipe.steps),
    )


def engine_for(
    request: Request, about: Mapping[str, Any], begin: Callable[[], Begun], recipe: Recipe, steps: int
) -> Choice | None:
    """The engine for so many steps of what is trained (`about`, JSON) and was begun, see `chosen`."""
    if request.engine == EAGER:
        return Choice()
    if torch.cuda.is_available():
        return None
    memo, key = Memo(), choices.key(about)
    kept = Choice.of(memo.get(key))
    if kept is not None:
        return kept
    if steps < choices.FROM_STEPS:
        return None
    begun = begin()
    set_train_mode(begun.net, statistics=begun.batches.smallest >= recipe.statistics_from)
    batch_one = begun.batches.read(0)
    found = choices.trial(
        begun.net,
        [group["params"] for group in begun.groups],
        begun.loss,
        (begun.batches.inputs(batch_one, "cpu"), batch_one.targets),
        steps=steps,
        seconds=request.budget.left,
        seed=request.seed,
    )
    if found is not None:
        memo[key] = found.to_json()
    return found


def _attempt(arm: Arm, rows: np.ndarray, recipe: Recipe, watch: Watch) -> Trained:
    request, methods = arm.request, tasks.get(arm.request.task.kind)
    begun = _begin(arm, rows, recipe)
    held, offset, scale = begun.held, begun.offset, begun.scale
    part = begun.batches.rows

    def validation(model: nn.Module) -> float:
        z = torch.from_numpy(
            outputs_of(model, arm.inputs.views[0], held, unvaried=arm.inputs.unvaried)
        ).float()
        wanted = torch.from_numpy(methods.targets(request.dataset.targets[held], offset, scale))
        return float(balanced_loss(request, part)(z, wanted).mean())

    outcome = train(
        begun.net,
        begun.batches,
        recipe,
        param_groups=begun.groups,
        loss=begun.loss,
        validation=validation if len(held) else None,
        watch=watch,
        choice=arm.design.choice,
    )
    begun.frozen.verify()
    if arm.kind.adapter is not None:
        arm.kind.adapter.end(begun.net.body)
    return Trained(begun.net, begun.backbone, outcome, recipe.lr, offset, scale)


def average(arm: Arm, trained: Trained, rows: np.ndarray, share: float) -> None:
    """Bring a net in place to `share` of the weights trained on these rows and the rest of the probe's.

    WiSE-FT (Wortsman et al., "Robust fine-tuning of zero-shot models", CVPR 2022). The probe is the network
    before its first step: the source's weights under the converged head. BatchNorm statistics are averaged as
    the weights are: with 0 it is the probe on the source's own.
    """
    before = copy_state(_start(arm, arm.source.copy(), rows, trained.offset, trained.scale))
    after = copy_state(trained.net)
    load_state(
        trained.net,
        {
            name: before[name].to(now).lerp(now, share) if now.is_floating_point() else now
            for name, now in after.items()
        },
    )


def balanced_loss(request: Request, part: np.ndarray, smoothing: float = 0.0) -> Loss:
    """The task's loss of each item, which counts as often as the metric asks for (`TaskMethods.weights`)."""
    methods, y = tasks.for_task(request.task), request.dataset.targets[part]
    weights = methods.weights(request.task, y)
    if weights is None:
        return partial(methods.loss, smoothing=smoothing)
    of_class = np.zeros(request.task.outputs, np.float32)
    of_class[y] = weights
    table = torch.from_numpy(of_class)

    def loss(z: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        found: torch.Tensor = methods.loss(z, targets, smoothing=smoothing) * table.to(z.device)[targets]
        return found

    return loss


def _start(arm: Arm, backbone: Backbone, rows: np.ndarray, offset: np.ndarray, scale: np.ndarray) -> Trainee:
    """The network before its first step."""
    with reproducible(arm.request.seed):
        quick = arm.design.choice is None
        net = Trainee(backbone, arm.design.cut, arm.request.task.outputs, quick=quick)
    if arm.inputs.embedding is not None:
        weight, bias = probe_head(arm, rows)
        net.set_head(weight / scale[:, None], (bias - offset) / scale)
    net.requires_grad_(True)
    return net


def named_watch(request: Request, design: Mapping[str, Any], rows: np.ndarray, name: str) -> Watch:
    """The request's budget, a checkpoint of that name in its folder, its pause, and its progress callback.

    The checkpoint is continued only by a training of the same design, rows, data and source.
    """
    if request.workdir is not None:
        request.workdir.mkdir(parents=True, exist_ok=True)
    path = request.workdir / f"{name}.ckpt" if request.workdir is not None else None
    reads = fingerprint.of_json(request.network.source.input.to_json())
    data = request.dataset.fingerprint if request.workdir is not None else ""
    about = [request.network.digest, reads, data, fingerprint.of_array(rows), fingerprint.of_json(design)]
    return Watch(
        request.budget,
        path,
        fingerprint.of_parts(about),
        lambda done, total: request.progress(f"training, {name}", done, total),
        max(1, round(request.part * design["steps"])) if request.part else None,
    )


def probe_head(arm: Arm, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(weight `[K, D]`, bias `[K]`) of the converged probe on the stored embedding of the rows.

    Linear probing before fine-tuning keeps the source's features whole (Kumar et al., ICLR 2022).
    """
    request, embedding = arm.request, arm.inputs.embedding
    assert embedding is not None
    key = fingerprint.of_array(rows)
    if key not in arm.heads:
        methods, y = tasks.for_task(request.task), request.dataset.targets[rows]
        linear = methods.fit_linear(
            np.asarray(embedding[rows], np.float64),
            y,
            outputs=request.task.outputs,
            groups=request.split.groups[rows],
            seed=request.seed,
            weights=methods.weights(request.task, y),
        )
        arm.heads[key] = (linear.weight, linear.bias)
    return arm.heads[key]


def hold_back(request: Request, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(rows to train on, validation rows): whole groups, or nothing where it would be too small."""
    if HELD_BACK * len(rows) < LEAST_TO_STOP_EARLY:
        return rows, rows[:0]
    return divide(request, rows, HELD_BACK)


def divide(request: Request, rows: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """About `share` of the rows, whole groups, as the second part."""
    held = draws.uniforms(request.seed, 0, request.split.groups[rows], 1, purpose=7)[:, 0] < share
    return rows[~held], rows[held]


def predict(arm: Arm, trained: Trained, rows: np.ndarray) -> np.ndarray:
    """float32 `[len(rows), K]`: predictions for rows as they are, not varied."""
    z = outputs_of(trained.net, arm.inputs.views[0], rows, unvaried=arm.inputs.unvaried)
    activate = tasks.get(arm.request.task.kind).activate
    return activate(z * trained.scale + trained.offset).astype(np.float32)


def whole_head(trained: Trained) -> tuple[np.ndarray, np.ndarray]:
    """(weight float64 `[K, D]`, bias `[K]`) with the task's scaling folded in."""
    head = trained.net.head
    weight, bias = (values.detach().cpu().double().numpy() for values in (head.weight, head.bias))
    return weight * trained.scale[:, None], bias * trained.scale + trained.offset

"""The one training loop, in plain order."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from headstart.core import fingerprint
from headstart.core.budget import Budget
from headstart.train import checkpoint, groups
from headstart.train.average import Average, copy_state, decay_for, load_state
from headstart.train.batches import Batches
from headstart.train.choice import Choice
from headstart.train.device import accelerator, reproducible
from headstart.train.engines import EAGER, Loss
from headstart.train.freeze import set_train_mode
from headstart.train.recipe import Recipe

PATIENCE = 3
"""Epochs without a better validation loss after which training stops (at least a fifth of all)."""
SAVE_SECONDS = 10.0
"""Time between checkpoints. Only the loss of time depends on it, never a result."""
RENEWED = 32
"""Batches over which BatchNorm statistics are recomputed at the end of a training."""


@dataclass(frozen=True)
class Watch:
    """What surrounds a training: time, a file to resume from, someone to tell."""

    budget: Budget = Budget()
    path: Path | None = None
    """Checkpoint; what is found there is continued if it belongs to the same training."""
    about: str = ""
    """What the checkpoint belongs to, besides the recipe."""
    progress: Callable[[int, int], None] = lambda *_: None
    """Called with steps done and steps in all."""
    pause: int | None = None
    """Steps after which it pauses, with the weights that would be kept if they were the last ones; its
    checkpoint goes on from there."""


@dataclass
class Outcome:
    """How a training ended. "out of time" and "paused": its checkpoint, if any, can be continued."""

    status: Literal["done", "out of time", "paused", "diverged"]
    steps: int
    """Steps done."""
    losses: list[float] = field(default_factory=list, repr=False)
    """Mean training loss of each epoch."""


@dataclass
class _State:
    """Where a training is, besides the weights."""

    step: int = 0
    losses: list[float] = field(default_factory=list)
    running: float = 0.0
    """Sum of the losses of this epoch's steps."""
    best_score: float = math.inf
    best_epoch: int = -1
    best: dict[str, Tensor] = field(default_factory=dict)


def train(
    net: nn.Module,
    batches: Batches,
    recipe: Recipe,
    *,
    param_groups: list[dict[str, Any]],
    loss: Loss,
    validation: Callable[[nn.Module], float] | None = None,
    watch: Watch = Watch(),
    choice: Choice | None = None,
) -> Outcome:
    """Train `net` in place; at the end it holds averaged weights, in eval mode.

    `validation` (lower is better) is called on the averaged weights after each epoch; with it the
    best epoch is kept and training stops early. When the loss is not finite the outcome is
    "diverged" and the weights are of no use. Interrupted and continued from its checkpoint, a
    training on the CPU ends with the same weights bit for bit. `choice` is the engine of its steps.
    """
    engine = accelerator(full=choice is not None and choice.engine == EAGER)
    optimizer = groups.make_optimizer(param_groups, recipe)
    net, optimizer = engine.prepare(net, optimizer)
    with reproducible(recipe.seed), ExitStack() as stack:
        gradients = (choice or Choice()).gradients(net, loss, engine.backward, stack)
        average = Average(net, decay_for(recipe.steps))
        keep = _Keeper(watch, recipe, net, optimizer, average)
        state = keep.restore()
        statistics = batches.smallest >= recipe.statistics_from
        set_train_mode(net, statistics=statistics)
        stop = min(recipe.steps, watch.pause or recipe.steps)
        paused = False
        for step, batch in batches.walk(state.step, stop):
            if watch.budget.over:
                keep.save(state)
                return Outcome("out of time", state.step, state.losses)
            groups.set_rates(optimizer, recipe, step)
            lost = gradients(batches.inputs(batch, engine.device), batch.targets.to(engine.device))
            if not math.isfinite(lost):
                return Outcome("diverged", step, state.losses)
            engine.clip_grad_norm_(net.parameters(), recipe.clip)
            optimizer.step()
            optimizer.zero_grad()
            average.update(net)
            state.step, state.running = step + 1, state.running + lost
            if _end_epoch(state, batches, recipe, net, average, validation):
                break
            if keep.due:
                keep.save(state)
            watch.progress(state.step, recipe.steps)
        else:
            paused = stop < recipe.steps
            if paused:
                keep.save(state)
        load_state(net, state.best or average.tensors)
        if statistics:
            renew_statistics(net, batches, engine.device)
        engine.unwrap_model(net, keep_fp32_wrapper=False).eval()  # and in full precision
    if watch.path is not None and not paused:
        watch.path.unlink(missing_ok=True)
    return Outcome("paused" if paused else "done", state.step, state.losses)


def _end_epoch(
    state: _State,
    batches: Batches,
    recipe: Recipe,
    net: nn.Module,
    average: Average,
    validation: Callable[[nn.Module], float] | None,
) -> bool:
    """At an epoch's end note its loss, validate the averaged weights and keep the best. Whether to stop."""
    if state.step % batches.per_epoch:
        return False
    state.losses.append(state.running / batches.per_epoch)
    state.running = 0.0
    if validation is None:
        return False
    epoch = len(state.losses)
    modes = {module: module.training for module in net.modules()}
    with average.applied(net):
        net.eval()
        score = validation(net)
        if score < state.best_score:
            state.best_score, state.best_epoch, state.best = score, epoch, copy_state(net)
    for module, training in modes.items():
        module.training = training  # not net.train(): some BatchNorms stay in eval mode
    return epoch - state.best_epoch >= max(PATIENCE, recipe.steps // batches.per_epoch // 5)


class _Keeper:
    """Saves and restores everything a training consists of."""

    def __init__(
        self, watch: Watch, recipe: Recipe, net: nn.Module, optimizer: Any, average: Average
    ) -> None:
        self.path, self.clock = watch.path, watch.budget.clock
        self.about = fingerprint.of_json({"recipe": recipe.to_json(), "about": watch.about})
        self.net, self.optimizer, self.average = net, optimizer, average
        self.saved = self.clock()

    def save(self, state: _State) -> None:
        if self.path is None or state.step == 0:
            return
        tree = {
            "state": dict(vars(state)),
            "net": self.net.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "average": self.average.tensors,
            "random": checkpoint.random_state(),
        }
        checkpoint.save(self.path, tree, about=self.about)
        self.saved = self.clock()

    @property
    def due(self) -> bool:
        return self.clock() - self.saved >= SAVE_SECONDS

    def restore(self) -> _State:
        tree = checkpoint.load(self.path, about=self.about) if self.path is not None else None
        if tree is None:
            return _State()
        load_state(self.net, tree["net"])
        self.optimizer.load_state_dict(tree["optimizer"])
        for name, tensor in tree["average"].items():
            self.average.tensors[name].copy_(tensor)
        checkpoint.set_random_state(tree["random"])
        return _State(**tree["state"])


def renew_statistics(net: nn.Module, batches: Batches, device: Any) -> None:
    """BatchNorm statistics of the weights as they are now, over at most `RENEWED` batches of one epoch.

    The moving statistics are those of weights some steps back, and averaged weights never had any
    (Izmailov et al., UAI 2018). Nothing happens in a network without BatchNorm.
    """
    seen = (batches.inputs(batch, device) for _, batch in batches.walk(0, min(RENEWED, batches.per_epoch)))
    update_bn(seen, net)

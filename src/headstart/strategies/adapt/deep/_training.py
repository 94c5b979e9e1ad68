"""One training on two domains, in plain order: the source's loss, and what an adapter adds to it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor, nn
from torch.optim.swa_utils import update_bn

from headstart.core import fingerprint
from headstart.core.features import Rows
from headstart.strategies.gradient._trainee import Trainee
from headstart.train import checkpoint, draws, groups
from headstart.train.average import Average, copy_state, decay_for, load_state
from headstart.train.batches import Vary, drawn, in_order
from headstart.train.device import accelerator, reproducible
from headstart.train.freeze import set_train_mode
from headstart.train.loop import RENEWED, SAVE_SECONDS, Outcome, Watch
from headstart.train.recipe import Recipe

OFFERED = 4
"""Checkpoints along a training that are offered, besides the source-only one."""
SETTLED = 0.5
"""Share of the steps from which the class shares of the target are believed: before its items are where the
source's are, a shift of all of them looks like one class that has become common, and a source balanced to
that would make it come true."""
RAREST = 0.1
"""Least share of a class in the source's batches, against that of an even one."""


def rate(progress: float) -> float:
    """Of the first learning rate (Ganin et al., JMLR 2016)."""
    return float((1 + 10 * progress) ** -0.75)


def ramp(progress: float) -> float:
    """From 0 to 1: how much the adaptation counts (the same paper)."""
    return 2 / (1 + math.exp(-10 * progress)) - 1


@dataclass(frozen=True)
class Seen:
    """One step: features `[B, D]` and logits `[B, K]` of both domains, in training."""

    head: nn.Linear
    features: Tensor = field(repr=False)
    """Of the target."""
    z: Tensor = field(repr=False)
    places: Tensor = field(repr=False)
    """int64 `[B]`: which of the target's items these are."""
    plain: Callable[[], Tensor] = field(repr=False)
    """Logits of the same items, not varied and not trained."""
    varied: bool
    """Whether the items are seen in views."""
    progress: float
    source: Tensor = field(repr=False)
    """Features of the source; without rows where the training is source-free, as the next two."""
    source_z: Tensor = field(repr=False)
    y: Tensor = field(repr=False)

    @property
    def weight(self) -> float:
        return ramp(self.progress)


class Way(nn.Module):
    """What an adapter adds to the source's loss. Parameters of its own learn at the head's rate."""

    source_free = False
    """It sees no item of the source, and its head stays as it is."""

    def begin(self, features: np.ndarray, z: np.ndarray) -> None:
        """Before each epoch: features `[m, D]` and logits `[m, K]` of the whole target."""

    def head(self, head: nn.Linear) -> tuple[Tensor, Tensor]:
        """(weight, bias) of the head that is used in the end."""
        return head.weight, head.bias


@dataclass(frozen=True)
class Pair:
    """Both domains, as a training reads them."""

    views: Sequence[Rows] = field(repr=False)
    source: np.ndarray = field(repr=False)
    """int64: rows of the data set; empty for what is source-free."""
    y: np.ndarray = field(repr=False)
    """int64, of `source`."""
    target: np.ndarray = field(repr=False)
    size: int
    """Items of each domain in a batch."""
    unvaried: Callable[[Tensor], Tensor] = field(repr=False)
    vary: Vary | None = field(repr=False)
    shares: Callable[[np.ndarray, np.ndarray], np.ndarray] = field(repr=False)
    """(logits of the target `[m, K]`, class shares `[K]` that the network was trained with) -> those of the
    target."""
    start: np.ndarray = field(repr=False)
    """float64 `[K]`: shares of the classes to begin with."""
    seed: int = 0

    @property
    def per_epoch(self) -> int:
        """Steps in which the larger domain is seen once."""
        return max(1, round(max(len(self.source), len(self.target)) / self.size))

    def read(self, rows: np.ndarray, epoch: int) -> Tensor:
        """Inputs of the network, each item in a view."""
        inputs = drawn(self.views, rows, self.seed, epoch).to(accelerator().device)
        return self.unvaried(inputs) if self.vary is None else self.vary(inputs, rows, epoch)

    def plain(self, rows: np.ndarray) -> Tensor:
        """The same of items as they are."""
        stored = torch.from_numpy(np.ascontiguousarray(self.views[0][rows]))
        return self.unvaried(stored.to(accelerator().device))


def places(y: np.ndarray, shares: np.ndarray, count: int, *, seed: int, epoch: int) -> np.ndarray:
    """int64 `[count]`: an epoch's items by their classes `y`, each class as often as its share says, in
    random order.

    Every item of a class is seen before one is seen again.
    """
    wanted = shares * (np.bincount(y, minlength=len(shares)) > 0)
    wanted = wanted / wanted.sum() * count
    counts = np.floor(wanted).astype(np.int64)
    counts[np.argsort(counts - wanted, kind="stable")[: count - counts.sum()]] += 1
    found = []
    for number in np.flatnonzero(counts).tolist():
        members = np.flatnonzero(y == number)
        order = draws.order(seed + 1 + number, epoch, len(members))
        found.append(members[np.resize(order, counts[number])])
    return np.concatenate(found)[draws.order(seed, epoch, count)]


def floored(shares: np.ndarray) -> np.ndarray:
    """Class shares of which none is below `RAREST` of an even one."""
    held = np.maximum(shares, RAREST / len(shares))
    return held / held.sum()


def on_cpu(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name: tensor.cpu() for name, tensor in tensors.items()}


@dataclass
class _State:
    """Where a training is, besides the weights."""

    shares: list[float]
    """Of the classes in the source's batches."""
    step: int = 0
    kept: list[dict[str, Tensor]] = field(default_factory=list)
    """States of the network that are offered."""
    losses: list[float] = field(default_factory=list)
    running: float = 0.0


@dataclass(frozen=True)
class Course:
    """A training under way."""

    net: Trainee
    way: Way
    pair: Pair
    recipe: Recipe
    watch: Watch
    loss: Callable[[Tensor, Tensor], Tensor]
    """The source's, of each item."""
    statistics: bool
    """Whether BatchNorm estimates its statistics anew."""

    def run(self) -> tuple[Outcome, list[dict[str, Tensor]]]:
        """How it ended, and the states of the network that are offered: as it was given, then averaged
        weights along the way. "out of time" and "diverged" end with the last good one."""
        both, device = nn.ModuleDict({"net": self.net, "way": self.way}), accelerator().device
        both.to(device)
        optimizer = groups.make_optimizer(self._groups(), self.recipe)
        steps, per_epoch = self.recipe.steps, self.pair.per_epoch
        for parameter in both.parameters():
            if parameter.requires_grad:
                # autograd's own may lie in memory as no checkpoint does, and be summed in another order there
                parameter.grad = torch.zeros_like(parameter)
        ends = {max(1, round(steps * part / OFFERED)) for part in range(1, OFFERED + 1)}
        with reproducible(self.recipe.seed):
            average = Average(both, decay_for(steps))
            state = self._restore(both, optimizer, average)
            saved = self.watch.budget.clock()
            if not state.kept:
                state.kept.append(on_cpu(copy_state(self.net)))
            for step in range(state.step, steps):
                if self.watch.budget.over:
                    self._save(state, both, optimizer, average)
                    return Outcome("out of time", state.step, state.losses), state.kept
                if step % per_epoch == 0:
                    self._begin(state)
                set_train_mode(both, statistics=self.statistics)
                for group in optimizer.param_groups:
                    group["lr"] = self._base(head=group["head"]) * rate(step / steps) * group["scale"]
                value = self._loss(step, np.asarray(state.shares))
                lost = value.item()
                if not math.isfinite(lost):
                    return Outcome("diverged", step, state.losses), state.kept
                value.backward()  # type: ignore[no-untyped-call]
                nn.utils.clip_grad_norm_(both.parameters(), self.recipe.clip)
                optimizer.step()
                optimizer.zero_grad(set_to_none=False)
                average.update(both)
                state.step, state.running = step + 1, state.running + lost
                if state.step % per_epoch == 0:
                    state.losses.append(state.running / per_epoch)
                    state.running = 0.0
                if state.step in ends:
                    with average.applied(both):
                        state.kept.append(self._offer(state))
                if self.watch.budget.clock() - saved >= SAVE_SECONDS:
                    self._save(state, both, optimizer, average)
                    saved = self.watch.budget.clock()
                self.watch.progress(state.step, steps)
        if self.watch.path is not None:
            self.watch.path.unlink(missing_ok=True)
        return Outcome("done", state.step, state.losses), state.kept

    def _base(self, *, head: bool) -> float:
        if not head:
            return self.recipe.lr
        return self.recipe.head_lr or self.recipe.lr * self.recipe.head_boost

    def _groups(self) -> list[dict[str, object]]:
        """Trunk, head, and what the way brings; a frozen head stays out."""
        self.net.head.requires_grad_(not self.way.source_free)
        heads = nn.ModuleList([self.way, *([] if self.way.source_free else [self.net.head])])
        return groups.parameter_groups(self.net.body, heads, self.recipe)

    def _drawn(self, step: int, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Places in the source and in the target of a step's items."""
        pair, per_epoch = self.pair, self.pair.per_epoch
        epoch, index = divmod(step, per_epoch)
        count = per_epoch * pair.size
        one = slice(index * pair.size, (index + 1) * pair.size)
        theirs = places(
            np.zeros(len(pair.target), np.int64), np.ones(1), count, seed=pair.seed + 1_000_003, epoch=epoch
        )[one]
        if self.way.source_free:
            return theirs[:0], theirs
        return places(pair.y, shares, count, seed=pair.seed, epoch=epoch)[one], theirs

    def _inputs(self, ours: np.ndarray, theirs: np.ndarray, epoch: int) -> Tensor:
        """Both in one batch, so that they share BatchNorm's statistics."""
        return self.pair.read(np.concatenate([self.pair.source[ours], self.pair.target[theirs]]), epoch)

    def _loss(self, step: int, shares: np.ndarray) -> Tensor:
        pair, (ours, theirs) = self.pair, self._drawn(step, shares)
        features = self.net.features(self._inputs(ours, theirs, step // pair.per_epoch))
        z: Tensor = self.net.head(features).float()
        n, device = len(ours), z.device
        y = torch.from_numpy(pair.y[ours]).to(device)

        def plain() -> Tensor:
            self.net.eval()
            with torch.no_grad():
                found: Tensor = self.net(pair.plain(pair.target[theirs])).float()
            set_train_mode(self.net, statistics=self.statistics)
            return found

        seen = Seen(
            head=self.net.head,
            features=features[n:],
            z=z[n:],
            places=torch.from_numpy(theirs).to(device),
            plain=plain,
            varied=pair.vary is not None or len(pair.views) > 1,
            progress=step / self.recipe.steps,
            source=features[:n],
            source_z=z[:n],
            y=y,
        )
        added: Tensor = self.way(seen)
        return added if n == 0 else self.loss(z[:n], y).mean() + added

    def _target(self) -> tuple[np.ndarray, np.ndarray]:
        """(features `[m, D]`, logits `[m, K]`) of the whole target as it is."""
        self.net.eval()
        found = []
        with torch.inference_mode():
            for _, inputs in in_order(self.pair.views[0], self.pair.target, 64):
                found.append(self.net.features(self.pair.unvaried(inputs.to(accelerator().device))).float())
            features = torch.cat(found)
            z = self.net.head(features)
        return features.cpu().numpy(), z.cpu().double().numpy()

    def _begin(self, state: _State) -> None:
        """An epoch: the source is balanced to the shares that the target's classes seem to have."""
        features, z = self._target()
        self.way.begin(features, z)
        if state.step >= SETTLED * self.recipe.steps and not self.way.source_free:
            state.shares = floored(self.pair.shares(z, np.asarray(state.shares))).tolist()

    def _offer(self, state: _State) -> dict[str, Tensor]:
        """The network as it is now: its statistics renewed, its head reweighted to the target's class
        shares."""
        if self.statistics:
            own = np.asarray(state.shares)
            steps = range(min(RENEWED, self.pair.per_epoch))
            update_bn((self._inputs(*self._drawn(step, own), 0) for step in steps), self.net)
        kept = copy_state(self.net)
        with torch.no_grad():
            kept["head.weight"], kept["head.bias"] = (part.clone() for part in self.way.head(self.net.head))
            if not self.way.source_free:
                z = self._target()[0] @ kept["head.weight"].cpu().numpy().T + kept["head.bias"].cpu().numpy()
                own = np.asarray(state.shares)
                now = floored(self.pair.shares(z.astype(np.float64), own))
                kept["head.bias"] += torch.from_numpy(np.log(now / floored(own))).to(kept["head.bias"])
        return on_cpu(kept)

    def _about(self) -> str:
        return fingerprint.of_json({"recipe": self.recipe.to_json(), "about": self.watch.about})

    def _save(
        self, state: _State, both: nn.Module, optimizer: torch.optim.Optimizer, average: Average
    ) -> None:
        if self.watch.path is None or state.step == 0:
            return
        tree = {
            "state": dict(vars(state)),
            "net": both.state_dict(),
            "optimizer": optimizer.state_dict(),
            "average": average.tensors,
            "random": checkpoint.random_state(),
        }
        checkpoint.save(self.watch.path, tree, about=self._about())

    def _restore(self, both: nn.Module, optimizer: torch.optim.Optimizer, average: Average) -> _State:
        path = self.watch.path
        tree = checkpoint.load(path, about=self._about()) if path is not None else None
        if tree is None:
            return _State(floored(self.pair.start).tolist())
        load_state(both, tree["net"])
        optimizer.load_state_dict(tree["optimizer"])
        for name, tensor in tree["average"].items():
            average.tensors[name].copy_(tensor)
        checkpoint.set_random_state(tree["random"])
        return _State(**tree["state"])


def discriminator(width: int) -> nn.Sequential:
    """Which domain features `[B, width]` come from: a logit `[B, 1]`, by three layers, no wider than is of
    use."""
    hidden = min(1_024, 16 * width)
    return nn.Sequential(
        nn.Linear(width, hidden),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(hidden, hidden),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(hidden, 1),
    )

"""Stacking: the best transfer arm and the network trained from scratch, averaged as far as it pays.

The weight is chosen by log-loss (squared error for values) on held-out predictions, each member first
brought to its own temperature, and is one half unless another is clearly better; in every fold by the other
rows alone. Wolpert, "Stacked generalization",
1992. With all the weight on one of them it is that one: the average is seldom worse than either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.evidence import Cost
from headstart.core.experiment import Experiment
from headstart.core.model import Model
from headstart.core.source import Preprocessing
from headstart.core.strategy import Request, Trial, common
from headstart.core.targets import Targets
from headstart.measure.partition import held_out_parts
from headstart.strategies.shared._folds import empty_trial
from headstart.tasks.base import Confidence, TaskMethods

NAME = "stack"
WEIGHTS = tuple(step / 10 for step in range(11))
"""Shares of the transfer arm that are tried."""
BLOCKS = 50
"""Blocks of items by which it is judged how sure a difference of losses is."""


class Ensemble:
    """The average of its two peers (an arm with a source, the same architecture from scratch)."""

    name = NAME

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002 - the contract's
        """Next to nothing: it reads what others have predicted."""
        return Cost()

    def fit(self, request: Request) -> Trial:
        """The trial of the average, over the cells that both peers have.

        Not applicable where there is no network from scratch of the first peer's architecture, or where
        training both on all rows would take longer than there is time.
        """
        empty = empty_trial(request, NAME, "not applicable", "")
        members = tuple(peer.trial for peer in request.peers)
        if not members:
            return replace(empty, reason="no arm with a source could be measured")
        if len(members) < 2 or not common(*members)[0].covered.any():
            return replace(empty, reason="there is no network trained from scratch to average with")
        source = request.peers[0].source
        if source is not None and not source.input.cut_as_stored:
            return replace(empty, reason=f"{source.name} does not cut its images as stored pixels are cut")
        needed = sum(trial.cost.seconds / max(1, len(trial.choices.get("folds", ()))) for trial in members)
        if needed > request.budget.left + request.reserve:
            reason = "training both on all rows would take more than the time left"
            return replace(
                empty, status="cut off", reason=reason, choices={"needs": needed - request.reserve}
            )
        ours, theirs = (trial.arm for trial in members)
        predictions, weight, temperatures = averaged(members[0], members[1], request)
        if weight in (0, 1):
            return replace(empty, reason=f"all of the weight belongs to {ours if weight else theirs}")
        return Trial(
            NAME,
            NAME,
            members[0].source,
            predictions,
            reason=f"{100 * weight:.0f} % {ours}, {100 * (1 - weight):.0f} % {theirs}",
            choices={
                "members": [ours, theirs],
                "weights": [weight, 1 - weight],
                "temperatures": temperatures,
                "of": fingerprints(members),
            },
        )

    def refit(self, request: Request, trial: Trial) -> Model:
        """Both peers on all development rows, averaged in one network of kind "average".

        Its images are prepared as the first wants them; the second, which was trained on stored pixels, gets
        them scaled to its own size.
        """
        models = [peer.refit() for peer in request.peers]
        tensors: dict[str, Any] = {}
        for number, (model, temperature) in enumerate(
            zip(models, trial.choices["temperatures"], strict=True)
        ):
            tensors |= {f"{number}.{name}": tensor for name, tensor in model.tensors.items()}
            if isinstance(tasks.for_task(request.task), Confidence):
                tensors[f"{number}.temperature"] = np.array([temperature], np.float32)
        net = {
            "kind": "average",
            "members": [dict(model.net) for model in models],
            "weights": list(trial.choices["weights"]),
            "sizes": [_size(model.input, models[0].input) for model in models],
        }
        return Model(request.task, models[0].input, net, tensors, source=models[0].source)


def fingerprints(members: Iterable[Trial]) -> list[str]:
    """Of what the members predict."""
    return [member.predictions.digest() for member in members]


def outdated(trial: Trial, trials: Mapping[str, Trial]) -> bool:
    """Whether a stack's members are gone, or predict something else by now."""
    names = trial.choices.get("members", [])
    if not all(name in trials for name in names):
        return True
    return trial.choices.get("of", []) != fingerprints(trials[name] for name in names)


def averaged(
    ours: Trial, theirs: Trial, among: Request | Experiment
) -> tuple[np.ndarray, float, list[float]]:
    """(predictions float32 `[R, N, K]`, weight of the first member, temperature of each), the latter by all
    rows."""
    members, methods = common(ours, theirs), tasks.for_task(among.task)
    known = members[0].covered
    y = among.dataset.targets
    out = np.full((*known.shape, among.task.outputs), np.nan, np.float32)
    for repeat, rows, hidden in held_out_parts(among.split, known, seed=among.seed):
        others = known.copy()
        others[:, hidden] = False
        seen = y.hidden(np.flatnonzero(others.any(axis=0)))
        weight, temperatures = choose(members, others, seen, methods)
        parts = [
            methods.softened(m.predictions.take(repeat, rows).astype(np.float32), t)
            for m, t in zip(members, temperatures, strict=True)
        ]
        out[repeat, rows] = weight * parts[0] + (1 - weight) * parts[1]
    weight, temperatures = choose(members, known, y, methods)
    return out, weight, temperatures


def choose(
    members: tuple[Trial, Trial], cells: np.ndarray, y: Targets, methods: TaskMethods
) -> tuple[float, list[float]]:
    """(weight of the first member, temperatures) by the loss on these cells bool `[R, N]`: equal ones, unless
    others are better by more than one standard error, for on few items the least loss is luck."""
    if not cells.any():
        return 0.5, [1.0, 1.0]
    rows = np.nonzero(cells)[1]
    truth = y[rows]
    parts, temperatures = [], []
    for member in members:
        p = np.concatenate([member.predictions.take(repeat, rows) for repeat, rows in enumerate(cells)])
        temperatures.append(methods.temperature(truth, p))
        parts.append(methods.softened(p, temperatures[-1]))
    # an item is in one block, in whichever repeats it was held out
    blocks = [np.flatnonzero(rows % BLOCKS == block) for block in np.unique(rows % BLOCKS)]
    losses = np.array(
        [
            [methods.mean_loss(truth[b], weight * parts[0][b] + (1 - weight) * parts[1][b]) for b in blocks]
            for weight in WEIGHTS
        ]
    )
    sizes = np.array([len(block) for block in blocks])
    best = int(np.argmin(losses @ sizes))
    worse = (losses[WEIGHTS.index(0.5)] - losses[best]) * sizes / sizes.mean()
    error = np.std(worse, ddof=1) / np.sqrt(len(worse)) if len(worse) > 1 else np.inf
    return 0.5 if worse.mean() <= error else WEIGHTS[best], temperatures


def _size(own: Preprocessing, first: Preprocessing) -> list[int] | None:
    """Height and width of a member that reads images of another size than the first."""
    return None if own.size is None or own.size == first.size else list(own.size)

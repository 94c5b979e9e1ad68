"""Contrastive few-shot fine-tuning: texts of a class move together, others apart; then a linear model.

The idea is SetFit's (Tunstall et al., 2022); how pairs are made and what they cost is told in `_contrast`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from headstart import modalities, tasks
from headstart.core.budget import Budget, words
from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.strategies.gradient import _arm, _design, _ladder, _settled
from headstart.strategies.gradient._contrast import (
    Embedder,
    PairBatches,
    Tokens,
    embed,
    pair_loss,
    pairs_in,
    temperature_of,
)
from headstart.strategies.gradient._training import Trained, attempts, named_watch
from headstart.strategies.shared._folds import empty_trial
from headstart.strategies.shared._shipping import taps_model
from headstart.tasks.classification import Classification
from headstart.train.device import reproducible
from headstart.train.engines import EAGER
from headstart.train.groups import parameter_groups
from headstart.train.loop import Watch, train
from headstart.train.recipe import Recipe

RATES, TRAVEL = (5e-5, 1e-4), 4e-3
"""Peak learning rate: steps and rate have the product `TRAVEL`, but the rate stays within these. Measured on
TREC, 8 labels a class (2 draws): 20 steps give 0.77 at 1e-4 and 0.75 at 5e-5, 40 steps 0.77 at either."""
BATCH = 48
"""Texts of a step."""
ROUND = 8
"""Steps that are added or left out at a time."""
STEPS, FROM_ROWS = 16, 400
"""Steps for up to so many rows; with more they grow with the square root, and where a batch holds but a
part of the classes, with their number. Measured on validation parts. With 8 labels a class (300 texts, 3
draws) 8, 16 and 32 steps give 0.789, 0.782, 0.784 on TREC, 0.703, 0.700, 0.712 on CR and 0.832, 0.833,
0.838 on AG News; on CLINC's 150 classes (1,000 texts, 2 draws) 24 and 96 steps give 0.920 and 0.926. With
64 (2 draws) 16 and 72 steps give 0.905 and 0.900 on TREC, 16 and 40 steps 0.824 and 0.820 on CR. 8 steps
for 16 cost 2 points on TREC's test part."""
MOST_ROUNDS = 50
ENOUGH = 100
"""Held-out texts on which the arm can be told from others; more are worth less than more steps."""
FEW = 3
"""Folds that do where there are not so many texts."""
HEAD_C = 10.0
"""C of the linear model on embeddings of mean length 1 (CLINC, 8 labels a class: 0.924, and 0.914 at C = 1;
with few classes it makes no difference). Cross-validation would see texts that the network was trained on,
and trust them too much."""


@dataclass(frozen=True)
class Plan:
    """How long is trained, and on how many folds."""

    recipe: Recipe
    batch_size: int
    folds: int
    aimed: int = 0
    """Steps aimed at, where there is time for fewer; 0: there is for all of them."""

    def to_json(self) -> dict[str, Any]:
        plan = {**self.recipe.to_json(), "batch_size": self.batch_size, "trained_folds": self.folds}
        return {**plan, "aimed": self.aimed} if self.aimed else plan

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Back from a trial's choices; other keys are ignored."""
        recipe = Recipe(**{name: data[name] for name in Recipe.__dataclass_fields__ if name in data})
        return cls(recipe, int(data["batch_size"]), int(data["trained_folds"]), int(data.get("aimed", 0)))


class Contrastive:
    """Trains the encoder on pairs of labelled texts, then fits a linear model on its embedding."""

    name = "contrastive"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """The folds and the model on all rows; a training step is taken for three forward passes."""
        rows, everything = _design.training_rows(request), max(1, len(request.dataset))
        texts = steps(request, rows) * min(rows, request.settings.batch_size or BATCH)
        work = (_arm.first_folds(request) + 1) * (3 * texts + len(request.split.development))
        return Cost(0.0, seconds_per_pass * work / everything)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. The cost is settled by a few steps before it begins; `reason` tells it."""
        obstacle = unsuited(request)
        if obstacle:
            name = request.arm(self.name)
            return empty_trial(request, name, "not applicable", obstacle)
        settled = _settled.recall(request, self.name, Plan.from_json)
        plan = settle(request) if settled is None else replace(settled[0], folds=settled[1])
        if isinstance(plan, float):
            return _arm.cut_off(request, self.name, plan)
        _settled.remember(request, self.name, plan.to_json(), plan.folds)
        return run(request, plan)

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "taps"."""
        return refit(request, Plan.from_json(trial.choices))


def unsuited(request: Request) -> str:
    """Why there are no pairs to learn from; empty when there are."""
    if not tasks.for_task(request.task).exclusive:
        return f"pairs are alike or not by their class; this is a {request.task.kind} task"
    if not modalities.get(request.network.source.modality).IN_WORDS:
        return "it is made for texts"
    counts = [np.bincount(request.dataset.targets[fold.train]) for fold in request.split.folds[:1]]
    if not counts or (counts[0] > 0).sum() < 2 or counts[0].max() < 2:
        return "it needs two classes, and two texts of one of them"
    return ""


def steps(request: Request, rows: int) -> int:
    """Steps aimed at: whole rounds."""
    batch = request.settings.batch_size or BATCH
    if request.settings.epochs is not None:
        return request.settings.epochs * max(1, round(rows / batch))
    meetings = 2 * request.task.outputs / batch  # steps in which every class is met once, two texts of it
    aimed = STEPS * max(1.0, math.sqrt(rows / FROM_ROWS), meetings)
    return ROUND * _ladder.wanted(ROUND, steps=round(aimed), most=MOST_ROUNDS)


def plan_of(request: Request, count: int, folds: int) -> Plan:
    """So many steps with the usual numbers, or those set by hand."""
    settings = request.settings
    _design.check(settings, request.dataset.modality)
    recipe = Recipe(
        steps=count,
        lr=settings.lr or float(np.clip(TRAVEL / count, *RATES)),
        optimizer=settings.optimizer or "adamw",
        weight_decay=0.01,
        smoothing=0.0,
        seed=request.seed,
    )
    return Plan(recipe, settings.batch_size or BATCH, folds)


def settle(request: Request) -> Plan | float:
    """What fits the budget, measured on a few steps; or the seconds that are missing."""
    first, folds, pace = request.split.folds[0], _arm.first_folds(request), None
    count = aimed = steps(request, len(first.train))
    if request.budget.left < float("inf"):
        whole = plan_of(request, count, folds)
        pace, left = _settled.paced(request, lambda: measure(request, whole))
        rounds = max(1, round(count / ROUND))
        found = _arm.fitting(request, pace, left, rounds, options(rounds, folds, len(first.test)))
        if isinstance(found, float):
            return found
        folds = found.folds
        if request.settings.epochs is None:
            count = found.epochs * ROUND
    plan = replace(plan_of(request, count, folds), aimed=aimed if count < aimed else 0)
    seconds = pace.seconds(count // ROUND, folds + 1) if pace is not None else None
    request.progress(summary(request, plan, seconds), 0, folds)  # the cost, before it begins
    if seconds is not None:
        request.expects(seconds / _ladder.MARGIN * folds / (folds + 1))
    return plan


def options(rounds: int, folds: int, held: int) -> Iterator[_ladder.Plan]:
    """What would be done, best first: folds are given up down to `ENOUGH` held-out texts or `FEW` folds, then
    steps down to a quarter (but two rounds), then the other folds, then steps down to one round."""
    least = min(folds, FEW, max(1, math.ceil(ENOUGH / max(1, held))))
    rungs = _ladder.rungs(folds)
    ladder = sorted({e for e in (1, *_ladder.EPOCHS, rounds) if e <= rounds}, reverse=True)
    kept = [e for e in ladder if e >= max(2, rounds / 4)] or ladder
    for e in kept:
        yield from (_ladder.Plan(e, f) for f in rungs if f >= least)
    yield from (_ladder.Plan(kept[-1], f) for f in rungs if f < least)
    yield from (_ladder.Plan(e, 1) for e in ladder if e < kept[-1])


def measure(request: Request, plan: Plan) -> _ladder.Pace:
    """The pace of a throw-away training on the first fold."""
    fold = request.split.folds[0]
    short = replace(plan, recipe=replace(plan.recipe, steps=_arm.PILOT_STEPS))
    trained, step = _arm.pilot(request, partial(train_pairs, request.view(fold.train), short, fold.train))
    if trained is None:
        return _ladder.Pace(step, ROUND)
    some = fold.test[:32]
    encoding = _arm.seconds_of(lambda: embed(trained.net, view_of(request), some)) / max(1, len(some))
    return _ladder.Pace(step, ROUND, encoding * (len(fold.train) + len(fold.test)))


def summary(request: Request, plan: Plan, seconds: float | None = None) -> str:
    """What is compared, in words: pairs, steps, and the time where it is known."""
    rows = request.split.folds[0].train
    batches = batches_of(request, plan, rows, view_of(request))
    pairs = pairs_in(batches, plan.recipe.steps)
    of = _arm.first_folds(request)
    part = f", {plan.folds} of {of} folds for want of time" if plan.folds < of else ""
    about = f", about {words(seconds)} in all" if seconds is not None else ""
    less = f" of {plan.aimed}" if plan.aimed else ""
    return f"{pairs:,} pairs of texts in {plan.recipe.steps}{less} steps, lr {plan.recipe.lr:g}{about}{part}"


def view_of(request: Request) -> Tokens:
    """The data set's texts as the source reads them."""
    return Tokens(request.dataset.items, request.network.source.input)


def batches_of(request: Request, plan: Plan, rows: np.ndarray, view: Tokens) -> PairBatches:
    """The batches of a training."""
    y = request.dataset.targets[rows]
    return PairBatches.of(view, rows, y, size=plan.batch_size, seed=request.seed, steps=ROUND)


def train_pairs(request: Request, plan: Plan, rows: np.ndarray, watch: Watch) -> Trained:
    """Train a copy of the source on pairs of the rows.

    A loss that is not finite leads to one more attempt at a tenth of the rate, then to `FloatingPointError`.
    """
    source, view = request.network, view_of(request)
    batches = batches_of(request, plan, rows, view)
    loss = partial(pair_loss, temperature=temperature_of(request.task.outputs))

    def attempt(recipe: Recipe) -> Trained:
        backbone = source.copy()
        with reproducible(request.seed):
            net = Embedder(backbone, quick=request.engine != EAGER)
        groups = parameter_groups(net.body, nn.Module(), recipe)
        outcome = train(net, batches, recipe, param_groups=groups, loss=loss, watch=watch)
        return Trained(net, backbone, outcome, recipe.lr)

    return attempts(plan.recipe, attempt)


def head(request: Request, trained: Trained, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(weight `[K, D]`, bias `[K]`) of the linear model on the rows' new embeddings."""
    x = embed(trained.net, view_of(request), rows)
    unit = max(1e-12, float(np.linalg.norm(x, axis=1).mean()))  # not every source scales its embedding
    y, methods = request.dataset.targets[rows], Classification()
    weights = methods.weights(request.task, y)
    linear = methods.fit_sparse(x / unit, y, request.task.outputs, HEAD_C, weights)
    return linear.weight / unit, linear.bias


def run(request: Request, plan: Plan) -> Trial:
    """Out-of-fold predictions over the first folds."""
    trained_as = replace(plan, folds=0).to_json()  # how many folds there are changes none of them

    def training(request: Request, rows: np.ndarray, name: str) -> Trained:
        return train_pairs(request, plan, rows, named_watch(request, trained_as, rows, name))

    def predictions(request: Request, trained: Trained, fold: Fold) -> np.ndarray:
        weight, bias = head(request, trained, fold.train)
        return Classification().activate(embed(trained.net, view_of(request), fold.test) @ weight.T + bias)

    return _arm.run_trainings(
        request,
        Contrastive.name,
        trained_as,
        plan.folds,
        training=training,
        predictions=predictions,
        reason=lambda _: summary(request, plan),
    )


def refit(request: Request, plan: Plan) -> Model:
    """The model on all development rows, with as many steps."""
    request = replace(request, budget=Budget())
    rows, backbone = request.split.development, request.network
    trained = train_pairs(request, plan, rows, named_watch(request, plan.to_json(), rows, "all rows"))
    taps, trunk = [backbone.embedding], trained.backbone.module
    return taps_model(request.task, backbone, taps, *head(request, trained, rows), trunk=trunk)

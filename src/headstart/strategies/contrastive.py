"""Contrastive few-shot fine-tuning: texts of a class move together, others apart; then a linear model.

The idea is SetFit's (Tunstall et al., 2022); how pairs are made and what they cost is told in `_contrast`.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from torch import nn

from headstart import modalities, tasks
from headstart.core import fingerprint
from headstart.core.backbone import Backbone, embedding_tap
from headstart.core.budget import Budget, words
from headstart.core.evidence import Cost
from headstart.core.files import write_json
from headstart.core.model import Model
from headstart.core.strategy import Request, Trial, arm_name
from headstart.core.untrusted import Damaged, parsing, read_object
from headstart.strategies.gradient import _arm, _design, _ladder
from headstart.strategies.gradient._contrast import (
    Embedder,
    PairBatches,
    Tokens,
    embed,
    pair_loss,
    pairs_in,
    temperature_of,
)
from headstart.strategies.gradient._training import labels, named_watch
from headstart.strategies.shared._folds import OutOfTime, empty_trial, run_folds
from headstart.strategies.shared._shipping import taps_model
from headstart.tasks.classification import Classification
from headstart.train.device import reproducible
from headstart.train.groups import parameter_groups
from headstart.train.loop import Outcome, Watch, train
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

    def to_json(self) -> dict[str, Any]:
        return {**self.recipe.to_json(), "batch_size": self.batch_size, "trained_folds": self.folds}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Plan:
        """Back from a trial's choices; other keys are ignored."""
        recipe = Recipe(**{name: data[name] for name in Recipe.__dataclass_fields__})
        return cls(recipe, int(data["batch_size"]), int(data["trained_folds"]))


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
        assert request.backbone is not None
        name = arm_name(self.name, request.backbone.source.name)
        obstacle = unsuited(request)
        if obstacle:
            return empty_trial(request, name, "not applicable", obstacle)
        plan = recall(request) or settle(request)
        if isinstance(plan, float):
            return _arm.cut_off(request, _arm.Kind(self.name), plan, Cost())
        remember(request, plan)
        return run(request, name, plan)

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "taps"."""
        return refit(request, Plan.from_json(trial.choices))


def unsuited(request: Request) -> str:
    """Why there are no pairs to learn from; empty when there are."""
    assert request.backbone is not None
    if not tasks.for_task(request.task).exclusive:
        return f"pairs are alike or not by their class; this is a {request.task.kind} task"
    if not modalities.get(request.backbone.source.modality).IN_WORDS:
        return "it is made for texts"
    counts = [np.bincount(labels(request)[fold.train]) for fold in request.split.folds[:1]]
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
    rows, folds = request.split.folds[0].train, _arm.first_folds(request)
    wanted, fixed = steps(request, len(rows)), request.settings.epochs is not None
    whole = plan_of(request, wanted, folds)
    if request.budget.left == float("inf"):
        tell(request, whole, None)
        return whole
    pace, left = _arm.paced(request, lambda: measure(request, whole))
    rounds, reserve = max(1, round(wanted / ROUND)), request.reserve
    plans = options(rounds, folds, len(request.split.folds[0].test))
    found = _ladder.fitting(pace, left, epochs=rounds, folds=folds, fixed=fixed, reserve=reserve, plans=plans)
    if found is None:
        return _ladder.shortage(pace, left, epochs=rounds if fixed else 1, fixed=fixed, reserve=reserve)
    plan = plan_of(request, wanted if fixed else found.epochs * ROUND, found.folds)
    tell(request, plan, pace)
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
    fold, start = request.split.folds[0], time.perf_counter()
    times: list[float] = []

    def note(done: int, total: int) -> None:  # noqa: ARG001
        times.append(time.perf_counter())

    short = replace(plan, recipe=replace(plan.recipe, steps=_arm.PILOT_STEPS))
    trained = train_pairs(request, short, fold.train, Watch(request.budget, progress=note))
    if len(times) < 2:
        return _ladder.Pace(time.perf_counter() - start, ROUND)  # the time is over: nothing will fit
    before = time.perf_counter()
    some = fold.test[:32]
    embed(trained.net, trained.view, some)
    encoding = (time.perf_counter() - before) / max(1, len(some)) * (len(fold.train) + len(fold.test))
    return _ladder.Pace(float(np.median(np.diff(times))), ROUND, encoding)


def tell(request: Request, plan: Plan, pace: _ladder.Pace | None) -> None:
    """The cost, before it begins."""
    seconds = pace.seconds(plan.recipe.steps // ROUND, plan.folds + 1) if pace is not None else None
    request.progress(summary(request, plan, seconds), 0, plan.folds)


def summary(request: Request, plan: Plan, seconds: float | None = None) -> str:
    """What is compared, in words: pairs, steps, and the time where it is known."""
    rows = request.split.folds[0].train
    batches = batches_of(request, plan, rows, view_of(request))
    pairs = pairs_in(batches, plan.recipe.steps)
    of = _arm.first_folds(request)
    part = f", {plan.folds} of {of} folds for want of time" if plan.folds < of else ""
    about = f", about {words(seconds)} in all" if seconds is not None else ""
    return f"{pairs:,} pairs of texts in {plan.recipe.steps} steps, lr {plan.recipe.lr:g}{about}{part}"


def recall(request: Request) -> Plan | None:
    """What an earlier, interrupted run of this arm settled on."""
    path = request.workdir / "plan.json" if request.workdir is not None else None
    if path is None or not path.is_file():
        return None
    try:
        with parsing():
            saved = read_object(path)
            if saved["key"] != _key(request):
                return None
            plan = Plan.from_json(saved["design"])
            return replace(plan, folds=max(plan.folds, request.folds))
    except (OSError, Damaged):
        return None


def remember(request: Request, plan: Plan) -> None:
    """Keep what was settled on: a resumed run must not decide again."""
    if request.workdir is not None:
        request.workdir.mkdir(parents=True, exist_ok=True)
        content = {"key": _key(request), "design": plan.to_json(), "folds": plan.folds}
        write_json(request.workdir / "plan.json", content)


def _key(request: Request) -> str:
    settings = {k: dict(v) if isinstance(v, Mapping) else v for k, v in asdict(request.settings).items()}
    digest = request.backbone.digest if request.backbone is not None else ""
    return fingerprint.of_json(
        [Contrastive.name, request.split.fingerprint(), digest, request.seed, settings]
    )


@dataclass(frozen=True)
class Trained:
    """An encoder after training."""

    net: Embedder = field(repr=False)
    backbone: Backbone
    view: Tokens
    outcome: Outcome


def view_of(request: Request) -> Tokens:
    """The data set's texts as the source reads them."""
    assert request.backbone is not None
    return Tokens(request.dataset.items, request.backbone.source.input)


def batches_of(request: Request, plan: Plan, rows: np.ndarray, view: Tokens) -> PairBatches:
    """The batches of a training."""
    y = labels(request)[rows]
    return PairBatches.of(view, rows, y, size=plan.batch_size, seed=request.seed, steps=ROUND)


def train_pairs(request: Request, plan: Plan, rows: np.ndarray, watch: Watch) -> Trained:
    """Train a copy of the source on pairs of the rows.

    A loss that is not finite leads to one more attempt at a tenth of the rate, then to `FloatingPointError`.
    """
    assert request.backbone is not None
    view, recipe = view_of(request), plan.recipe
    batches = batches_of(request, plan, rows, view)
    loss = partial(pair_loss, temperature=temperature_of(request.task.outputs))
    for attempt in (recipe, replace(recipe, lr=recipe.lr / 10)):
        backbone = request.backbone.copy()
        with reproducible(request.seed):
            net = Embedder(backbone)
        groups = parameter_groups(net.body, nn.Module(), attempt)
        outcome = train(net, batches, attempt, param_groups=groups, loss=loss, watch=watch)
        if outcome.status != "diverged":
            return Trained(net, backbone, view, outcome)
    raise FloatingPointError(f"the loss was not finite, even at a learning rate of {recipe.lr / 10:g}")


def head(request: Request, trained: Trained, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(weight `[K, D]`, bias `[K]`) of the linear model on the rows' new embeddings."""
    x = embed(trained.net, trained.view, rows)
    unit = max(1e-12, float(np.linalg.norm(x, axis=1).mean()))  # not every source scales its embedding
    y, methods = labels(request)[rows], Classification()
    weights = methods.weights(request.task, y)
    linear = methods.fit_sparse(x / unit, y, request.task.outputs, HEAD_C, weights)
    return linear.weight / unit, linear.bias


def run(request: Request, name: str, plan: Plan) -> Trial:
    """Out-of-fold predictions over the first folds."""
    activate = Classification().activate
    trained_as = replace(plan, folds=0).to_json()  # how many folds there are changes none of them

    def fit_fold(train: np.ndarray, test: np.ndarray, number: int) -> tuple[np.ndarray, dict[str, Any]]:
        watch = named_watch(request, trained_as, train, f"fold {number + 1}")
        trained = train_pairs(request, plan, train, watch)
        if trained.outcome.status == "out of time":
            raise OutOfTime
        weight, bias = head(request, trained, train)
        logits = embed(trained.net, trained.view, test) @ weight.T + bias
        return activate(logits), {"losses": [round(loss, 6) for loss in trained.outcome.losses]}

    about = fingerprint.of_json(trained_as)
    try:
        trial = run_folds(request, name, fit_fold, folds=range(plan.folds), about=about)
    except FloatingPointError as error:
        return empty_trial(request, name, "failed", str(error))
    choices = {**plan.to_json(), **trial.choices}
    return replace(trial, choices=choices, reason=trial.reason or summary(request, plan))


def refit(request: Request, plan: Plan) -> Model:
    """The model on all development rows, with as many steps."""
    request = replace(request, budget=Budget())
    assert request.backbone is not None
    rows, backbone = request.split.development, request.backbone
    trained = train_pairs(request, plan, rows, named_watch(request, plan.to_json(), rows, "all rows"))
    taps, trunk = [embedding_tap(backbone)], trained.backbone.module
    return taps_model(request.task, backbone, taps, *head(request, trained, rows), trunk=trunk)

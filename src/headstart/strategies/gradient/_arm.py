"""A training arm from beginning to end: what fits, the folds, the model on all rows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headstart import modalities
from headstart.core import fingerprint
from headstart.core.backbone import embedding_tap
from headstart.core.budget import Budget, words
from headstart.core.evidence import Cost
from headstart.core.files import write_json
from headstart.core.model import Model
from headstart.core.strategy import Request, Trial, arm_name
from headstart.core.untrusted import Damaged, parsing, read_object
from headstart.strategies.gradient import _ladder
from headstart.strategies.gradient._adapters import Adapter
from headstart.strategies.gradient._design import Design, load_inputs
from headstart.strategies.gradient._trainee import outputs_of
from headstart.strategies.gradient._training import (
    Arm,
    named_watch,
    predict,
    probe_head,
    train_on,
    whole_head,
)
from headstart.strategies.shared._folds import OutOfTime, empty_trial, run_folds
from headstart.strategies.shared._shipping import taps_model
from headstart.train.loop import RENEWED, Watch

PILOT_STEPS = 4
"""Steps of the throw-away training by which the pace is measured."""


@dataclass(frozen=True)
class Kind:
    """What distinguishes the training arms."""

    name: str
    fresh: bool = False
    """Starts from new random weights, head and all."""
    adapter: Adapter | None = None
    """Trains a small part of every layer."""


def first_folds(request: Request) -> int:
    """Number of folds in the first repeat: the most that a training arm runs."""
    return sum(fold.repeat == 0 for fold in request.split.folds)


def open_arm(request: Request, design: Design, kind: Kind) -> Arm:
    """Have the pass store what is missing, and put the arm together."""
    return Arm(request, design, load_inputs(request, design, probe=not kind.fresh), kind.fresh, kind.adapter)


def measure(arm: Arm) -> _ladder.Pace:
    """The pace of a throw-away training on the first fold.

    What happens once a process (imports, the first step's preparations) is paid here, and is not
    taken for a cost of every fold.
    """
    fold = arm.request.split.folds[0]
    per_epoch = max(1, round(len(fold.train) / arm.design.batch_size))
    start = time.perf_counter()
    times: list[float] = []

    def note(done: int, total: int) -> None:  # noqa: ARG001
        times.append(time.perf_counter())

    pilot = replace(arm, design=replace(arm.design, recipe=replace(arm.design.recipe, steps=PILOT_STEPS)))
    head = _seconds(lambda: probe_head(arm, fold.train)) if arm.inputs.embedding is not None else 0.0
    trained = train_on(pilot, fold.train, Watch(arm.request.budget, progress=note))
    if len(times) < 2:
        return _ladder.Pace(time.perf_counter() - start, per_epoch)  # the time is over: nothing will fit
    step = float(np.median(np.diff(times)))
    copy = _seconds(arm.source.copy)
    some, view, unvaried = fold.test[:64], arm.inputs.views[0], arm.inputs.unvaried
    forward = _seconds(lambda: outputs_of(trained.net, view, some, unvaried=unvaried)) / len(some)
    renewal = min(RENEWED, per_epoch) * step / 2
    return _ladder.Pace(step, per_epoch, head + copy + forward * len(fold.test) + renewal)


def _seconds(act: Callable[[], Any]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


@dataclass(frozen=True)
class Settled:
    """What fits the budget."""

    arm: Arm
    """With its length."""
    folds: int
    pace: _ladder.Pace | None = None
    """None when there is no limit, and nothing was measured."""


def settle(arm: Arm, *, steps: int, most: int) -> Settled | float:
    """What fits the budget; or the seconds that are missing."""
    request, rows = arm.request, len(arm.request.split.folds[0].train)
    per_epoch = max(1, round(rows / arm.design.batch_size))
    fixed = request.settings.epochs is not None
    epochs = request.settings.epochs or _ladder.wanted(per_epoch, steps=steps, most=most)
    folds = first_folds(request)
    if request.budget.left == float("inf"):
        return Settled(arm.lasting(epochs, rows), folds)
    pace, left = paced(request, lambda: measure(arm))
    reserve = request.reserve
    plan = _ladder.fitting(pace, left, epochs=epochs, folds=folds, fixed=fixed, reserve=reserve)
    if plan is None:
        return _ladder.shortage(pace, left, epochs=epochs, fixed=fixed, reserve=reserve)
    return Settled(arm.lasting(plan.epochs, rows), plan.folds, pace)


# what was measured and settled, kept beside the checkpoints: a resumed run must not decide again


def once(request: Request, names: Sequence[str], measure: Callable[[], Sequence[float]]) -> list[Any]:
    """What the clock says and what is tried hangs on, measured once, a number for each name: a process that
    goes on with this arm, in the same time, counts with what the first one has found."""
    if request.workdir is None:
        return list(measure())
    path = request.workdir / "measured.json"
    key = fingerprint.of_json([_key(request), request.budget.seconds, request.reserve])
    kept = _kept(path, key)
    if not all(isinstance(kept.get(name), int | float) for name in names):
        request.workdir.mkdir(parents=True, exist_ok=True)
        kept = {**kept, "key": key, **dict(zip(names, measure(), strict=True))}
        write_json(path, kept)
    return [kept[name] for name in names]


def paced(request: Request, measure: Callable[[], _ladder.Pace]) -> tuple[_ladder.Pace, float]:
    """(pace, seconds left once it is measured), measured once."""
    names = [*(f.name for f in fields(_ladder.Pace)), "left"]
    *pace, left = once(request, names, lambda: [*astuple(measure()), request.budget.left])
    return _ladder.Pace(*pace), left


def _kept(path: Path, key: str) -> dict[str, Any]:
    """What a file beside the checkpoints holds; nothing where it is damaged or belongs to something else."""
    try:
        with parsing():
            saved = read_object(path) if path.is_file() else {}
            return saved if saved.get("key") == key else {}
    except (OSError, Damaged):
        return {}


def recall(request: Request, kind: Kind) -> tuple[Design, int] | None:
    """The design and number of folds that an earlier, interrupted run of this arm settled on."""
    if request.workdir is None:
        return None
    saved = _kept(request.workdir / "plan.json", _key(request, kind.name))
    try:
        with parsing():
            return Design.from_json(saved["design"]), max(int(saved["folds"]), request.folds)
    except Damaged:
        return None


def remember(request: Request, kind: Kind, design: Design, folds: int) -> None:
    """Keep what was settled on."""
    if request.workdir is not None:
        request.workdir.mkdir(parents=True, exist_ok=True)
        content = {"key": _key(request, kind.name), "design": design.to_json(), "folds": folds}
        write_json(request.workdir / "plan.json", content)


def _key(request: Request, name: str = "") -> str:
    settings = {k: dict(v) if isinstance(v, Mapping) else v for k, v in asdict(request.settings).items()}
    digest = request.backbone.digest if request.backbone is not None else ""
    return fingerprint.of_json([name, request.split.fingerprint(), digest, request.seed, settings])


# the contract


def run(arm: Arm, kind: Kind, folds: int, before: Cost) -> Trial:
    """Out-of-fold predictions over the first folds."""

    def fit_fold(train: np.ndarray, test: np.ndarray, number: int) -> tuple[np.ndarray, dict[str, Any]]:
        watch = named_watch(request, arm.design.to_json(), train, f"fold {number + 1}")
        trained = train_on(arm, train, watch)
        if trained.outcome.status == "out of time":
            raise OutOfTime
        choices = {
            "lr": trained.lr,
            "steps": trained.outcome.steps,
            "losses": [round(loss, 6) for loss in trained.outcome.losses],
        }
        return predict(arm, trained, test), choices

    request = arm.request
    name = arm_name(kind.name, arm.source.source.name)
    about = fingerprint.of_json(arm.design.to_json())
    try:
        trial = run_folds(request, name, fit_fold, folds=range(folds), about=about, before=before)
    except FloatingPointError as error:
        return empty_trial(request, name, "failed", str(error), cost=before)
    choices = {**arm.design.to_json(), "trained_folds": folds, **trial.choices}
    return replace(
        trial, choices=choices, reason=trial.reason or summary(arm.design, folds, first_folds(request))
    )


def summary(design: Design, folds: int, of: int) -> str:
    """What was chosen, in words."""
    frozen = "all layers" if design.freeze == "none" else f"layers after {design.freeze}"
    size = f" at {design.side} px" if design.smaller and design.side is not None else ""
    part = f", {folds} of {of} folds for want of time" if folds < of else ""
    return f"{frozen}{size}, {design.epochs} epochs, {design.recipe.optimizer} lr {design.recipe.lr:g}{part}"


def cut_off(request: Request, kind: Kind, missing: float, cost: Cost) -> Trial:
    """The trial of an arm whose smallest plan does not fit; its choices say what it "needs", in seconds."""
    assert request.backbone is not None
    name = arm_name(kind.name, request.backbone.source.name)
    reason = f"would have taken about {words(max(1.0, missing))} more"
    trial = empty_trial(request, name, "cut off", reason, cost=cost)
    return replace(trial, choices={"needs": (request.budget.seconds or 0.0) + missing})


def refit(request: Request, trial: Trial, kind: Kind) -> Model:
    """The model on all development rows: the trial's design and as many steps.

    Where the folds stop early on rows held back, so does this.
    """
    request = replace(request, budget=Budget())
    arm = open_arm(request, Design.from_json(trial.choices), kind)
    rows = request.split.development
    trained = train_on(arm, rows, named_watch(request, arm.design.to_json(), rows, "all rows"))
    contract = arm.source.source.input
    if arm.inputs.size is not None:
        contract = contract.scaled(arm.inputs.size, stored=True)
    taps, trunk = [embedding_tap(arm.source)], trained.backbone.module
    made = taps_model(request.task, arm.source, taps, *whole_head(trained), trunk=trunk)
    return replace(made, input=contract, source={} if kind.fresh else made.source)


def seconds_of_a_pass(request: Request, *, batch: int = 8) -> float:
    """A rough time for one pass over the data, from a small batch of it; 0 where a GPU makes it short."""
    if torch.cuda.is_available():
        return 0.0
    backbone = request.backbone
    assert backbone is not None
    modality = modalities.get(request.dataset.modality)
    items = request.dataset.items[:: max(1, len(request.dataset) // batch)][:batch]
    opened = (modality.open_item(item.read(), request.dataset.levels) for item in items)
    some = modality.collate([modality.prepare(one, backbone.source.input) for one in opened])
    module = backbone.tail(backbone.cuts[0]).eval()
    with torch.inference_mode():
        x = backbone.normalise(torch.from_numpy(some))
        module(x)
        start = time.perf_counter()
        module(x)
    return (time.perf_counter() - start) * len(request.dataset) / len(items)

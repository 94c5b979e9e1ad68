"""Conformance suite for Strategies: what `headstart.core.strategy` promises, checked on any of them.

    from headstart.testing.strategy import check_strategy, example
    check_strategy(MyStrategy(), example("classification"), workdir=tmp_path)

Every check raises `AssertionError` saying what was promised and what was found.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from headstart import strategies
from headstart.core.budget import Budget
from headstart.core.fingerprint import of_array
from headstart.core.model import Model
from headstart.core.predictions import Dense
from headstart.core.split import Fold
from headstart.core.strategy import Request, Settings, Strategy, Trial, arm_name
from headstart.core.task import CLASSIFICATION, MULTILABEL
from headstart.testing.fakes import SHAPES, MemoryExtractor, TinyBackbone, folds, shapes

SUM = 1e-5
"""Class probabilities add up to 1 within this."""
_DEFAULTS = Settings()


def example(
    kind: str = CLASSIFICATION,
    *,
    per_class: int = 12,
    repeats: int = 2,
    free: int = 0,
    settings: Settings = _DEFAULTS,
) -> Request:
    """Pictures of three shapes with a test part, and a tiny network whose classifier knows shapes. As many of
    each shape are in no part as make at least `free` together: they stand for those without a label."""
    more = -(-free // 3)
    dataset = shapes(kind, per_class=per_class + more)
    assert dataset.task is not None
    backbone = TinyBackbone(labels=SHAPES)
    if kind == CLASSIFICATION:
        backbone = backbone.teach(shapes(classes=len(SHAPES), per_class=20, seed=1))
    split = folds(dataset, parts=3, repeats=repeats, test=0.2 * per_class / (per_class + more), free=3 * more)
    return Request(dataset, dataset.task, split, MemoryExtractor(dataset), backbone, settings=settings)


def check_strategy(strategy: Strategy, request: Request, *, workdir: Path) -> None:
    """Run every check. An arm that is not applicable need only say why, and predict nothing."""
    assert isinstance(strategy, Strategy), "it lacks a part of the contract"
    trial = strategy.fit(request)
    check_trial(strategy, request, trial)
    check_cost(strategy, request)
    if trial.status == "not applicable":
        return
    assert trial.status == "done", f"with all the time it needs it is {trial.status!r}: {trial.reason}"
    check_deterministic(strategy, request, trial)
    check_nested(strategy, request, trial)
    check_test_part(strategy, request, trial)
    check_resumed(strategy, request, trial, workdir)
    check_budget(strategy, request)
    check_model(strategy, request, trial)


def check_trial(strategy: Strategy, request: Request, trial: Trial) -> None:
    """Names, shapes, probabilities; NaN where a row was not held out; the source untouched."""
    backbone = request.backbone
    facts = strategies.facts(strategy.name)
    source = backbone.source.name if facts.needs_source and backbone is not None else None
    assert trial.arm == arm_name(strategy.name, source), f"its arm is called {trial.arm!r}"
    assert (trial.strategy, trial.source) == (strategy.name, source)
    expected = (request.split.repeats, len(request.dataset), request.task.outputs)
    predictions = numbers(trial)
    assert predictions.shape == expected, f"predictions {predictions.shape}, not {expected}"
    assert predictions.dtype == np.float32, f"predictions are {predictions.dtype}"
    assert json.loads(json.dumps(trial.choices)) == trial.choices, "its choices are not plain JSON"
    if trial.status == "not applicable":
        assert trial.reason, "it does not say why it does not apply"
        assert np.isnan(predictions).all(), "it does not apply, but predicts"
        return
    held_out = _held_out(request, request.split.folds)
    filled = np.isfinite(predictions).all(axis=2)
    assert not (filled & ~held_out).any(), "rows are predicted that were not held out"
    partly = np.isfinite(predictions).any(axis=2) & ~filled
    assert not partly.any(), "some predictions are not finite"
    for fold in request.split.folds:
        share = filled[fold.repeat, fold.test].mean()
        assert share in (0.0, 1.0), "a fold is filled in part"
    if not facts.trains and trial.status == "done":
        assert (filled == held_out).all(), "folds are missing"
    found = predictions[filled]
    if request.task.kind == CLASSIFICATION:
        assert np.abs(found.sum(axis=1) - 1).max() < SUM, "class probabilities do not add up to 1"
    if request.task.kind in (CLASSIFICATION, MULTILABEL):
        assert ((found >= 0) & (found <= 1)).all(), "probabilities leave [0, 1]"


def _held_out(request: Request, parts: tuple[Fold, ...]) -> np.ndarray:
    """bool `[R, N]`"""
    found = np.zeros((request.split.repeats, len(request.dataset)), dtype=bool)
    for fold in parts:
        found[fold.repeat, fold.test] = True
    return found


def check_cost(strategy: Strategy, request: Request) -> None:
    """An estimate beforehand: finite, not negative, and more when a pass takes longer."""
    cheap, dear = strategy.cost(request, 0.01), strategy.cost(request, 10.0)
    for cost in (cheap, dear):
        assert math.isfinite(cost.seconds), "its cost is not finite"
        assert min(cost.seconds, cost.forward_passes) >= 0, "its cost is negative"
    assert dear.seconds >= cheap.seconds, "a slower pass makes it cheaper"


def check_deterministic(strategy: Strategy, request: Request, trial: Trial) -> None:
    """The same request gives the same predictions bit for bit, and the source keeps its weights."""
    before = request.backbone.digest if request.backbone is not None else ""
    assert same(trial, strategy.fit(request)), "the same request gives other predictions"
    after = request.backbone.digest if request.backbone is not None else ""
    assert before == after, "the source's weights have changed"


def check_nested(strategy: Strategy, request: Request, trial: Trial) -> None:
    """Labels of held-out rows, whatever they are, do not change what is predicted for them."""
    for number, fold in enumerate(request.split.folds[:2]):
        other = strategy.fit(_relabelled(request, fold.test, seed=number))
        assert np.array_equal(
            numbers(trial)[fold.repeat, fold.test],
            numbers(other)[fold.repeat, fold.test],
            equal_nan=True,
        ), f"fold {number}: the labels of held-out rows change their predictions"


def check_test_part(strategy: Strategy, request: Request, trial: Trial) -> None:
    """Labels of the test part change nothing at all, neither predictions nor choices."""
    if not len(request.split.test):
        return
    other = strategy.fit(_relabelled(request, request.split.test, seed=3))
    assert same(trial, other), "labels of the test part change predictions"
    assert trial.choices == other.choices, "labels of the test part change what is chosen"


def _relabelled(request: Request, rows: np.ndarray, *, seed: int) -> Request:
    """The same with the labels of some rows replaced by those of other rows, drawn at random."""
    assert request.dataset.y is not None
    y = np.array(request.dataset.y)
    y[rows] = y[np.random.default_rng(seed).integers(len(y), size=len(rows))]
    return replace(request, dataset=replace(request.dataset, targets=y))


class _Interrupted(BaseException):
    """Stands for Ctrl-C."""


def check_resumed(strategy: Strategy, request: Request, trial: Trial, workdir: Path) -> None:
    """Stopped after its first fold and started again, it ends with the same predictions and choices."""
    request = replace(request, workdir=workdir)

    def stop(what: str, *_: int) -> None:
        if what == "folds":
            raise _Interrupted

    try:
        strategy.fit(replace(request, progress=stop))
    except _Interrupted:
        pass
    else:
        raise AssertionError('it reports no progress called "folds"')
    resumed = strategy.fit(request)
    assert same(trial, resumed), "interrupted and resumed, it gives other predictions"
    assert trial.choices == resumed.choices, "interrupted and resumed, it chooses otherwise"
    assert not list(workdir.rglob("*.tmp")), "temporary files are left"


def check_budget(strategy: Strategy, request: Request) -> None:
    """With its time used up it stops after the first fold at most, says so, and leaves the rest NaN."""
    clock = _Clock()
    spent = replace(request, budget=Budget(1.0, clock))
    clock.now = 2.0
    trial = strategy.fit(spent)
    assert trial.status == "cut off", f"without any time left it is {trial.status!r}"
    assert trial.reason, "it does not say what is missing"
    filled = np.isfinite(numbers(trial)).all(axis=2)
    allowed = _held_out(request, request.split.folds[:1])
    assert not (filled & ~allowed).any(), "it goes on after its time is used up"


class _Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def check_model(
    strategy: Strategy,
    request: Request,
    trial: Trial,
    assemble: Callable[[Model], object] | None = None,
) -> None:
    """The model on all development rows: plain numbers, the same every time, and (given
    `assemble`) a network that they make up."""
    model = strategy.refit(request, trial)
    assert model.task == request.task
    assert isinstance(model.net.get("kind"), str), "its network has no kind"
    json.dumps(dict(model.net)), json.dumps(dict(model.source))
    for name, tensor in model.tensors.items():
        assert isinstance(tensor, np.ndarray), f"{name} is not an array"
        assert tensor.dtype.kind in "iuf", f"{name} is {tensor.dtype}"
        assert np.isfinite(tensor).all(), f"{name} holds numbers that are not finite"
    again = strategy.refit(request, trial)
    assert {k: of_array(v) for k, v in model.tensors.items()} == {
        k: of_array(v) for k, v in again.tensors.items()
    }, "refitted twice, it is another model"
    relabelled = strategy.refit(_relabelled(request, request.split.test, seed=5), trial)
    assert model.fingerprint() == relabelled.fingerprint(), "labels of the test part change the model"
    if assemble is not None:
        assemble(model)


def same(a: Trial, b: Trial) -> bool:
    """Whether two trials predict the same, bit for bit."""
    return np.array_equal(numbers(a), numbers(b), equal_nan=True)


def numbers(trial: Trial) -> np.ndarray:
    """float32 `[R, N, K]`: the predictions, NaN where there is none."""
    assert isinstance(trial.predictions, Dense), "its predictions are no array"
    return trial.predictions.array

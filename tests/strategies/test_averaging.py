"""Averages of the probe's and the fine-tuned weights: their ends, the choice, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import strategies, tasks
from headstart.core.budget import Budget
from headstart.core.strategy import Request, Settings
from headstart.strategies import finetune
from headstart.strategies.gradient import _arm, _averaging
from headstart.strategies.gradient._ladder import Pace
from headstart.strategies.gradient._training import Arm, Trained, mixed, predict, probe_head, train_on
from headstart.testing.fakes import MemoryExtractor, TinyBackbone, folds, shapes
from headstart.testing.strategy import check_nested, check_resumed, numbers
from headstart.train.average import copy_state

QUICK = Settings(epochs=2, views=1, lr=0.02)


def request(kind: str = "classification", *, per_class: int = 24, **changes: Any) -> Request:
    dataset = shapes(kind, per_class=per_class)
    assert dataset.task is not None
    split = folds(dataset, parts=3, repeats=1)
    asked = Request(dataset, dataset.task, split, MemoryExtractor(dataset), TinyBackbone(), settings=QUICK)
    return replace(asked, **changes)


def trained(asked: Request, *, whole: bool = False) -> tuple[Arm, Trained, np.ndarray]:
    """An arm that has trained on the first fold; with batches large enough for new BatchNorm statistics."""
    design = finetune.design_whole(asked) if whole else finetune.design_cut(asked)
    design = replace(design, recipe=replace(design.recipe, statistics_from=2))
    rows = asked.split.folds[0].train
    arm = _arm.open_arm(asked, design, finetune.Finetune.kind).lasting(2, len(rows))
    return arm, train_on(arm, rows), rows


@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_the_ends_are_the_probe_and_what_was_trained(kind: str, whole: bool) -> None:
    asked = request(kind)
    arm, net, rows = trained(asked, whole=whole)
    held = asked.split.folds[0].test
    own, after = predict(arm, net, held), copy_state(net.net)
    probe = mixed(arm, net, rows, 0.0)
    weight, bias = probe_head(arm, rows)
    assert arm.inputs.embedding is not None
    logits = np.asarray(arm.inputs.embedding[held], np.float64) @ weight.T + bias
    expected = tasks.for_task(asked.task).activate(logits)
    assert predict(arm, probe, held) == pytest.approx(expected, abs=2e-3)  # states are float16
    half = mixed(arm, probe, rows, 0.5)
    assert not np.allclose(predict(arm, half, held), own)
    for name, now in copy_state(mixed(arm, half, rows, 1.0).net).items():
        assert (now == after[name]).all()
    assert np.array_equal(predict(arm, mixed(arm, half, rows, 1.0), held), own)


def test_statistics_of_batches_are_averaged_as_weights_are() -> None:
    asked = request()
    arm, net, rows = trained(asked, whole=True)
    after, before = copy_state(net.net), copy_state(mixed(arm, net, rows, 0.0).net)
    half = copy_state(mixed(arm, replace(net, state=after), rows, 0.5).net)
    moved = [name for name in after if name.endswith(("running_mean", "running_var"))]
    assert moved
    assert any(not (after[name] == before[name]).all() for name in moved)
    for name in moved:
        assert half[name].numpy() == pytest.approx((before[name] + after[name]).numpy() / 2, abs=1e-6)


@pytest.mark.parametrize("forced", [0.0, 1.0])
def test_the_share_of_every_fold_is_kept_and_ships(forced: float, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request()
    monkeypatch.setattr(finetune, "shares_to_try", lambda _: ())
    plain = strategies.get("finetune").fit(asked)
    assert "share" not in plain.choices
    monkeypatch.setattr(finetune, "shares_to_try", lambda _: _averaging.SHARES)
    monkeypatch.setattr(_averaging, "chosen_share", lambda arm, rows: forced)
    trial = strategies.get("finetune").fit(asked)
    assert [fold["share"] for fold in trial.choices["folds"]] == [forced] * 3
    assert trial.choices["share"] == forced
    model = strategies.get("finetune").refit(asked, trial)
    trunk = asked.network.module.state_dict()
    shipped = {name.removeprefix("trunk."): value for name, value in model.tensors.items()}
    same = [np.array_equal(shipped[name], value.numpy()) for name, value in trunk.items() if name in shipped]
    assert same
    assert all(same) == (forced == 0.0)
    assert np.array_equal(numbers(trial), numbers(plain)) == (forced == 1.0)


def test_the_choice_is_made_by_the_rows_of_the_fold_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune, "shares_to_try", lambda _: _averaging.SHARES)
    asked = request(per_class=8)
    strategy = strategies.get("finetune")
    trial = strategy.fit(asked)
    assert trial.choices["shares"] == list(_averaging.SHARES)
    assert all(fold["share"] in _averaging.SHARES for fold in trial.choices["folds"])
    check_nested(strategy, asked, trial)
    check_resumed(strategy, asked, trial, tmp_path)


def test_the_least_loss_on_rows_that_were_held_back_decides(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training that only spoils the weights is not taken."""
    arm, _, rows = trained(request())
    arm = replace(arm, design=replace(arm.design, shares=_averaging.SHARES))
    nothing = replace(arm.design.recipe, lr=1e-30, head_lr=1e-30, statistics_from=1_000)
    still = replace(arm, design=replace(arm.design, recipe=nothing))
    assert _averaging.chosen_share(still, rows) == _averaging.USUAL  # no share is better than another

    def spoilt(*given: Any) -> Trained:
        net = train_on(*given)
        net.net.head.weight.data.mul_(-20)
        return net

    monkeypatch.setattr(_averaging, "train_on", spoilt)
    assert _averaging.chosen_share(arm, rows) < 0.2
    monkeypatch.setattr(_averaging, "divide", lambda request, rows, share: (rows, rows[:0]))
    assert _averaging.chosen_share(arm, rows) == 1.0


def test_a_second_training_needs_time() -> None:
    arm, _, _ = trained(request())
    pace = Pace(1.0, 3)
    assert finetune.shares_to_try(_arm.Settled(arm, 3)) == (), "the epochs are given"
    arm = replace(arm, request=replace(arm.request, settings=replace(QUICK, epochs=None)))
    assert finetune.shares_to_try(_arm.Settled(arm, 3)) == _averaging.SHARES
    assert finetune.shares_to_try(_arm.Settled(arm, 3, pace)) == _averaging.SHARES  # no limit
    takes = pace.seconds(arm.design.epochs, 3 * 1.8) / finetune.PLENTY
    for seconds, shares in ((1.1 * takes, _averaging.SHARES), (0.9 * takes, ())):
        some = replace(arm, request=replace(arm.request, budget=Budget(seconds)))
        assert finetune.shares_to_try(_arm.Settled(some, 3, pace)) == shares

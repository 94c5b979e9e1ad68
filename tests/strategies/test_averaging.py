"""Averages of the probe's and the fine-tuned weights: their ends, and when there is one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import strategies, tasks
from headstart.core.strategy import Request, Settings
from headstart.modalities import image
from headstart.strategies import finetune
from headstart.strategies.gradient import _arm
from headstart.strategies.gradient._training import Arm, Trained, average, predict, probe_head, train_on
from headstart.testing.fakes import MemoryExtractor, TinyBackbone, folds, shapes
from headstart.testing.strategy import check_nested, check_resumed, numbers
from headstart.train.average import copy_state, load_state

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
    average(arm, net, rows, 1.0)
    for name, now in copy_state(net.net).items():
        assert (now == after[name]).all()
    average(arm, net, rows, 0.5)
    assert not np.allclose(predict(arm, net, held), own)
    average(arm, net, rows, 0.0)
    weight, bias = probe_head(arm, rows)
    assert arm.inputs.embedding is not None
    logits = np.asarray(arm.inputs.embedding[held], np.float64) @ weight.T + bias
    expected = tasks.for_task(asked.task).activate(logits)
    assert predict(arm, net, held) == pytest.approx(expected, abs=2e-3)  # states are float16


def test_statistics_of_batches_are_averaged_as_weights_are() -> None:
    arm, net, rows = trained(request(), whole=True)
    after = copy_state(net.net)
    average(arm, net, rows, 0.0)
    before = copy_state(net.net)
    load_state(net.net, after)
    average(arm, net, rows, 0.5)
    half = copy_state(net.net)
    moved = [name for name in after if name.endswith(("running_mean", "running_var"))]
    assert moved
    assert any(not (after[name] == before[name]).all() for name in moved)
    for name in moved:
        assert half[name].numpy() == pytest.approx((before[name] + after[name]).numpy() / 2, abs=1e-6)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_the_share_is_that_of_every_fold_and_ships(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = request(settings=replace(QUICK, epochs=None))
    monkeypatch.setattr(image, "TUNING", replace(image.TUNING, share=share))
    monkeypatch.setattr(finetune.Finetune, "kind", replace(finetune.Finetune.kind, most_epochs=2))
    plain = strategies.get("finetune").fit(request())
    assert "share" not in plain.choices, "the epochs are given: what is asked for is trained"
    trial = strategies.get("finetune").fit(asked)
    assert trial.choices["epochs"] == plain.choices["epochs"]
    assert trial.choices.get("share", 1.0) == share
    model = strategies.get("finetune").refit(asked, trial)
    trunk = asked.network.module.state_dict()
    shipped = {name.removeprefix("trunk."): value for name, value in model.tensors.items()}
    same = [np.array_equal(shipped[name], value.numpy()) for name, value in trunk.items() if name in shipped]
    assert same
    assert all(same) == (share == 0.0)
    assert np.array_equal(numbers(trial), numbers(plain)) == (share == 1.0)


def test_an_average_is_nested_and_goes_on_where_it_was_interrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finetune.Finetune, "kind", replace(finetune.Finetune.kind, most_epochs=2))
    asked, strategy = request(per_class=8, settings=replace(QUICK, epochs=None)), strategies.get("finetune")
    trial = strategy.fit(asked)
    assert trial.choices["share"] == 0.5
    check_nested(strategy, asked, trial)
    check_resumed(strategy, asked, trial, tmp_path)

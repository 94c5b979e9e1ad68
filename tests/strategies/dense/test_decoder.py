"""Decoders over maps: what each arm trains, that nothing leaks, and that an interrupted arm goes on."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import shapes as drawn
from headstart import data, light, modalities, nets, sources, strategies, tasks
from headstart.core.budget import Budget
from headstart.core.maps import VOID
from headstart.core.strategy import Request, Settings
from headstart.data import splits
from headstart.export.onnx import export_onnx
from headstart.passes.extractor import StoreExtractor
from headstart.run import conclude
from headstart.store.store import FeatureStore
from headstart.strategies.dense import _decoding, decoder

QUICK = Settings(epochs=2, views=1)
ARMS = ("decoder", "finetune", "full", "scratch")


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Request:
    where = tmp_path_factory.mktemp("decoder")
    dataset = data.load(drawn.write(where / "data", 9, void=True))
    backbone = sources.mapped(sources.load("bundled/strokes"), (64, 96))
    split = splits.make_split(dataset, seed=0)
    split = replace(split, folds=tuple(fold for fold in split.folds if fold.repeat == 0)[:2])
    assert dataset.task is not None
    features = StoreExtractor(FeatureStore(where / "store"), dataset, engine="eager")
    return Request(dataset, dataset.task, split, features, backbone, settings=QUICK, engine="eager")


def cells(trial: Any) -> dict[tuple[int, int], bytes]:
    return {at: one.data for at, one in trial.predictions.cells.items()}


@pytest.mark.parametrize("name", ARMS)
def test_an_arm_sees_no_mask_that_it_is_tested_on_and_ships_what_it_was(
    asked: Request, name: str, tmp_path: Path
) -> None:
    before = [p.clone() for p in asked.network.module.parameters()]
    strategy = strategies.get(name, asked.task)
    trial = strategy.fit(asked)
    assert trial.status == "done", trial.reason
    rows = sorted(row for fold in asked.split.folds for row in fold.test.tolist())
    assert sorted(row for _, row in trial.predictions.cells) == rows

    masks, fold = asked.dataset.targets, asked.split.folds[0]
    swapped = list(masks.items)
    for row in fold.test.tolist():  # the masks of other images, in the fold that holds these out
        swapped[row] = masks.items[int(fold.train[0])]
    other = replace(asked.dataset, targets=type(masks)(swapped, masks.legend))
    one_fold = replace(asked.split, folds=(fold,))
    again = strategy.fit(replace(asked, dataset=other, split=one_fold))
    assert cells(again) == {at: one for at, one in cells(trial).items() if at[1] in fold.test}

    model = strategy.refit(asked, trial)
    net = nets.assemble(model.net, model.tensors, model.input, asked.task)
    room, item = modalities.get("image"), asked.dataset.items[0]
    with torch.inference_mode():
        z = net(torch.from_numpy(room.prepare(item.read(), model.input)[None]))
    assert z.shape[:2] == (1, 3)
    if name == "decoder":
        graph = export_onnx(model, tmp_path / "model.onnx", probes=conclude.probes(model, pairs=False))
        found = light.load(graph).scores(room.prepare(item.read(), model.input)[None])
        np.testing.assert_allclose(found, z.numpy(), atol=1e-3)
    placed = tasks.for_task(asked.task).placed(z[0].numpy(), (48, 64))  # type: ignore[attr-defined]
    assert placed.shape == (48, 64)
    after = list(asked.network.module.parameters())
    assert all(torch.equal(old, new) for old, new in zip(before, after, strict=True))
    same = [
        np.array_equal(model.tensors[f"trunk.{n}"], t) for n, t in asked.network.module.state_dict().items()
    ]
    assert all(same) == (name == "decoder")
    assert bool(model.source) == (name != "scratch")


def test_masks_move_with_the_views(asked: Request) -> None:
    arm = _decoding.Arm(asked, asked.network, decoder.Decoder().design(asked), decoder.Decoder.kind)
    masks = arm.targets(np.array([3, 5]))
    frame = modalities.get("image").frame(1, "scene", asked.dataset.digests()[5])  # type: ignore[attr-defined]
    np.testing.assert_array_equal(masks[1, 1], frame.nearest(asked.dataset.targets[5], masks.shape[2:], VOID))
    batches = _decoding.begin(arm, np.array([3, 5]), arm.design.lasting(1, 1).recipe).batches
    for step in range(6):
        batch = batches.read(step)
        for inputs, targets, row in zip(batch.inputs, batch.targets, batch.rows, strict=True):
            stored = [arm.views[view][np.array([row])][0] for view in (0, 1)]
            (view,) = [v for v in (0, 1) if np.array_equal(stored[v], inputs)]
            np.testing.assert_array_equal(targets, masks[[3, 5].index(int(row)), view])


def test_a_class_counts_by_the_root_of_its_size_and_void_not_at_all(asked: Request) -> None:
    rows = np.arange(4)
    loss = _decoding.loss_of(asked, rows)
    number = asked.dataset.targets[rows].counts().sum(axis=0)
    table = number**-0.5 * number.sum() / (number**0.5).sum()
    z, masks = torch.randn(2, 3, 4, 4), torch.tensor([[[0, 1, 2, VOID]] * 4] * 2, dtype=torch.uint8)
    p = torch.log_softmax(z.double(), dim=1).numpy()
    by_hand = [-sum(table[k] * p[i, k, :, k].sum() for k in range(3)) / 16 for i in range(2)]
    np.testing.assert_allclose(loss(z, masks), by_hand, rtol=1e-5)


def test_an_interrupted_arm_goes_on(asked: Request, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = strategies.get("decoder", asked.task).fit(asked)
    kept = replace(asked, workdir=tmp_path)
    trained: list[int] = []
    inner = decoder.train_on

    def watched(arm: Any, rows: np.ndarray, watch: Any) -> Any:
        trained.append(len(rows))
        if len(trained) == 2:
            raise KeyboardInterrupt
        return inner(arm, rows, watch)

    monkeypatch.setattr(decoder, "train_on", watched)
    with pytest.raises(KeyboardInterrupt):
        strategies.get("decoder", asked.task).fit(kept)
    again = strategies.get("decoder", asked.task).fit(kept)
    assert len(trained) == 3, "the first fold is not trained again"
    assert cells(again) == cells(whole)


def test_what_does_not_fit_says_so(asked: Request) -> None:
    short = replace(asked, budget=Budget(0.001), settings=Settings(views=1))
    trial = strategies.get("decoder", asked.task).fit(short)
    assert trial.status == "cut off"
    assert trial.choices["needs"] > 0.001
    assert not trial.predictions.covered.any()


def test_a_part_of_a_training_has_answers_and_goes_on(asked: Request, tmp_path: Path) -> None:
    one = replace(asked, split=replace(asked.split, folds=asked.split.folds[:1]), workdir=tmp_path)
    half = strategies.get("finetune", asked.task).fit(replace(one, part=0.5))
    assert (half.status, half.choices["part"]) == ("cut off", 0.5)
    assert half.predictions.covered.sum() == len(asked.split.folds[0].test)
    rest = strategies.get("finetune", asked.task).fit(one)
    whole = strategies.get("finetune", asked.task).fit(replace(one, workdir=None))
    assert rest.status == "done"
    assert cells(rest) == cells(whole) != cells(half)

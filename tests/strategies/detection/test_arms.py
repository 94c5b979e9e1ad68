"""Arms that answer with boxes: deterministic, blind to what is held out, and the same once they are saved."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import drawn
from headstart import data, light, sources, strategies, tasks
from headstart.core.boxes import Boxed, Boxes
from headstart.core.budget import Budget
from headstart.core.cells import column
from headstart.core.strategy import Maps, Request, Settings, Trial
from headstart.data.boxes.targets import Annotations
from headstart.data.splits import make_split
from headstart.errors import ExportError
from headstart.export import bundle
from headstart.export.onnx import export_onnx
from headstart.predict.predictor import Predictor, stream
from headstart.run import conclude
from headstart.strategies.dense import decoder
from headstart.strategies.detection import _settle, probe, trained
from headstart.testing.fakes import MemoryExtractor

TRAINED = ("finetune", "full", "scratch")
ARMS = ("majority", "pixels", "probe", "random-frozen", *TRAINED)


@pytest.fixture(scope="module")
def request_(tmp_path_factory: pytest.TempPathFactory) -> Request:
    dataset = data.load(drawn.write(tmp_path_factory.mktemp("drawn"), 14))
    backbone = sources.mapped(sources.load("bundled/strokes"), (96, 96))
    assert dataset.task is not None
    split = make_split(dataset, seed=0)
    settings = Settings(epochs=3, views=1)
    return Request(dataset, dataset.task, split, MemoryExtractor(dataset), backbone, settings=settings)


@pytest.fixture(scope="module")
def trials(request_: Request) -> dict[str, Trial]:
    return {name: strategies.get(name, request_.task).fit(request_) for name in ARMS}


@pytest.mark.parametrize("name", ARMS)
def test_each_image_is_held_out_once_and_its_boxes_have_no_say(
    name: str, request_: Request, trials: dict[str, Trial]
) -> None:
    trial = trials[name]
    assert isinstance(trial.predictions, Boxed)
    assert trial.status == "done"
    folds = request_.split.folds[: 3 if name in ("probe", "random-frozen") else None]
    tested = [row for fold in folds if fold.repeat == 0 for row in fold.test.tolist()]
    assert np.flatnonzero(trial.covered[0]).tolist() == sorted(tested)
    assert not trial.covered[1:].any()
    fold = request_.split.folds[0]
    garbage = list(request_.dataset.targets.boxes)  # type: ignore[attr-defined]
    for row in fold.test.tolist():
        garbage[row] = Boxes((96, 96), np.array([[1, 1, 90, 90]]), np.array([0]))
    other = replace(request_, dataset=replace(request_.dataset, targets=Annotations(garbage, 2)))
    again = strategies.get(name, request_.task).fit(other)
    for row in fold.test.tolist():
        ours, theirs = (one.predictions.cells[0, row] for one in (trial, again))  # type: ignore[attr-defined]
        for number in range(2):
            a, b = (one.take(one.classes == number) for one in (ours, theirs))
            np.testing.assert_array_equal(a.corners, b.corners)
            odds = [
                np.log(part.scores / (1 - part.scores)) + one.choices["thresholds"][number]
                for part, one in ((a, trial), (b, again))
            ]
            np.testing.assert_allclose(*odds, atol=1e-3)


@pytest.mark.parametrize("name", ARMS)
def test_a_saved_model_says_the_same_boxes(
    name: str, request_: Request, trials: dict[str, Trial], tmp_path: Path
) -> None:
    strategy = strategies.get(name, request_.task)
    model = strategy.refit(request_, trials[name])
    levels = model.tensors["settled.thresholds"]
    np.testing.assert_allclose(levels, trials[name].choices["thresholds"], rtol=1e-6)
    probes = conclude.probes(model, pairs=False)
    loaded = bundle.load(bundle.save(model, tmp_path / "model", probes=probes))
    assert loaded.task == request_.task
    assert loaded.input == model.input
    items = request_.dataset.items[:4]
    ours, theirs = ([row.answer for row in stream(Predictor(one), items)] for one in (model, loaded))
    assert [one.to_bytes() for one in ours] == [one.to_bytes() for one in theirs]
    # without thresholds the same boxes in the same order, with other scores
    plain = replace(model, tensors={**model.tensors, "settled.thresholds": np.zeros_like(levels)})
    for moved, raw in zip(ours, (row.answer for row in stream(Predictor(plain), items)), strict=True):
        for number in range(2):
            a, b = (one.take(one.classes == number) for one in (moved, raw))
            np.testing.assert_array_equal(a.corners, b.corners)
            odds = np.log(b.scores / (1 - b.scores)) - levels[number]
            np.testing.assert_allclose(a.scores, 1 / (1 + np.exp(-odds)), atol=1e-5)


def test_the_closed_form_finds_what_is_plain(request_: Request) -> None:
    arm = strategies.get("probe", request_.task)
    assert isinstance(arm, Maps)
    learnt = arm.closed(request_)
    assert learnt.stand_in
    fold, methods = request_.split.folds[0], tasks.for_task(request_.task)
    found = list(learnt(fold.train, fold.test))
    y = request_.dataset.targets[fold.test]
    assert methods.metrics(request_.task, y, column(found))["mAP50"] > 0.3
    # boxes of images held out have no say
    garbage = list(request_.dataset.targets.boxes)  # type: ignore[attr-defined]
    for row in fold.test.tolist():
        garbage[row] = Boxes((96, 96), np.array([[1, 1, 90, 90]]), np.array([0]))
    other = replace(request_, dataset=replace(request_.dataset, targets=Annotations(garbage, 2)))
    again = list(arm.closed(other)(fold.train, fold.test))
    assert [one.to_bytes() for one in again] == [one.to_bytes() for one in found]
    assert 0 < learnt.error() < 1


def test_the_closed_form_of_images_without_boxes(request_: Request) -> None:
    nothing = Annotations([Boxes((96, 96))] * len(request_.dataset), 2)
    empty = replace(request_, dataset=replace(request_.dataset, targets=nothing))
    (found,) = strategies.get("probe", request_.task).closed(empty)(np.arange(5), np.array([6]))  # type: ignore[attr-defined]
    assert np.isfinite(found.corners).all()


@pytest.mark.parametrize("name", ["majority", "probe"])
def test_an_exported_model_says_the_same_boxes(
    name: str, request_: Request, trials: dict[str, Trial], tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript")
    pytest.importorskip("onnxruntime")
    model = strategies.get(name, request_.task).refit(request_, trials[name])
    graph = export_onnx(model, tmp_path / "model.onnx", probes=conclude.probes(model, pairs=False))
    exported = light.load(graph)
    assert (exported.task, exported.input) == (model.task, model.input)  # names, their number, preparation
    for item in request_.dataset.items[:3]:
        wanted, found = (next(stream(one, [item])).answer for one in (Predictor(model), exported))
        assert len(wanted) > 0
        assert found.size == wanted.size
        known = np.sort(wanted.scores[wanted.scores > 0.1])
        np.testing.assert_allclose(np.sort(found.scores[found.scores > 0.1]), known, atol=1e-4)
        best = wanted.scores.argmax()
        np.testing.assert_allclose(found.corners[found.scores.argmax()], wanted.corners[best], atol=0.1)
        assert found.classes[found.scores.argmax()] == wanted.classes[best]
    said = json.loads(graph.with_suffix(".json").read_text())
    assert said["output"]["shape"][0] == "N"
    assert said["output"]["shape"][2] == len(said["output"]["reading"]["columns"])
    assert said["output"]["reading"]["threshold"] == 0.5


def test_an_export_that_cannot_be_made_is_one_sentence(
    request_: Request, trials: dict[str, Trial], tmp_path: Path
) -> None:
    pytest.importorskip("onnxscript")
    model = strategies.get("pixels", request_.task).refit(request_, trials["pixels"])
    with pytest.raises(ExportError, match="boxes around connected parts"):
        export_onnx(model, tmp_path / "model.onnx", probes=conclude.probes(model, pairs=False))
    assert not list(tmp_path.iterdir())


def test_scores_are_moved_to_where_f1_is_best(request_: Request, trials: dict[str, Trial]) -> None:
    trial = trials["pixels"]
    assert trial.choices["said"]["disc"]["recall"] > 0.6
    assert trial.choices["said"]["disc"]["precision"] > 0.6
    rows = np.arange(len(request_.dataset))
    y, answers = request_.dataset.targets[rows], trial.predictions.take(0, rows)
    methods: Any = tasks.for_task(request_.task)
    for row in methods.per_class(request_.task, y, answers):
        said = trial.choices["said"][row["label"]]
        assert row["precision"] == pytest.approx(said["precision"])
        assert row["recall"] == pytest.approx(said["recall"])
    # they are there already
    np.testing.assert_allclose(_settle.settled(request_, trial).choices["thresholds"], 0, atol=0.1)


def test_an_interrupted_arm_goes_on_and_the_same_seed_gives_the_same(
    request_: Request, trials: dict[str, Trial], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept, begun = replace(request_, workdir=tmp_path), []  # type: ignore[var-annotated]
    inner = decoder.train_on

    def watched(arm: Any, rows: np.ndarray, watch: Any) -> Any:
        begun.append(len(rows))
        if len(begun) == 2:
            raise KeyboardInterrupt
        return inner(arm, rows, watch)

    monkeypatch.setattr(decoder, "train_on", watched)
    with pytest.raises(KeyboardInterrupt):
        strategies.get("finetune", request_.task).fit(kept)
    again = strategies.get("finetune", request_.task).fit(kept)
    assert len(begun) == len(request_.split.folds[: len(again.choices["folds"])]) + 1
    ours, theirs = (one.predictions.cells for one in (again, trials["finetune"]))  # type: ignore[attr-defined]
    assert {at: one.to_bytes() for at, one in ours.items()} == {
        at: one.to_bytes() for at, one in theirs.items()
    }


def test_with_the_trunk_as_many_steps_are_trained_as_without(request_: Request) -> None:
    request = replace(request_, settings=Settings(views=1), engine="eager")
    arm = trained.Arm(request, request.network, trained.Finetune().design(request), trained.Finetune.kind)
    settled = decoder.settle(arm)
    assert isinstance(settled, tuple)
    images, design = len(request.split.folds[0].train), settled[0].design
    assert 0 <= design.recipe.steps - probe.steps(images) < design.recipe.steps / design.epochs


def test_what_does_not_fit_says_so(request_: Request) -> None:
    trial = strategies.get("scratch", request_.task).fit(replace(request_, budget=Budget(0.001)))
    assert (trial.status, trial.choices["needs"] > 0.001) == ("cut off", True)
    assert not trial.covered.any()


def test_boxes_move_with_the_views(request_: Request) -> None:
    design = trained.Full().design(request_)
    arm = trained.Arm(request_, request_.network, design, trained.Full.kind)
    numbers = arm.targets(np.array([3, 5]))
    assert numbers.shape == (2, 2)
    reader = probe.Reader.of(request_, request_.network)
    for row, views in zip((3, 5), numbers.tolist(), strict=True):
        for view, number in enumerate(views):
            assert divmod(number, 2) == (row, view)
            ours, theirs = arm.seen[row][view], reader.aim(request_, row, view)
            assert all(torch.equal(getattr(ours, name), getattr(theirs, name)) for name in vars(ours))
    assert not torch.equal(arm.seen[3][0].middles, arm.seen[3][1].middles)


def test_what_costs_and_what_is_left_out(request_: Request) -> None:
    for name in ARMS:
        cost = strategies.get(name, request_.task).cost(request_, 0.5)
        assert cost.seconds > 0
    one = replace(request_, settings=Settings())
    assert strategies.get("probe", request_.task).cost(one, 0.5).forward_passes == 13

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from headstart import strategies, tasks
from headstart.core.features import FeatureSpec
from headstart.core.strategy import Request
from headstart.modalities.image import prepare
from headstart.nets import assemble
from headstart.strategies import baselines
from headstart.testing.fakes import MemoryExtractor, TinyBackbone, folds, shapes

KINDS = ["classification", "multilabel", "regression"]


def request(kind: str = "classification", *, per_class: int = 14, **changes) -> Request:
    dataset = shapes(kind, per_class=per_class)
    assert dataset.task is not None
    values = {
        "dataset": dataset,
        "task": dataset.task,
        "split": folds(dataset, parts=3),
        "features": MemoryExtractor(dataset),
    }
    return Request(**{**values, **changes})


def run(model, asked: Request) -> np.ndarray:
    pixels = np.stack([prepare(item.read(), model.input) for item in asked.dataset.items])
    return assemble(model.net, model.tensors, model.input, model.task)(torch.from_numpy(pixels)).numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_majority_is_the_constant_of_the_training_rows(kind: str) -> None:
    asked = request(kind)
    trial = strategies.get("majority").fit(asked)
    methods, y = tasks.get(kind), np.asarray(asked.dataset.y)
    fold = asked.split.folds[1]
    expected = methods.activate(methods.constant(y[fold.train], asked.task.outputs))
    assert np.allclose(trial.predictions.array[0, fold.test], expected, atol=1e-6)
    model = strategies.get("majority").refit(asked, trial)
    assert np.allclose(
        run(model, asked), methods.activate(methods.constant(y, asked.task.outputs)), atol=1e-5
    )
    assert model.source == {}


@pytest.mark.parametrize("name", ["majority", "pixels"])
def test_a_source_makes_no_difference(name: str) -> None:
    plain, given = (strategies.get(name).fit(request(backbone=b)) for b in (None, TinyBackbone()))
    assert (given.arm, given.source, given.digest) == (name, None, "")
    assert np.array_equal(plain.predictions.array, given.predictions.array)


@pytest.mark.parametrize("map_name", ["linear", "rbf"])
@pytest.mark.parametrize("kind", KINDS)
def test_the_model_of_pixels_computes_what_was_fitted(kind: str, map_name: str) -> None:
    asked = request(kind)
    strategy = strategies.get("pixels")
    trial = strategy.fit(asked)
    model = strategy.refit(asked, replace(trial, choices={"map": map_name}))
    x = baselines._small_images(asked)
    chosen = baselines.make_map(map_name, x, seed=0)
    logits = chosen.apply(x) @ model.tensors["head.weight"].T.astype(np.float64) + model.tensors["head.bias"]
    found = run(model, asked)
    expected = tasks.get(kind).activate(logits)
    assert np.abs(found - expected).max() < 1e-3 * max(1.0, np.abs(logits).max())
    assert model.net["map"] == map_name


def test_small_images_are_means_of_areas() -> None:
    asked = request()
    stored = asked.features(None, FeatureSpec(inputs=baselines.STORED)).inputs()
    small = baselines._small_images(asked).reshape(len(asked.dataset), 3, baselines.SIDE, baselines.SIDE)
    assert small[4, 1, 2, 3] == pytest.approx(stored[4, 1, 4:6, 6:8].mean() / 255)


def test_map_by_leave_one_out() -> None:
    """Where the answer is linear in the pixels, the linear map; where only distance tells, the other."""
    rng = np.random.default_rng(0)
    asked = request("regression", per_class=40)
    rows, x = np.arange(len(asked.dataset)), rng.normal(size=(len(asked.dataset), 4))
    for y, expected in ((x @ np.arange(4.0), "linear"), (np.hypot(x[:, 0], x[:, 1]), "rbf")):
        changed = replace(asked, dataset=replace(asked.dataset, targets=y))
        assert baselines.choose_map(changed, x, rows).name == expected


def test_maps() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(40, 6))
    x[:, 3] = 0.5
    linear = baselines.make_map("linear", x, seed=0)
    assert np.abs(linear.apply(x).std(axis=0)[[0, 1, 2, 4, 5]] - 1).max() < 1e-9
    changed = x.copy()
    changed[:, 3] = 1.0  # a pixel that never varied says nothing
    rbf = baselines.make_map("rbf", x, seed=0)
    assert np.allclose(rbf.apply(x), rbf.apply(changed), atol=1e-6)
    found = rbf.apply(x)
    assert found.shape == (40, 40)
    assert ((found > 0) & (found <= 1)).all()
    between = found[np.triu_indices(40, 1)]
    assert 0.2 < np.median(between) < 0.5  # exp(-1) at the median distance
    assert baselines.make_map("rbf", np.ones((3, 4)), seed=0).gamma == 1.0
    many = baselines.make_map("rbf", rng.normal(size=(700, 4)), seed=0)
    assert many.landmarks.shape == (baselines.LANDMARKS, 4)


def test_pixels_learn() -> None:
    asked = request(per_class=30)
    trial = strategies.get("pixels").fit(asked)
    assert (
        tasks.get("classification").scores["accuracy"].value(asked.dataset.y, trial.predictions.array[0])
        > 0.7
    )


def test_the_majority_of_texts_reads_texts() -> None:
    from headstart.modalities import text
    from headstart.predict.predictor import Predictor
    from headstart.testing.texts import sentences

    data = sentences()
    assert data.task is not None
    asked = Request(data, data.task, folds(data), MemoryExtractor(data))
    majority = strategies.get("majority")
    model = majority.refit(asked, majority.fit(asked))
    batch = text.collate([text.prepare(item.read(), model.input) for item in data.items[:3]])
    scores = Predictor(model).scores(batch)
    assert scores.shape == (3, 3)
    np.testing.assert_allclose(scores, scores[:1].repeat(3, axis=0))

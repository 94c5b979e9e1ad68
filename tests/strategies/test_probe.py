from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from headstart import strategies, tasks
from headstart.core.backbone import Backbone
from headstart.core.budget import Budget
from headstart.core.features import FeatureSpec, Tap
from headstart.core.strategy import Request, Settings
from headstart.modalities.image import prepare
from headstart.nets import assemble
from headstart.predict.predictor import Predictor
from headstart.strategies import probe
from headstart.strategies.linear import _taps
from headstart.testing.fakes import MemoryExtractor, TinyBackbone, folds, shapes
from made.models import ARCHITECTURE, INPUT, random_backbone


def request(kind: str = "classification", *, per_class: int = 14, **changes) -> Request:
    dataset = shapes(kind, per_class=per_class)
    assert dataset.task is not None
    values = {
        "dataset": dataset,
        "task": dataset.task,
        "split": folds(dataset, parts=3, repeats=1),
        "features": MemoryExtractor(dataset),
        "backbone": TinyBackbone(),
    }
    return Request(**{**values, **changes})


def real(kind: str = "classification") -> Request:
    """On a network of timm, which a model can be assembled from."""
    return request(kind, backbone=random_backbone(ARCHITECTURE, INPUT))


@pytest.mark.parametrize("name", ["probe", "random-frozen", "early-probe"])
@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_the_model_computes_what_was_fitted(name: str, kind: str) -> None:
    asked = real(kind)
    strategy = strategies.get(name)
    trial = strategy.fit(asked)
    model = strategy.refit(asked, trial)
    backbone = asked.backbone.fresh(asked.seed) if name == "random-frozen" else asked.backbone
    assert trial.digest == backbone.digest
    assert model.net["taps"] == trial.choices["taps"]
    chosen = tuple(Tap.parse(tap) for tap in trial.choices["taps"])
    stored = asked.features(backbone, FeatureSpec(taps=chosen))
    x = np.concatenate([stored.tap(tap).astype(np.float64) for tap in chosen], axis=1)
    methods = tasks.get(kind)
    expected = methods.activate(x @ model.tensors["head.weight"].T + model.tensors["head.bias"])
    pixels = np.stack([prepare(item.read(), model.input) for item in asked.dataset.items])
    found = assemble(model.net, model.tensors, model.input, model.task)(torch.from_numpy(pixels)).numpy()
    scale = np.abs(expected).max()
    assert np.abs(found - expected).max() < 0.02 * scale  # features are stored as float16
    rows = np.array([5, 1, 7])
    np.testing.assert_allclose(
        strategy.stored_answers(asked, model, rows), expected[rows], rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("kind", ["classification", "multilabel"])
def test_what_is_stored_answers_with_the_temperature_of_the_model(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, strategy = real(kind), strategies.get("probe")
    model = strategy.refit(asked, strategy.fit(asked))
    warm = replace(model, tensors={**model.tensors, "temperature": np.array([2.5], np.float32)})
    rows = np.arange(len(asked.dataset))
    pixels = np.stack([prepare(item.read(), model.input) for item in asked.dataset.items])
    expected = Predictor(warm, device="cpu").scores(pixels)
    monkeypatch.setattr(probe, "AT_ONCE", 5)
    found = strategy.stored_answers(asked, warm, rows)
    np.testing.assert_allclose(found, expected, atol=0.01)
    assert np.abs(found - strategy.stored_answers(asked, model, rows)).max() > 0.05


def test_the_early_probe_reads_the_first_half_alone() -> None:
    asked = real()
    stages = [stage.name for stage in asked.backbone.stages]
    first = stages[: len(stages) // 2]
    trial = strategies.get("early-probe").fit(asked)
    assert {Tap.parse(tap).stage for tap in trial.choices["profile"]} == set(first)
    assert {Tap.parse(tap).stage for tap in trial.choices["taps"]} <= set(first)


def test_the_origin_of_the_weights() -> None:
    asked = real()
    for name, expected in (("probe", {"spec", "revision", "digest", "licence"}), ("random-frozen", set())):
        strategy = strategies.get(name)
        assert set(strategy.refit(asked, strategy.fit(asked)).source) == expected


def test_random_frozen_has_other_weights_of_the_same_shape() -> None:
    asked = request()
    plain, control = (strategies.get(name).fit(asked) for name in ("probe", "random-frozen"))
    assert plain.digest == asked.backbone.digest != control.digest
    assert not np.array_equal(plain.predictions.array, control.predictions.array)
    assert control.arm == "tiny: random-frozen"


def test_one_pass_pays_for_everything() -> None:
    asked = request()
    trial = strategies.get("probe").fit(asked)
    assert trial.cost.forward_passes == 1.0
    assert asked.features.forward_passes == 1.0
    strategies.get("probe").fit(asked)
    assert asked.features.forward_passes == 1.0


def test_choices_tell_the_depth_profile() -> None:
    asked = request()
    choices = strategies.get("probe").fit(asked).choices
    taps = {str(tap) for tap in asked.backbone.taps()}
    # the mean of the last map is the embedding: told once
    assert set(choices["profile"]) == taps - {"last/g1"}
    for entry in choices["profile"].values():
        assert set(entry) == {"mse", "mse_error", "accuracy"}
        assert 0 <= entry["accuracy"] <= 1
    assert sum(len(fold["taps"]) for fold in choices["folds"]) == sum(choices["chosen_by_folds"].values())
    for fold in choices["folds"]:
        assert fold["C"] > 0
    profile = strategies.get("probe").fit(request("regression")).choices["profile"]
    assert set(profile["pool/g1"]) == {"mse", "mse_error"}


def test_taps_are_worth_it_where_the_embedding_lacks_something() -> None:
    """Shapes are told apart by early features of a random network, not by its last mean."""
    asked = request(per_class=30)
    trial = strategies.get("probe").fit(asked)
    score, y = tasks.score_of(asked.task), np.asarray(asked.dataset.y)
    only = replace(asked, backbone=_Narrow())
    alone = strategies.get("probe").fit(only)
    assert alone.choices["taps"] == ["pool/g1"]
    assert score.value(y, trial.predictions.array[0]) > score.value(y, alone.predictions.array[0]) + 0.1


class _Narrow(TinyBackbone):
    """Offers its embedding only."""

    def taps(self) -> tuple[Tap, ...]:
        return (Tap("pool", 1),)


class TestViews:
    def test_as_asked(self) -> None:
        asked = request(settings=Settings(views=2))
        trial = strategies.get("probe").fit(asked)
        assert trial.choices["views"] == 2
        assert trial.cost.forward_passes == 3.0
        assert "2 views" in trial.reason
        plain = strategies.get("probe").fit(replace(asked, settings=Settings()))
        assert plain.choices["views"] == 0
        assert not np.array_equal(trial.predictions.array, plain.predictions.array)
        head = strategies.get("probe").refit(asked, trial).tensors["head.weight"]
        assert head.shape[0] == 3

    def test_none_without_augmentation(self) -> None:
        asked = request(settings=Settings(views=2, augment="none"))
        assert strategies.get("probe").fit(asked).choices["views"] == 0

    def test_of_the_recipe_asked_for(self) -> None:
        kinds = set()

        class Watched(MemoryExtractor):
            def __call__(self, backbone, spec):
                kinds.add(spec.view_kind)
                return super().__call__(backbone, spec)

        asked = request(settings=Settings(views=1, augment="glyph"))
        asked = replace(asked, features=Watched(asked.dataset))
        strategies.get("probe").refit(asked, strategies.get("probe").fit(asked))
        assert kinds == {"glyph"}

    def test_cost_counts_them(self) -> None:
        few, many = (strategies.get("probe").cost(request(settings=Settings(views=v)), 10.0) for v in (0, 3))
        assert (few.forward_passes, many.forward_passes) == (1.0, 4.0)
        assert many.seconds > few.seconds + 29


class TestGroups:
    def test_twins_stay_together_in_all_that_is_chosen(self, monkeypatch: pytest.MonkeyPatch) -> None:
        asked = request()
        twins = np.arange(len(asked.dataset)) // 2
        seen: list[np.ndarray | None] = []
        original = _taps.leave_one_out

        def watch(blocks, names, targets, groups=None, **more):
            seen.append(groups)
            return original(blocks, names, targets, groups, **more)

        monkeypatch.setattr(_taps, "leave_one_out", watch)
        strategies.get("probe").fit(replace(asked, split=replace(asked.split, groups=twins)))
        assert all(groups is not None for groups in seen)


class TestManyRows:
    def test_selection_looks_at_some(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_taps, "SELECTION_ROWS", 12)
        asked = request()
        rows = probe.selection_rows(asked.split, asked.seed)
        assert len(rows) == round(12 * 42 / 28)
        assert (np.diff(rows) > 0).all()
        assert set(rows) <= set(asked.split.development)
        assert strategies.get("probe").fit(asked).status == "done"

    def test_groups_come_whole(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(_taps, "SELECTION_ROWS", 10)
        asked = request()
        groups = np.arange(42) // 3
        rows = probe.selection_rows(replace(asked.split, groups=groups), asked.seed)
        counts = np.bincount(groups[rows])
        assert (counts > 0).sum() <= -(-len(rows) // 3)


def test_a_dead_unit_that_fires_once_decides_nothing() -> None:
    """One channel is all but constant in training and wild on a held-out item."""

    asked = request("regression", backbone=_Narrow())
    fold = asked.split.folds[0]
    taught, held = fold.train[0], fold.test[0]

    class Wild(MemoryExtractor):
        def _read(self, backbone, spec, view):
            found = super()._read(backbone, spec, view)
            block = found["pool/g1"].copy()
            block[:, 0] = 0.0
            block[taught, 0] = 1e-4
            block[held, 0] = 10.0
            return {**found, "pool/g1": block}

    asked = replace(asked, features=Wild(asked.dataset), split=replace(asked.split, folds=(fold,)))
    trial = strategies.get("probe").fit(asked)
    assert 0 < trial.predictions.array[0, held, 0] < 1  # sizes lie between 0.15 and 0.45


def test_cut_off_says_how_far_it_came() -> None:
    trial = strategies.get("probe").fit(request(budget=Budget(0.0)))
    assert trial.status == "cut off"
    assert trial.reason == "the time was used up after 1 of 3 folds"
    assert trial.choices["taps"]  # and can still be made into a model


def test_a_class_of_one_item() -> None:
    asked = request()
    y = np.array(asked.dataset.y)
    y[y == 2] = 0
    y[0] = 2
    asked = replace(asked, dataset=replace(asked.dataset, targets=y))
    trial = strategies.get("probe").fit(asked)
    assert trial.status == "done"
    assert np.isfinite(trial.predictions.array).all()


def test_is_a_backbone() -> None:
    assert isinstance(_Narrow(), Backbone)


def test_a_tap_that_knows_nothing_is_at_chance() -> None:
    """On equal classes, leaving a row out must not tilt the vote against its class."""
    y = np.arange(100) % 2
    targets = np.eye(2)[y]
    noise = np.random.default_rng(0).normal(size=(100, 5))
    blocks = _taps.Blocks.of({"noise": noise}, np.arange(100))
    errors = _taps.profile(blocks, targets)["noise"]
    plain = np.mean(errors.predictions.argmax(axis=1) == y)
    level = np.mean((errors.predictions + probe.left_out_tilt(targets, None)).argmax(axis=1) == y)
    assert plain < level
    assert 0.4 < level < 0.6

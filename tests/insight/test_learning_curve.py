"""The learning curve of a run: it agrees with the probe, keeps groups together, and says only what was measured."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import drawn as boxed
import shapes as drawn
from headstart import data, sources, strategies, tasks
from headstart.core.budget import Budget
from headstart.core.cells import column
from headstart.core.strategy import Request, Settings, Trial
from headstart.core.task import Task
from headstart.data import splits
from headstart.evidence import leaderboard
from headstart.insight.curve import curve_points, subsets
from headstart.insight.curve.learning_curve import learning_curve
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore
from headstart.strategies.probe import Probe
from headstart.testing.fakes import MemoryExtractor, TinyBackbone, folds, shapes

KINDS = ["classification", "multilabel", "regression"]


def bench(kind: str = "classification", *, per_class: int = 40, **changes: Any) -> Any:
    dataset = shapes(kind, per_class=per_class, noise=0.15)
    backbone = TinyBackbone()
    plain = {
        "dataset": dataset,
        "task": dataset.task,
        "split": folds(dataset, parts=4, repeats=2),
        "seed": 0,
        "extractor": MemoryExtractor(dataset),
        "backbone": lambda _: backbone,
    }
    found = {**plain, **changes}
    return SimpleNamespace(**found, targets=found["dataset"].targets)


def probed(setting: Any) -> Trial:
    request = Request(
        dataset=setting.dataset,
        task=setting.task,
        split=setting.split,
        features=setting.extractor,
        backbone=setting.backbone("tiny"),
        budget=Budget(60.0),
    )
    return Probe().fit(request)


def simulated(setting: Any, strategy: str, share: float, source: str | None = None) -> Trial:
    """A baseline that is right on the given share of items."""
    rng = np.random.default_rng(5)
    y, outputs = setting.dataset.y, setting.task.outputs
    said = np.where(rng.random((setting.split.repeats, len(y))) < share, y, (y + 1) % outputs)
    name = f"{source}: {strategy}" if source else strategy
    return Trial(name, strategy, source, np.eye(outputs, dtype=np.float32)[said])


@pytest.mark.parametrize("kind", KINDS)
def test_the_largest_point_agrees_with_the_probe(kind: str) -> None:
    setting = bench(kind)
    probe = probed(setting)
    curve = learning_curve(setting, setting, {probe.arm: probe}, probe.arm)
    assert curve is not None
    last = curve["points"][-1]
    scored = leaderboard.row(probe, setting)
    assert scored.score is not None
    # what the probe itself predicted; of ridge regression fitted again: what is left are float16 and columns silenced
    within = 0.01 if kind == "regression" else 1e-9
    assert last["value"] == pytest.approx(scored.score, rel=within)
    assert last["low"] < scored.score < last["high"]
    assert last["n"] == round(np.mean([len(f.train) for f in setting.split.folds]))


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_of_the_contract(kind: str) -> None:
    setting = bench(kind)
    probe = probed(setting)
    curve = learning_curve(setting, setting, {probe.arm: probe}, probe.arm)
    assert curve is not None
    assert set(curve) == {
        "source", "arm", "metric", "points", "band", "twice", "twice_why", "saved", "sentences",
        "unit",
    }  # fmt: skip
    assert curve["metric"] == setting.task.metric
    assert [p["n"] for p in curve["points"]] == sorted({p["n"] for p in curve["points"]})
    assert all(p["low"] <= p["value"] <= p["high"] and p["repeats"] >= 6 for p in curve["points"])
    assert curve["twice"] is not None
    assert curve["band"][-1]["n"] == pytest.approx(2 * curve["points"][-1]["n"], abs=1)
    assert all(b["low"] <= b["value"] <= b["high"] for b in curve["band"])
    assert curve["twice"]["gain"]["low"] >= 0
    assert curve["saved"] is None  # nothing to compare with
    assert all(text.endswith(".") for text in curve["sentences"])


def test_labels_saved_against_scratch() -> None:
    setting = bench()
    probe = probed(setting)
    poor, good = (simulated(setting, "scratch", share, probe.source) for share in (0.5, 1.0))
    pixels = simulated(setting, "pixels", 0.4)
    curve = learning_curve(setting, setting, {t.arm: t for t in (probe, pixels, poor)}, probe.arm)
    assert curve is not None
    saved = curve["saved"]
    assert saved["against"] == poor.arm  # scratch before pixels
    assert saved["their_n"] == 90
    assert saved["ratio"] == pytest.approx(saved["their_n"] / saved["labels"], rel=0.1)
    assert saved["low"] <= saved["ratio"] <= saved["high"]
    assert f"with {saved['labels']} labels" in " ".join(curve["sentences"]).lower()
    without = learning_curve(setting, setting, {t.arm: t for t in (probe, good)}, probe.arm)
    assert without is not None
    assert without["saved"] is None
    assert any(text.startswith("No labels are saved") for text in without["sentences"])


def test_it_is_of_the_best_probe_where_the_shipped_arm_has_no_source() -> None:
    setting = bench()
    probe = probed(setting)
    worse = replace(probe, arm="other: probe", source="other", predictions=1 - probe.predictions.array)
    pixels = simulated(setting, "pixels", 1.0)
    curve = learning_curve(setting, setting, {t.arm: t for t in (worse, probe, pixels)}, "pixels")
    assert curve is not None
    assert curve["source"] == probe.source
    assert learning_curve(setting, setting, {"pixels": pixels}, "pixels") is None


def test_too_few_errors_are_told() -> None:
    setting = bench()
    y = setting.dataset.y
    # the label is written into the features: nothing is ever wrong
    x = np.repeat(np.eye(3, dtype=np.float32)[y], 8, axis=1)
    features = SimpleNamespace(tap=lambda _: x)
    probe = replace(probed(setting), choices={"taps": ["stem/g1"], "C": 1.0})
    setting.extractor = lambda *_: features
    curve = learning_curve(setting, setting, {probe.arm: probe}, probe.arm)
    assert curve is not None
    assert (curve["twice"], curve["band"]) == (None, [])
    assert "20 errors" in curve["twice_why"]
    assert all(p["value"] == 1 and 0.9 < p["low"] < 1 for p in curve["points"])


def test_groups_stay_together_and_test_rows_stay_out(monkeypatch: pytest.MonkeyPatch) -> None:
    setting = bench()
    groups = np.arange(len(setting.dataset)) // 2
    parts = []
    for fold in setting.split.folds:
        held = np.isin(groups, groups[fold.test])
        parts.append(replace(fold, train=np.flatnonzero(~held), test=np.flatnonzero(held)))
    setting.split = replace(setting.split, groups=groups, folds=tuple(parts))
    probe = probed(setting)
    seen: list[tuple[np.ndarray, np.ndarray]] = []
    predict = curve_points.Stored.predict

    def watched(self: Any, of: Any, fold: int, train: np.ndarray, test: np.ndarray) -> np.ndarray:
        seen.append((train, test))
        return predict(self, of, fold, train, test)

    monkeypatch.setattr(curve_points.Stored, "predict", watched)
    assert curve_points.measure(setting, setting, probe) is not None
    assert seen
    for train, test in seen:
        assert not set(groups[train]) & set(groups[test])
        counts = np.bincount(groups[train])
        assert set(counts[counts > 0]) == {2}  # whole groups
        assert len(set(setting.dataset.y[train].tolist())) == 3


def test_many_items_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curve_points, "MOST_ROWS", 60)
    monkeypatch.setattr(curve_points, "EVERY_FOLD", 50)
    setting = bench()
    probe = probed(setting)
    curve = learning_curve(setting, setting, {probe.arm: probe}, probe.arm)
    assert curve is not None
    assert 40 <= curve["points"][-1]["n"] <= 50
    # 90 labels train a model of this run: twice as many are still within 8 x 45
    assert curve["twice"] is None or curve["twice"]["n"] == 180


def test_too_little_to_measure_is_no_curve(monkeypatch: pytest.MonkeyPatch) -> None:
    small = bench(per_class=1)  # three rows, three classes: one size
    small.split = folds(small.dataset, parts=3)
    taps = {"taps": ["stem/g1"], "folds": []}
    trial = Trial("tiny: probe", "probe", "tiny", np.full((1, 3, 3), 1 / 3, np.float32), choices=taps)
    assert learning_curve(small, small, {trial.arm: trial}, trial.arm) is None
    setting = bench()
    probe = probed(setting)
    monkeypatch.setattr("headstart.insight.curve.learning_curve.MOST_CLASSES", 2)
    assert learning_curve(setting, setting, {probe.arm: probe}, probe.arm) is None


def test_the_same_run_gives_the_same_curve() -> None:
    setting = bench()
    probe = probed(setting)
    curves = [learning_curve(setting, setting, {probe.arm: probe}, probe.arm) for _ in range(2)]
    assert curves[0] == curves[1]


@pytest.mark.parametrize(
    ("total", "classes", "expected"),
    [(240, 2, [30, 60, 120, 240]), (40, 10, [10, 20, 40]), (40, 2, [5, 10, 20, 40]), (12, 10, [12])],
)
def test_sizes(total: int, classes: int, expected: list[int]) -> None:
    assert subsets.sizes(total, classes) == expected


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 99), st.integers(2, 5), st.integers(1, 3))
def test_portions_are_nested_and_hold_every_class(seed: int, classes: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    strata = np.repeat(np.sort(np.append(rng.integers(0, classes, 40), np.arange(classes))), size)
    groups = np.arange(len(strata)) // size
    order, ends = subsets.nested(strata, groups, rng)
    assert sorted(order) == list(range(len(strata)))
    before: set[int] = set()
    for n in (classes, 2 * classes, len(strata) // 2, len(strata)):
        part = subsets.beginning(order, ends, n * size)
        assert len(part) >= min(n * size, len(strata))
        assert before <= set(part.tolist())
        before = set(part.tolist())
        assert len(np.unique(groups[part])) * size == len(part)
    two = subsets.beginning(order, ends, 2 * classes * size)
    assert len(np.unique(strata[two])) == classes


def test_portions_have_each_classs_share() -> None:
    strata = np.repeat([0, 1], [150, 50])
    order, ends = subsets.nested(strata, np.arange(200), np.random.default_rng(0))
    assert abs((strata[subsets.beginning(order, ends, 40)] == 1).sum() - 10) <= 2


def test_strata_of_every_kind() -> None:
    yes = np.array([[1, 1, 0], [1, 0, 0], [0, 0, 0], [1, 0, 1]], np.float32)
    task = Task("multilabel", ("a", "b", "c"), "mAP")
    assert subsets.strata(task, yes).tolist() == [1, 0, -1, 2]
    values = np.array([5.0, 1.0, 3.0, 2.0, 4.0])
    assert subsets.strata(Task("regression", ("v",), "MAE", False), values).tolist() == [4, 0, 2, 1, 3]


def test_the_penalty_of_ridge_regression_is_no_c() -> None:
    """Taken for one, 1e-9 would let a model learn nothing; a probe that was solved as ridge has chosen no C."""
    setting = bench()
    probe, values = probed(setting), {}
    for ridge in (True, False):
        done = [{**fold, "C": 1e-9, "ridge": ridge} for fold in probe.choices["folds"]]
        trial = replace(probe, choices={**probe.choices, "folds": done})
        measured = curve_points.measure(setting, setting, trial)
        assert measured is not None
        values[ridge] = 1 - measured.errors[-2]  # the largest portion is the probe itself
    assert values[True] > values[False] + 0.2


def of_images(dataset: Any, tmp_path: Path, side: int) -> tuple[Any, Request]:
    """(a run on such data, what its arms may touch)."""
    backbone = sources.mapped(sources.load("bundled/strokes"), (side, side))
    extractor = StoreExtractor(FeatureStore(tmp_path / "store"), dataset, engine="eager")
    split = splits.make_split(dataset, seed=0)
    split = replace(split, folds=tuple(fold for fold in split.folds if fold.repeat == 0)[:2])
    settings = Settings(epochs=2, views=0)
    request = Request(dataset, dataset.task, split, extractor, backbone, settings=settings)
    setting = SimpleNamespace(
        dataset=dataset, task=dataset.task, split=split, seed=0, extractor=extractor,
        backbone=lambda _: backbone, targets=dataset.targets,
    )  # fmt: skip
    return setting, request


def test_of_boxes_it_is_of_the_closed_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RESAMPLES", "FEWEST"):
        monkeypatch.setattr(curve_points, name, 10)
    dataset = data.load(boxed.write(tmp_path / "data", 20))
    setting, request = of_images(dataset, tmp_path, 96)
    probe = strategies.get("probe", dataset.task).fit(request)
    rival = replace(strategies.get("majority", dataset.task).fit(request), arm="pixels", strategy="pixels")
    curve = learning_curve(setting, setting, {probe.arm: probe, "pixels": rival}, probe.arm)
    assert curve is not None
    assert curve["unit"] == "images"
    assert curve["arm"].startswith("a head in closed form on frozen")
    learnt: Any = strategies.get("probe", dataset.task)
    closed = learnt.closed(request)
    said = {row: one for fold in request.split.folds
            for row, one in zip(fold.test.tolist(), closed(fold.train, fold.test), strict=True)}  # fmt: skip
    rows = np.array(sorted(said))
    whole = tasks.score_of(dataset.task).value(dataset.targets[rows], column(said[row] for row in rows))
    assert curve["points"][-1]["value"] == pytest.approx(whole, abs=1e-9)
    assert curve["saved"]["labels"] == curve["points"][0]["n"]  # boxes at the usual places are soon reached
    # the rival is held against the closed form, not against the head that was trained for longer
    assert curve["saved"]["their_value"] == pytest.approx(leaderboard.row(rival, setting).score, abs=1e-9)


def test_of_masks_it_counts_images(tmp_path: Path) -> None:
    dataset = data.load(drawn.write(tmp_path / "data", 20))
    assert dataset.task is not None
    setting, request = of_images(dataset, tmp_path, 32)
    probe = strategies.get("probe", dataset.task).fit(request)
    rival = replace(strategies.get("majority", dataset.task).fit(request), arm="pixels", strategy="pixels")
    curve = learning_curve(setting, setting, {probe.arm: probe, "pixels": rival}, probe.arm)
    assert curve is not None
    assert (curve["unit"], [point["n"] for point in curve["points"]]) == ("images", [2, 4, 8, 16])
    assert {point["repeats"] for point in curve["points"]} == {curve_points.OF_PLACES}
    scored = leaderboard.row(probe, setting)
    assert curve["points"][-1]["value"] == pytest.approx(scored.score, abs=1e-9)
    assert curve["points"][0]["value"] < curve["points"][-1]["value"]
    assert curve["saved"]["labels"] == 2  # the commonest class everywhere is soon reached
    assert "with 2 images" in curve["sentences"][0]

"""The leaderboard: scores lie inside their intervals, and intervals lean to no side."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from unittest import mock

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.experiment import Experiment
from headstart.core.metric import named
from headstart.core.split import Fold, Split
from headstart.core.strategy import Trial, common
from headstart.core.task import Task
from headstart.evidence import leaderboard
from headstart.measure import intervals
from headstart.predict import evaluate

METRICS = {"classification": "accuracy", "multilabel": "mAP", "regression": "MAE"}


def setting(kind: str, y: np.ndarray, groups: np.ndarray | None = None) -> Any:
    """Two repeats of four folds."""
    n = len(y)
    outputs = y.shape[1] if y.ndim == 2 else int(y.max()) + 1 if kind == "classification" else 1
    task = Task(kind, tuple(f"c{i}" for i in range(outputs)), METRICS[kind], kind != "regression")
    items = tuple(ArrayItem(str(i), np.zeros(1, np.uint8)) for i in range(n))
    order = np.random.default_rng(n).permutation(n)
    folds = tuple(
        Fold(r, np.setdiff1d(order, part), np.sort(part))
        for r in range(2)
        for part in np.array_split(order, 4)
    )
    unit = np.arange(n) if groups is None else groups
    split = Split(np.arange(n), np.zeros(0, np.int64), folds, unit, 0, "simulated")
    return Experiment(Dataset("s", "image", items, task, y), task, split)


def trial(bench: Any, name: str, seed: int, skill: float, folds: int = 8) -> Trial:
    """Predictions with some of the truth in them, on the first so many folds."""
    rng, y = np.random.default_rng(seed), bench.dataset.y
    truth = np.eye(bench.task.outputs)[y] if y.dtype.kind == "i" else y.reshape(len(y), -1)
    raw = skill * truth + rng.normal(size=(2, *truth.shape))
    if bench.task.kind != "regression":
        raw = 1 / (1 + np.exp(-raw))
        raw = raw / raw.sum(axis=2, keepdims=True) if bench.task.kind == "classification" else raw
    known = np.zeros(raw.shape[:2], bool)
    for fold in bench.split.folds[:folds]:
        known[fold.repeat, fold.test] = True
    return Trial(name, "probe", None, np.where(known[..., None], raw, np.nan).astype(np.float32))


def measured(task: Task, y: np.ndarray, p: np.ndarray, groups: np.ndarray | None) -> dict[str, Any]:
    """What `evaluate` says, from few resamples."""
    with mock.patch.multiple(evaluate, WORK=0, FEWEST=25):
        return evaluate.measure(task, y, p, groups=groups, record={"seed": 0, "data": "", "model": ""})


def drawn(data: st.DataObject, kind: str) -> np.ndarray:
    """Targets with rare labels: many are those of a single item."""
    n = data.draw(st.integers(8, 24), label="n")
    rng = np.random.default_rng(data.draw(st.integers(0, 999), label="seed"))
    if kind == "multilabel":
        y = np.zeros((n, 5), np.float32)
        y[np.arange(n), rng.integers(0, 2, n)] = 1
        y[rng.permutation(n)[:3], np.arange(2, 5)] = 1
        return y
    return (
        rng.normal(size=n) if kind == "regression" else rng.choice(6, n, p=[0.6, 0.2, 0.08, 0.06, 0.04, 0.02])
    )


@pytest.mark.parametrize("kind", METRICS)
@settings(max_examples=5, deadline=None)
@given(st.data())
def test_a_score_lies_inside_its_interval(kind: str, data: st.DataObject) -> None:
    y = drawn(data, kind)
    groups = (
        np.arange(len(y)) % data.draw(st.sampled_from([1, 2, 3, 4, 7])) if data.draw(st.booleans()) else None
    )
    bench = setting(kind, y, groups)
    folds, skill = data.draw(st.integers(1, 8), label="folds"), data.draw(st.sampled_from([0.0, 1.0, 9.0]))
    ours, theirs = trial(bench, "a", 1, skill, folds), trial(bench, "b", 2, 0.5)
    row = leaderboard.row(ours, bench)
    assert row.low <= row.score <= row.high  # type: ignore[operator]
    if kind != "regression":
        assert row.low >= 0  # type: ignore[operator]
        assert row.high <= 1  # type: ignore[operator]
    found = leaderboard.gain(ours, theirs, bench, count=300)
    if found is not None:
        assert found.low <= found.gain <= found.high
        values = [leaderboard.score(t, bench) for t in common(ours, theirs)]
        sign = 1 if bench.task.higher_is_better else -1
        assert sign * (values[0] - values[1]) == pytest.approx(found.gain, abs=1e-6)  # type: ignore[operator]
    rows, mean = np.flatnonzero(ours.covered.any(axis=0)), ours.predictions.averaged()
    for name, one in measured(bench.task, y[rows], mean, None if groups is None else groups[rows]).items():
        assert one.low <= one.value <= one.high, name


def test_labels_that_a_resample_loses_do_not_lift_an_interval() -> None:
    """Two known labels and eight of one item each, which half of the resamples lose: the interval of a weak
    arm is around its score, and that of equal arms around zero."""
    n = 48
    y = np.zeros((n, 10), np.float32)
    y[np.arange(n), np.arange(n) % 2] = 1
    y[np.arange(0, n, 6), np.arange(8) + 2] = 1
    bench = setting("multilabel", y)
    middles, leans = [], []
    for seed in range(4):
        weak, other = trial(bench, "a", seed, 0.8), trial(bench, "b", 100 + seed, 0.8)
        row = leaderboard.row(weak, bench)
        share = (row.score - row.low) / (row.high - row.low)  # type: ignore[operator]
        middles.append(share)
        found = leaderboard.gain(weak, other, bench, count=500)
        assert found is not None
        leans.append((found.gain - found.low) / (found.high - found.low))
    assert min(middles) > 0.2
    assert 0.35 < np.mean(leans) < 0.65


@pytest.mark.parametrize("groups", [None, np.arange(8) // 2])
@pytest.mark.parametrize("kind", ["classification", "multilabel"])
def test_all_of_few_right_is_no_certainty(kind: str, groups: np.ndarray | None) -> None:
    truth = np.eye(2)[np.arange(8) % 2]
    bench = setting(kind, truth.astype(np.float32) if kind == "multilabel" else np.arange(8) % 2, groups)
    perfect = Trial("a", "probe", None, np.stack([truth, truth]).astype(np.float32))
    row = leaderboard.row(perfect, bench)
    units = 8 if groups is None else 4
    expected = pytest.approx((intervals.wilson(units, units).low, 1.0))
    assert (row.low, row.high) == expected
    for name, one in measured(bench.task, bench.dataset.y, truth, groups).items():
        if named(name).percent:
            assert (one.low, one.high) == expected, name


@pytest.mark.parametrize("count", [2, 3, 4])
@pytest.mark.parametrize("kind", METRICS)
def test_few_groups_are_never_surer_than_independent_items(kind: str, count: int) -> None:
    rng = np.random.default_rng(count)
    y = {
        "classification": np.arange(48) % 2,
        "multilabel": (rng.random((48, 3)) < 0.5).astype(np.float32),
        "regression": rng.normal(size=48),
    }[kind]
    groups = np.arange(48) // 2 % count
    bench, alone = setting(kind, y, groups), setting(kind, y)
    ours, theirs = trial(bench, "a", 1, 1.5), trial(bench, "b", 2, 0.5)
    together = leaderboard.row(ours, bench)
    apart = leaderboard.row(ours, alone)
    assert together.low <= apart.low < apart.high <= together.high  # type: ignore[operator]
    found, free = (leaderboard.gain(ours, theirs, one, count=500) for one in (bench, alone))
    assert found is not None
    assert free is not None
    assert found.low <= free.low < free.high <= found.high
    if count == 4:
        return  # what `evaluate` says is seen well enough with two and three
    p = ours.predictions.array[0].astype(np.float64)
    known = measured(bench.task, y, p, groups)
    for name, one in measured(bench.task, y, p, None).items():
        if name != "accuracy":  # Wilson there, a bootstrap of groups here
            assert known[name].low <= one.low, name
            assert known[name].high >= one.high, name


def test_what_a_score_covers_is_told() -> None:
    y = np.array([0, 1, 2] * 8)
    bench = setting("classification", y)
    bench = replace(
        bench,
        split=Split(
            bench.split.development,
            bench.split.test,
            (
                Fold(0, np.arange(12, 24), np.flatnonzero(y[:12] < 2)),
                Fold(1, np.arange(12), np.flatnonzero(y == 0)),
            ),
            bench.split.groups,
            0,
            "simulated",
        ),
        gains={},
    )
    row = leaderboard.row(trial(bench, "a", 1, 1.0), bench)
    assert (row.n, row.covers) == (12, "2 of 3 classes")
    whole = setting("classification", y)
    assert leaderboard.row(trial(whole, "a", 1, 1.0), whole).covers == ""

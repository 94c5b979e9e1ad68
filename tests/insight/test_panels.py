"""What insight.json says, against scikit-learn and by hand, for every kind of task."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest
from sklearn import metrics as reference

from finished import maker
from headstart import tasks
from headstart.core import files, words
from headstart.core.budget import Budget
from headstart.core.split import Fold
from headstart.core.task import Task
from headstart.insight import depth, embedding_map, mistakes, panels, reliability
from headstart.measure import calibration
from headstart.measure.intervals import wilson
from headstart.measure.partition import first_repeat
from headstart.report import saved

KEYS = [
    "arm", "metrics", "confusion", "scatter", "reliability", "depth", "depth_curve", "learning_curve", "label_errors",
    "mistakes", "occlusion", "lengths", "map",
]  # fmt: skip
NEAR = {"abs": 1e-9}


def repeats(made: Any) -> list[tuple[np.ndarray, np.ndarray]]:
    """(y, predictions) of the shipped arm, repeat by repeat."""
    trial = made.trials[made.answer.winner]
    known = trial.covered
    y = made.context.dataset.y
    return [(y[k], p[k].astype(np.float64)) for k, p in zip(known, trial.predictions.array, strict=True)]


def expected(kind: str, y: np.ndarray, p: np.ndarray) -> dict[str, float]:
    """The metrics of one repeat, by scikit-learn."""
    if kind == "regression":
        return {
            "MAE": reference.mean_absolute_error(y, p[:, 0]),
            "RMSE": reference.root_mean_squared_error(y, p[:, 0]),
            "R2": reference.r2_score(y, p[:, 0]),
        }
    if kind == "multilabel":
        said = p >= 0.5
        return {
            "mAP": reference.average_precision_score(y, p, average="macro"),
            "F1": reference.f1_score(y, said, average="macro", zero_division=0),
            "micro F1": reference.f1_score(y, said, average="micro", zero_division=0),
            "LRAP": reference.label_ranking_average_precision_score(y, p),
            "AUROC": reference.roc_auc_score(y, p, average="macro"),
            "log loss": np.mean([reference.log_loss(y[:, c], p[:, c]) for c in range(y.shape[1])]),
        }
    said, p = p.argmax(axis=1), p / p.sum(axis=1, keepdims=True)
    return {
        "accuracy": reference.accuracy_score(y, said),
        "balanced accuracy": reference.balanced_accuracy_score(y, said),
        "F1": reference.f1_score(y, said, average="macro"),
        "AUROC": reference.roc_auc_score(y, p, multi_class="ovr", average="macro"),
    }


@pytest.fixture(scope="module")
def looked(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Any, dict[str, Any]]]:
    """A run of each kind of task and its insight, made when first asked for."""
    make = maker(tmp_path_factory.mktemp("looked"))

    @cache
    def look(kind: str) -> tuple[Any, dict[str, Any]]:
        made = make(kind, kind)
        return made, panels.insight_of(made.result)

    return look


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_metrics_are_those_of_scikit_learn(looked: Any, kind: str) -> None:
    made, found = looked(kind)
    parts = [expected(kind, y, p) for y, p in repeats(made)]
    for name in parts[0]:
        assert found["metrics"][name]["value"] == pytest.approx(np.mean([p[name] for p in parts]), **NEAR), (
            name
        )
    shipped = next(row for row in made.answer.rows if row.shipped)
    assert found["metrics"][made.context.task.metric]["value"] == pytest.approx(shipped.score, **NEAR)
    for one in found["metrics"].values():
        assert one["low"] <= one["value"] <= one["high"], one
        assert one["n"] == len(made.context.split.development)


def test_log_loss_and_brier_are_those_of_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 4, 80), rng.dirichlet(np.ones(4), 80)
    task = Task("classification", ("a", "b", "c", "d"), "accuracy")
    found = tasks.for_task(task).metrics(task, y, p)
    assert found["log loss"] == pytest.approx(reference.log_loss(y, p), **NEAR)
    assert found["Brier"] == pytest.approx(reference.brier_score_loss(y, p), **NEAR)


@pytest.mark.parametrize("kind", ["classification", "multilabel"])
def test_classes_are_those_of_scikit_learn(looked: Any, kind: str) -> None:
    made, insight = looked(kind)
    shipped = made.trials[made.answer.winner]
    rows, mean = np.flatnonzero(shipped.covered.any(axis=0)), shipped.predictions.averaged()
    y, found = made.context.dataset.y[rows], insight["confusion"]
    said = mean.argmax(axis=1) if kind == "classification" else mean >= 0.5
    precision, recall, f1, n = reference.precision_recall_fscore_support(y, said, zero_division=np.nan)
    assert [row["label"] for row in found["per_class"]] == list(made.context.task.labels)
    for key, values in (("precision", precision), ("recall", recall), ("f1", f1), ("n", n)):
        got = [np.nan if row[key] is None else row[key] for row in found["per_class"]]
        np.testing.assert_allclose(got, values, atol=1e-9)
    if kind == "classification":
        table = reference.confusion_matrix(y, said)
        np.testing.assert_array_equal(found["table"], table)
        assert sum(pair["count"] for pair in found["pairs"]) == table.sum() - np.trace(table)
    else:
        assert (found["table"], found["pairs"]) == (None, [])


@pytest.mark.parametrize("kind", ["classification", "multilabel", "regression"])
def test_the_contract(looked: Any, kind: str) -> None:
    made, found = looked(kind)
    assert list(found) == KEYS
    text = (made.folder / "insight.json").read_text(encoding="utf-8")
    assert "NaN" not in text
    assert json.loads(text) == found == saved.insight(made.folder)
    absent = {
        "classification": {"scatter"},
        "multilabel": {"scatter", "reliability"},
        "regression": {"confusion", "reliability"},
    }
    absent = {kind: {*names, "occlusion", "lengths"} for kind, names in absent.items()}  # which texts have
    assert {key for key, value in found.items() if value is None} == absent[kind]
    shown, dataset = found["map"], made.context.dataset
    assert shown["n"] == shown["of"] == len(shown["points"]) == len(dataset)
    assert {p["part"] for p in shown["points"]} == {"development", "test"}
    for point in shown["points"]:
        assert 0 <= point["x"] <= 1
        assert 0 <= point["y"] <= 1
        assert dataset.items[point["row"]].id == point["id"]
        assert (point["said"] is None) == (point["part"] == "test")
        if kind == "regression":
            assert point["right"] is None
            assert point["label"] == pytest.approx(dataset.y[point["row"]])
        elif point["said"] is not None:
            assert point["right"] == (point["said"] == point["label"])
    assert sum(row["chosen"] for row in found["depth"]["rows"]) >= 1
    for row in found["depth"]["rows"]:
        assert row["low"] <= row["value"] <= row["high"]
    assert found["depth"]["metric"] == ("accuracy" if kind == "classification" else "skill")
    if kind == "regression":
        assert len(found["scatter"]["points"]) == len(made.context.split.development)
        assert all(one["confidence"] is None for one in found["mistakes"])
        assert found["label_errors"] == []


def test_the_same_run_gives_the_same_insight(make_run: Any, looked: Any) -> None:
    assert panels.insight_of(make_run("two").result) == looked("classification")[1]


def test_mistakes_come_the_most_confident_first(make_run: Any) -> None:
    made = make_run(noise=1.2)
    shipped = made.trials[made.answer.winner]
    rows, mean = np.flatnonzero(shipped.covered.any(axis=0)), shipped.predictions.averaged()
    found = panels.insight_of(made.result)["mistakes"]
    wrong = [r for r, p in zip(rows, mean, strict=True) if p.argmax() != made.context.dataset.y[r]]
    assert {one["row"] for one in found} <= set(wrong)
    assert len(found) == min(16, len(wrong))
    assert all(one["said"] != one["is"] for one in found)


def test_nothing_wrong_is_an_empty_list(make_run: Any) -> None:
    found = panels.insight_of(make_run(noise=0.0).result)
    assert (found["mistakes"], found["label_errors"], found["confusion"]["pairs"]) == ([], [], [])
    several = panels.insight_of(make_run("several", kind="multilabel", noise=0.0).result)
    assert (several["mistakes"], several["label_errors"]) == ([], [])


def test_planted_label_errors_are_named(make_run: Any) -> None:
    made = make_run(noise=0.1, per_class=30)
    y, rows = made.context.dataset.y.copy(), made.context.split.development[:3]
    truth = y.copy()
    y[rows] = (y[rows] + 1) % 3
    made.context.experiment = replace(made.experiment, dataset=replace(made.experiment.dataset, targets=y))
    found = panels.insight_of(made.result)["label_errors"]
    assert {one["row"] for one in found} == set(rows.tolist())
    labels = made.context.task.labels
    for one in found:
        assert (one["given"], one["suggested"]) == (labels[y[one["row"]]], labels[truth[one["row"]]])
        assert one["p_given"] < one["p_suggested"]


def test_label_errors_of_several_labels() -> None:
    rng = np.random.default_rng(0)
    truth = (rng.random((200, 2)) < 0.5).astype(np.float32)
    p = np.clip(truth * 0.9 + 0.05 + rng.normal(0, 0.02, truth.shape), 0, 1)
    y = truth.copy()
    y[7, 0], y[9, 1] = 1 - y[7, 0], 1 - y[9, 1]
    task = Task("multilabel", ("cat", "dog"), "mAP")
    dataset = type(
        "Data", (), {"targets": y, "items": [type("Item", (), {"id": str(i)}) for i in range(200)]}
    )
    found = mistakes.label_errors(dataset, task, np.arange(200), p)  # type: ignore[arg-type]
    assert {one["row"] for one in found} == {7, 9}
    for one in found:
        name, on = ("cat", y[7, 0]) if one["row"] == 7 else ("dog", y[9, 1])
        assert (one["given"], one["suggested"]) == ((name, f"not {name}") if on else (f"not {name}", name))
    # two labels that are doubted are one item; a label that is not known from chance doubts nothing
    y[7] = 1 - truth[7]
    (swapped,) = (one for one in mistakes.label_errors(dataset, task, np.arange(200), p) if one["row"] == 7)  # type: ignore[arg-type]
    said = sorted(name if on else f"not {name}" for name, on in zip(task.labels, y[7], strict=True))
    assert sorted(swapped["given"].split(", ")) == said
    assert not mistakes.label_errors(dataset, task, np.arange(200), rng.random((200, 2)))  # type: ignore[arg-type]


# reliability


def boastful(made: Any, factor: float) -> None:
    """Logits of the shipped arm too large by a factor."""
    trial = made.trials[made.answer.winner]
    sharp = trial.predictions.array.astype(np.float64) ** factor
    sharp /= sharp.sum(axis=2, keepdims=True)
    made.trials[trial.arm] = replace(trial, predictions=sharp.astype(np.float32))


def test_the_temperature_of_a_fold_has_not_seen_it(make_run: Any) -> None:
    made = make_run(noise=1.0, per_class=60)
    boastful(made, 4)
    trial, split = made.trials[made.answer.winner], made.context.split
    found = reliability.reliability(made.experiment, trial)
    assert found is not None
    assert found["log_loss"] < found["log_loss_before"]
    assert found["ece"] < found["ece_before"]
    assert found["temperature"] > 1.5
    assert sum(one["count"] for one in found["bins"]) == len(split.development)
    for one in found["bins"]:
        seen = wilson(one["accuracy"] * one["count"], one["count"])
        assert (one["low"], one["high"]) == pytest.approx((seen.low, seen.high))
    rows = np.flatnonzero(trial.covered[0])
    y, p = (
        made.context.dataset.y[rows],
        np.clip(trial.predictions.array[0, rows].astype(np.float64), 1e-7, 1 - 1e-7),
    )
    p /= p.sum(axis=1, keepdims=True)
    total = 0.0
    for fold in (f for f in split.folds if f.repeat == 0):
        own = np.isin(rows, fold.test)
        t = calibration.fit_temperature(np.log(p[~own]), y[~own])
        soft = p[own] ** (1 / t)
        total -= np.log(soft[np.arange(own.sum()), y[own]] / soft.sum(axis=1)).sum()
    assert found["log_loss"] == pytest.approx(total / len(rows), abs=1e-9)


def test_a_single_hold_out_is_cross_fitted_in_parts_of_whole_groups(make_run: Any) -> None:
    def single(dataset: Any, split: Any) -> Any:
        fold = split.folds[0]
        groups = np.arange(len(dataset)) // 2
        return dataset, replace(split, folds=(Fold(0, fold.train, fold.test),), groups=groups)

    made = make_run(per_class=60, change=single)
    rows = made.context.split.folds[0].test
    part = first_repeat(made.experiment.split, rows)
    assert 2 <= len(np.unique(part)) <= 5
    for group in np.unique(rows // 2):
        assert len(np.unique(part[rows // 2 == group])) == 1
    found = panels.insight_of(made.result)
    assert sum(one["count"] for one in found["reliability"]["bins"]) == len(rows)


def test_perfect_probabilities_are_off_by_luck_alone() -> None:
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        top = rng.uniform(0.5, 1, 300)
        right = rng.random(300) < top
        bins = calibration.reliability(np.where(right, 0, 1), np.column_stack([top, 1 - top]))
        found.append((bins.ece, reliability.by_luck(bins)))
    seen, said = np.mean(found, axis=0)
    assert said == pytest.approx(seen, rel=0.1)


# layers and map


def test_depth_without_accuracy_is_skill(make_run: Any) -> None:
    made = make_run(kind="regression")
    probe = made.trials["tiny: probe"]
    found = depth.depth(made.experiment, made.context, probe)
    assert found is not None
    for row in found["rows"]:
        assert row["value"] == pytest.approx(1 - probe.choices["profile"][row["tap"]]["mse"])
    older = {tap: {"mse": one["mse"]} for tap, one in probe.choices["profile"].items()}
    again = depth.depth(
        made.experiment, made.context, replace(probe, choices={**probe.choices, "profile": older})
    )
    assert again is not None
    assert all(row["low"] is None for row in again["rows"])
    assert depth.depth(made.experiment, made.context, replace(probe, choices={"taps": []})) is None


def test_depth_of_classes(make_run: Any) -> None:
    made = make_run()
    probe, n = made.trials["tiny: probe"], len(made.context.split.development)
    found = depth.depth(made.experiment, made.context, probe)
    assert found is not None
    assert [row["tap"] for row in found["rows"]] == list(probe.choices["profile"])
    embedding = str(made.context.backbone("tiny").embedding)
    own = next(row for row in found["rows"] if row["tap"] == embedding)
    best = max(found["rows"], key=lambda row: row["value"])
    against = f"{words.value('accuracy', own['value'])} of its own embedding."
    assert found["sentence"].endswith(": its own embedding." if best is own else against)
    for row in found["rows"]:
        seen = wilson(row["value"] * n, n)
        assert (row["low"], row["high"]) == pytest.approx((seen.low, seen.high))
    y = made.context.dataset.y[made.context.split.development]
    assert found["chance"] == pytest.approx(np.bincount(y).max() / len(y))


def test_features_that_are_gone_cost_the_map_and_nothing_else(make_run: Any) -> None:
    made = make_run()
    made.context.extractor.gone = True
    found = panels.insight_of(made.result)
    assert found["map"] is None
    assert found["metrics"]
    assert [event.data["text"] for event in made.events if event.kind == "note"] == [
        "left out of the page: map (feature store tiny: its embedding is not stored)"
    ]


def test_without_a_network_there_is_no_map(make_run: Any) -> None:
    made = make_run()
    arm = replace(made.trials["tiny: finetune"], arm="pixels", strategy="pixels", source=None)
    made.trials = {"pixels": arm}
    made.answer = replace(made.answer, winner="pixels", rows=[replace(made.answer.rows[0], arm="pixels")])
    found = panels.insight_of(made.result)
    assert (found["arm"], found["map"], found["depth"]) == ("pixels", None, None)


def test_a_large_set_is_drawn_by_class() -> None:
    y = np.repeat([0, 1, 2], [3000, 1000, 2])
    shown = embedding_map.spread_sample(y, np.arange(4002), seed=0)
    assert len(shown) == len(set(shown.tolist())) == embedding_map.POINTS
    count = np.bincount(y[shown])
    assert count[2] >= 1
    assert count[0] / count[1] == pytest.approx(3, rel=0.02)
    assert len(embedding_map.spread_sample(None, np.arange(3000), seed=0)) == embedding_map.POINTS
    many = np.arange(3000) // 2
    assert (
        len(np.unique(many[embedding_map.spread_sample(many, np.arange(3000), seed=0)]))
        == embedding_map.POINTS
    )


def test_many_classes_stay_small() -> None:
    rng = np.random.default_rng(0)
    labels = tuple(f"a class with a long name, number {k}" for k in range(2000))
    p = rng.dirichlet(np.full(2000, 0.01), 3000).astype(np.float32)
    task = Task("classification", labels, "accuracy")
    found = files.plain(panels.confusion(task, rng.integers(0, 2000, 3000), p.astype(np.float64)))
    assert found["table"] is None
    assert len(found["pairs"]) == 20
    assert len(json.dumps(found, indent=2)) < 1_000_000


def test_what_the_time_does_not_suffice_for_is_left_out_and_told(make_run: Any) -> None:
    run = make_run()
    found = panels.insight_of(replace(run.result, budget=Budget(1.0)))
    assert (found["map"], found["learning_curve"], found["occlusion"]) == (None, None, None)
    assert found["metrics"] is not None
    told = [event.data["text"] for event in run.events if event.kind == "note"]
    assert told == ["left out of the page for want of time: map, learning curve, depth curve, occlusion"]

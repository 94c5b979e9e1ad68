from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, mean_absolute_error, precision_recall_fscore_support

from headstart import tasks
from headstart.cli.evaluate import table
from headstart.core.dataset import ArrayItem, Dataset, FileItem
from headstart.core.task import Task
from headstart.errors import DataError
from headstart.measure import intervals
from headstart.predict.evaluate import align, alike, evaluate, resampled
from headstart.predict.predictor import Predictor
from made.models import tiny_images, tiny_model, tiny_task

N = 60
IMAGES = tiny_images(N, seed=3)


def dataset(task: Task | None, y: np.ndarray | None, **columns: np.ndarray) -> Dataset:
    items = tuple(ArrayItem(f"item {i}", image.transpose(1, 2, 0)) for i, image in enumerate(IMAGES))
    return Dataset("tiny", "image", items, task, y, **columns)


def test_classification_against_scikit_learn() -> None:
    predictor = Predictor(tiny_model(), device="cpu")
    said = predictor.scores(IMAGES).argmax(axis=1)
    y = np.where(np.random.default_rng(0).random(N) < 0.7, said, 0)
    found = evaluate(predictor, dataset(tiny_task(), y))
    assert found.headline.metric == "accuracy"
    assert found.headline.value == pytest.approx((y == said).mean())
    np.testing.assert_array_equal(found.confusion, confusion_matrix(y, said, labels=[0, 1, 2]))
    precision, recall, f1, n = precision_recall_fscore_support(
        y, said, labels=[0, 1, 2], zero_division=np.nan
    )
    for column, expected in (("precision", precision), ("recall", recall), ("f1", f1), ("n", n)):
        got = [np.nan if row[column] is None else row[column] for row in found.per_class]
        np.testing.assert_allclose(got, expected)
    wilson = intervals.wilson((y == said).sum(), N)
    assert (found.headline.low, found.headline.high) == pytest.approx((wilson.low, wilson.high))
    assert found.headline.n == N
    for evidence in found.metrics.values():
        assert evidence.low <= evidence.value <= evidence.high
    json.dumps(found.to_json())


def test_the_calibration_error_lies_in_its_interval() -> None:
    """Drawn twice, an item is twice the same error: the plain bootstrap lay above the value."""
    predictor = Predictor(tiny_model(temperature=0.5), device="cpu")
    y = np.random.default_rng(1).integers(3, size=N)
    found = evaluate(predictor, dataset(tiny_task(), y)).metrics["ECE"]
    assert found.low < found.value < found.high


def test_labels_are_matched_by_name() -> None:
    predictor = Predictor(tiny_model(), device="cpu")
    said = predictor.scores(IMAGES).argmax(axis=1)
    straight = evaluate(predictor, dataset(tiny_task(), said))
    other = tiny_task(labels=["wasp", "ant", "bee", "never used"])
    turned = evaluate(predictor, dataset(other, np.array([1, 2, 0])[said]))
    assert straight.headline.value == turned.headline.value == 1.0
    np.testing.assert_array_equal(straight.confusion, turned.confusion)


def test_labels_the_model_does_not_know_are_named() -> None:
    data = dataset(tiny_task(labels=["ant", "beee", "hornet"]), np.arange(N) % 3)
    with pytest.raises(
        DataError, match=r"does not know 2 of its labels: 'beee', 'hornet'; did you mean 'bee'"
    ):
        evaluate(tiny_model(), data)


@pytest.mark.parametrize(
    ("model", "data", "y"),
    [("regression", "classification", np.zeros(N, np.int64)), ("classification", "regression", np.zeros(N))],
)
def test_another_kind_of_task_is_refused(model: str, data: str, y: np.ndarray) -> None:
    with pytest.raises(DataError, match=f"its labels are for {data}, and this model is for {model}"):
        evaluate(tiny_model(task=tiny_task(model)), dataset(tiny_task(data), y))


def test_data_without_labels_is_refused() -> None:
    with pytest.raises(DataError, match="no labels"):
        evaluate(tiny_model(), dataset(None, None))
    with pytest.raises(DataError, match="no labels"):
        evaluate(tiny_model(), dataset(tiny_task(), np.full(N, -1)))


def test_multilabel_takes_data_of_both_kinds() -> None:
    task = tiny_task("multilabel")
    predictor = Predictor(tiny_model(task=task), device="cpu")
    truth = (predictor.scores(IMAGES) >= 0.5).astype(np.float32)
    found = evaluate(predictor, dataset(task, truth))
    assert found.headline.metric == "mAP"
    assert found.headline.value == pytest.approx(1.0)
    assert found.confusion is None
    single = align(dataset(tiny_task(), np.arange(N) % 3), task)
    np.testing.assert_array_equal(single, np.eye(3)[np.arange(N) % 3])


@pytest.mark.parametrize(
    ("known", "given"),
    [
        (["0", "1"], ["0.0", "1.0"]),
        (["0.0", "1.0"], ["0", "1"]),
        (["false", "true"], ["False", "True"]),
        (["caf\u00e9", "x"], ["cafe\u0301", "x"]),
    ],
)
def test_labels_in_another_form_are_the_same(known: list[str], given: list[str]) -> None:
    y = np.arange(N) % 2
    found = align(dataset(tiny_task(labels=given), y), tiny_task(labels=known))
    np.testing.assert_array_equal(found, y)


@pytest.mark.parametrize("form", ["{} {}", "{}, {}", "{};{}", "{}/{}"])
def test_several_labels_in_a_name_are_those_of_the_model(form: str) -> None:
    task = tiny_task("multilabel", labels=["bad", "good", "late"])
    labels = [form.format("good", "late"), "bad", form.format("bad", "late")]
    found = align(dataset(tiny_task(labels=labels), np.arange(N) % 3), task)
    np.testing.assert_array_equal(found[:3], [[0, 1, 1], [1, 0, 0], [1, 0, 1]])


def test_regression() -> None:
    task = tiny_task("regression")
    predictor = Predictor(tiny_model(task=task), device="cpu")
    said = predictor.scores(IMAGES)[:, 0].astype(np.float64)
    y = said + np.random.default_rng(1).normal(size=N)
    found = evaluate(predictor, dataset(task, y))
    assert found.headline.value == pytest.approx(mean_absolute_error(y, said))
    assert 0 < found.headline.low < found.headline.value < found.headline.high
    assert found.per_class == ()


def test_rows_without_labels_and_unreadable_items_do_not_count(tmp_path: Path) -> None:
    predictor = Predictor(tiny_model(), device="cpu")
    said = predictor.scores(IMAGES).argmax(axis=1)
    data = dataset(tiny_task(), np.where(np.arange(N) < 10, -1, said))
    data = replace(data, items=(*data.items[:-1], FileItem("gone", tmp_path / "gone.jpg")))
    # the fingerprint reads every item, so it is taken before the last one is lost
    data.__dict__["fingerprint"] = "known"
    found = evaluate(predictor, data)
    assert found.headline.n == N - 11
    assert found.unlabelled == 10
    assert found.unreadable == (("gone", "no such file"),)
    assert found.headline.value == 1.0


def test_groups_widen_the_interval() -> None:
    predictor = Predictor(tiny_model(), device="cpu")
    said = predictor.scores(IMAGES).argmax(axis=1)
    groups = np.repeat(np.arange(6), 10)
    y = np.where(groups < 4, said, (said + 1) % 3)
    alone = evaluate(predictor, dataset(tiny_task(), y)).headline
    found = evaluate(predictor, dataset(tiny_task(), y, groups=groups))
    grouped = found.headline
    assert (grouped.n, grouped.unit, found.items) == (6, "groups", N)
    assert (alone.n, alone.unit) == (N, "items")
    said_of = found.to_json()
    assert (said_of["n"], said_of["unit"], said_of["items"]) == (6, "groups", N)
    assert next(table(found, "tiny", "test")) == f"data      tiny, test part: {N} items in 6 groups\n"
    assert grouped.high - grouped.low > 1.5 * (alone.high - alone.low)
    assert "groups" in grouped.method


def test_the_headline_is_not_resampled_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """mAP is recomputed on every resample: 2,000 of 100,000 items and 80 labels took minutes."""
    task, drawn = tiny_task("multilabel"), []
    score = tasks.score_of(task)
    resampled = type(score).resampled

    def counted(self: Any, y: np.ndarray, predictions: np.ndarray, weights: np.ndarray) -> np.ndarray:
        drawn.append(len(weights))
        return resampled(self, y, predictions, weights)

    monkeypatch.setattr(type(score), "resampled", counted)
    truth = (np.random.default_rng(0).random((N, 3)) < 0.4).astype(np.float32)
    full = evaluate(tiny_model(task=task), dataset(task, truth)).headline
    assert sum(drawn) == 2000
    drawn.clear()
    monkeypatch.setattr("headstart.predict.evaluate.WORK", 150 * truth.size)
    fewer = evaluate(tiny_model(task=task), dataset(task, truth)).headline
    assert sum(drawn) == 150
    assert (fewer.low, fewer.high) == pytest.approx((full.low, full.high), abs=0.05)


def test_training_data_is_recognised() -> None:
    data = dataset(tiny_task(), np.arange(N) % 3)
    model = replace(tiny_model(), evidence={"data": {"fingerprint": data.fingerprint}})
    assert "trained on this very data" in evaluate(model, data).notes[0]
    part = data.subset(np.arange(N // 2))
    model = replace(tiny_model(), evidence={"data": {"fingerprint": "all", "learnt": part.fingerprint}})
    assert "trained on this very data" in evaluate(model, part).notes[0]
    assert evaluate(tiny_model(), data).notes == ()


def test_the_same_seed_gives_the_same_record() -> None:
    data = dataset(tiny_task(), np.arange(N) % 3)

    def record() -> dict:
        found = evaluate(tiny_model(), data, seed=4).to_json()
        for evidence in (found["headline"], *found["metrics"].values()):
            del evidence["cost"]
        return found

    assert record() == record()


def test_one_number_is_no_mistake() -> None:
    task = Task("regression", ("weight",), "MAE", False)
    assert "all items are labelled 2.5" in alike(task, np.array([2.5]))[0]
    assert not alike(task, np.array([2.5, 3.5]))


@pytest.mark.parametrize(
    ("kind", "outputs"), [("classification", 2), ("classification", 4), ("multilabel", 3)]
)
def test_means_over_labels_are_resampled_at_once_as_one_by_one(
    monkeypatch: pytest.MonkeyPatch, kind: str, outputs: int
) -> None:
    rng = np.random.default_rng(0)
    task = Task(kind, tuple("abcd"[:outputs]), next(iter(tasks.get(kind).scores)))
    p = rng.random((40, outputs)).round(1)  # equals among them
    y = rng.integers(0, outputs, 40) if kind == "classification" else rng.integers(0, 2, (40, outputs))
    parts = [(np.arange(40), p), (np.arange(0, 40, 2), p[::2])]  # a few resamples lose a label
    methods = tasks.get(kind)
    for unit in (np.arange(40), np.arange(40) // 8):
        at_once = resampled(task, parts, y, unit, count=60, seed=0)
        with monkeypatch.context() as patch:
            patch.setattr(type(methods), "over_labels_resampled", lambda *_: {})
            alone = resampled(task, parts, y, unit, count=60, seed=0)
        assert at_once.keys() == alone.keys()
        for name, values in alone.items():
            np.testing.assert_array_equal(at_once[name], values, err_msg=name)

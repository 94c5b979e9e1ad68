from __future__ import annotations

import json
import subprocess
import sys

import numpy as np
import pytest

from headstart import tasks
from headstart.core.task import Task
from headstart.errors import UnknownName
from headstart.tasks.base import Confidence, Labels

KINDS = sorted(kind for kind in tasks.TASKS if not tasks.get(kind).form)  # not [N, K]


def example(kind: str, n: int = 40, outputs: int = 3, seed: int = 0):
    """(task, targets, features) of a kind."""
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(n, 6))
    if kind == "classification":
        return make(kind, outputs), (features[:, :outputs]).argmax(axis=1), features
    if kind == "multilabel":
        return make(kind, outputs), (features[:, :outputs] > 0).astype(np.float32), features
    return make(kind, 1), 3 + 2 * features[:, 0], features


def make(kind: str, outputs: int) -> Task:
    return tasks.get(kind).make_task([f"label {i}" for i in range(outputs)])


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_keeps_its_contract(kind: str) -> None:
    task, y, features = example(kind)
    methods = tasks.for_task(task)
    assert methods.kind == task.kind == kind
    linear = methods.fit_linear(features, y, outputs=task.outputs)
    assert linear.weight.shape == (task.outputs, 6)
    assert linear.weight.dtype == linear.bias.dtype == np.float64
    predictions = methods.activate(linear.logits(features))
    assert predictions.shape == (40, task.outputs)
    assert len(methods.decode(task, predictions)) == 40
    constant = methods.activate(methods.constant(y, task.outputs)[None].repeat(40, axis=0))
    sign = 1 if task.higher_is_better else -1
    score = tasks.score_of(task)
    ours, floor = score.value(y, predictions), score.value(y, constant)
    assert sign * ours > sign * floor
    found = methods.metrics(task, y, predictions)
    assert found[task.metric] == pytest.approx(ours)
    assert all(np.isfinite(value) for value in found.values())
    shares = score.per_item(y, predictions)
    if shares is not None:
        assert shares.shape == (40,)
        assert shares.mean() == pytest.approx(sign * ours)
    again = score.resampled(y, predictions, np.ones((2, 40)))
    np.testing.assert_allclose(again, sign * ours)


@pytest.mark.parametrize("kind", KINDS)
def test_tensors_agree_with_arrays(kind: str) -> None:
    import torch

    task, y, features = example(kind)
    methods = tasks.get(kind)
    offset, scale = methods.scaling(y, task.outputs)
    assert offset.shape == scale.shape == (task.outputs,)
    z = torch.from_numpy(features[:, : task.outputs]).requires_grad_()
    targets = torch.from_numpy(methods.targets(y, offset, scale))
    loss = methods.loss(z, targets)
    assert loss.shape == (40,)
    assert (methods.loss(z, targets, smoothing=0.1) >= 0).all()
    loss.mean().backward()
    assert z.grad is not None
    arrays = methods.activate(features[:, : task.outputs])
    np.testing.assert_allclose(methods.activate_tensor(z).detach().numpy(), arrays, atol=1e-12)
    reference = {"classification": "log loss", "multilabel": "log loss"}.get(kind)
    if reference:
        found = methods.metrics(task, y, arrays)[reference]
        assert float(loss.detach().mean()) == pytest.approx(found, abs=1e-6)


def test_regression_targets_are_standardised_and_undone() -> None:
    methods = tasks.get("regression")
    y = np.array([1.0, 3.0, 8.0])
    offset, scale = methods.scaling(y, 1)
    targets = methods.targets(y, offset, scale)
    assert targets.shape == (3, 1)
    assert targets.dtype == np.float32
    np.testing.assert_allclose(targets[:, 0] * scale + offset, y, rtol=1e-6)
    assert methods.scaling(np.full(3, 7.0), 1)[1][0] == 1.0
    assert methods.constant(y, 1)[0] == 3.0


def test_ties_go_to_the_first() -> None:
    methods = tasks.get("classification")
    flat = np.full((2, 3), 1 / 3)
    assert methods.decode(make("classification", 3), flat) == ["label 0", "label 0"]
    np.testing.assert_array_equal(methods.scores["accuracy"].per_item(np.array([0, 1]), flat), [1, 0])


def test_decoding() -> None:
    many = tasks.get("multilabel").decode(make("multilabel", 3), np.array([[0.6, 0.5, 0.4], [0, 0, 0]]))
    assert many == [["label 0", "label 1"], []]
    assert tasks.get("regression").decode(make("regression", 1), np.array([[1.5]])) == [1.5]


def test_class_priors_are_smoothed() -> None:
    prior = np.exp(tasks.get("classification").constant(np.array([0, 0, 1]), 3))
    np.testing.assert_allclose(prior, np.array([2.5, 1.5, 0.5]) / 4.5)


def test_unknown_kind_suggests_a_near_one() -> None:
    with pytest.raises(UnknownName, match="did you mean 'regression'"):
        tasks.get("regresion")


def test_tasks_import_without_torch() -> None:
    code = (
        "import sys; from headstart import tasks; [tasks.get(k) for k in tasks.TASKS];"
        "assert not {'torch', 'sklearn', 'scipy'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def predicted(kind: str) -> tuple[Task, np.ndarray, np.ndarray]:
    """(task, targets, predictions that are right more often than not)."""
    task, y, features = example(kind)
    noisy = features[:, : task.outputs] * 3 + np.random.default_rng(1).normal(size=(len(y), task.outputs))
    return task, y, tasks.get(kind).activate(noisy)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("top", [None, 1, 2, 9])
def test_answers_are_told_in_the_same_columns_for_every_item(kind: str, top: int | None) -> None:
    task, y, predictions = predicted(kind)
    methods = tasks.get(kind)
    columns = list(methods.cells(task, None, np.zeros(task.outputs), top))
    for answer, scores in zip(methods.decode(task, predictions), predictions.astype(np.float32), strict=True):
        cells = methods.cells(task, answer, scores, top)
        assert list(cells) == columns
        said = json.loads(json.dumps(methods.to_json(task, answer, scores, top)))
        assert len(methods.line(task, answer, scores, top)) == len(methods.head(top)) == 2
        best = list(said.get("probabilities", {}).values())
        assert best == sorted(best, reverse=True)
        assert len(best) == (min(top or 9, 3) if isinstance(methods, Labels) else 0)
    assert type(methods.value(task, y[0])) is type(methods.decode(task, predictions)[0])


def test_what_is_held_back_has_no_label_but_its_scores() -> None:
    task, _, predictions = predicted("classification")
    cells = tasks.for_task(task).cells(task, None, predictions[0], None)
    assert cells["label"] == ""
    assert cells["probability"] == pytest.approx(predictions[0].max(), abs=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_the_truth_is_no_mistake(kind: str) -> None:
    task, y, predictions = predicted(kind)
    methods = tasks.get(kind)
    labelled = isinstance(methods, Labels)
    truth = methods.membership(y, task.outputs).astype(float) if labelled else y[:, None]
    assert not methods.wrong(y, truth).any()
    assert not methods.off(y, truth).any()
    assert methods.errors(y, truth) == (0 if labelled else len(y))
    assert methods.wrong(y, predictions).any()
    assert methods.errors(y, predictions) > 0
    assert methods.mean_loss(y, truth) < methods.mean_loss(y, predictions)
    if labelled:
        assert np.array_equal(methods.decided(truth), truth > 0)
        assert methods.doubts(task.labels, y, truth) == []


@pytest.mark.parametrize("kind", ["classification", "multilabel"])
def test_a_flipped_label_is_doubted_first(kind: str) -> None:
    task, y, _ = example(kind, n=200)
    methods = tasks.get(kind)
    assert isinstance(methods, Labels)
    p = np.clip(methods.membership(y, task.outputs).astype(float), 0.05, 0.9)
    p = p / p.sum(axis=1, keepdims=True) if methods.exclusive else p
    y = y.copy()
    y[7] = (y[7] + 1) % 3 if methods.exclusive else 1 - y[7]
    row, doubt = methods.doubts(task.labels, y, p)[0]
    assert row == 7
    assert doubt["p_given"] < doubt["p_suggested"]
    assert doubt["given"] != doubt["suggested"]


@pytest.mark.parametrize("kind", KINDS)
def test_labels_in_another_order_are_the_same_labels(kind: str) -> None:
    task, y, _ = example(kind)
    methods = tasks.get(kind)
    order = [2, 0, 1][: task.outputs] if task.outputs > 1 else [0]
    there = methods.renumbered(y, {i: [place] for i, place in enumerate(order)}, task.outputs)
    back = methods.renumbered(there, {place: [i] for i, place in enumerate(order)}, task.outputs)
    np.testing.assert_array_equal(back, y)
    assert there.dtype == y.dtype
    if isinstance(methods, Labels):
        np.testing.assert_array_equal(methods.membership(there, 3)[:, order], methods.membership(y, 3))


def test_one_label_an_item_is_several_of_which_there_is_one() -> None:
    found = tasks.get("multilabel").renumbered(np.array([0, 1, 0]), {0: [1], 1: [0, 2]}, 3)
    np.testing.assert_array_equal(found, [[0, 1, 0], [1, 0, 1], [0, 1, 0]])


@pytest.mark.parametrize("kind", KINDS)
def test_temperature_and_chance(kind: str) -> None:
    task, y, predictions = predicted(kind)
    methods = tasks.get(kind)
    temperature = methods.temperature(y, predictions)
    assert (temperature == 1) is not isinstance(methods, Confidence)
    soft = methods.softened(predictions, temperature)
    np.testing.assert_allclose(methods.softened(predictions, 1.0), predictions, atol=1e-6)
    assert methods.mean_loss(y, soft) <= methods.mean_loss(y, predictions)
    targets = methods.ridge_targets(y, task.outputs)
    assert methods.chance(y)[1] == pytest.approx(targets.var(axis=0).sum())
    assert methods.ridge_targets(np.arange(100.0) if kind == "regression" else y, task.outputs).ndim == 2


def test_strata() -> None:
    assert tasks.get("classification").strata(np.array([2, 0])) == [[2], [0]]
    assert tasks.get("multilabel").strata(np.array([[1, 0, 1], [0, 0, 0]])) == [[-1, 0, 2], [-1]]
    assert tasks.get("regression").strata(np.array([5.0, 1, 4, 2, 3]), 2) == [[1], [0], [1], [0], [0]]


def test_the_penalty_of_a_probe_for_single_rows() -> None:
    logistic, ridge = tasks.get("classification"), tasks.get("regression")
    usual = logistic.penalty_for(None, False, 10, 4)
    assert logistic.penalty_for(0.5, False, 10, 4) == 2.0
    assert logistic.penalty_for(0.5, True, 10, 4) == usual  # lambda is no C
    assert ridge.penalty_for(8.0, True, 10, 4) == ridge.penalty_for(8.0, False, 10, 4) == 2.0
    assert ridge.penalty_for(None, True, 10, 4) == 10.0

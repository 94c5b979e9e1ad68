from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from headstart import tasks
from headstart.core.task import Task
from headstart.errors import UnknownName

KINDS = sorted(tasks.TASKS)


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
    ours, floor = methods.headline(y, predictions), methods.headline(y, constant)
    assert sign * ours > sign * floor
    found = methods.metrics(task, y, predictions)
    assert found[task.metric] == pytest.approx(ours)
    assert all(np.isfinite(value) for value in found.values())
    shares = methods.per_item(y, predictions)
    if shares is not None:
        assert shares.shape == (40,)
        assert shares.mean() == pytest.approx(sign * ours)
    again = methods.resampled(y, predictions, np.ones((2, 40)))
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
    np.testing.assert_array_equal(methods.per_item(np.array([0, 1]), flat), [1, 0])


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

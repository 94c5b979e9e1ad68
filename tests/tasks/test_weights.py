"""Rows that count as often as their weights say, against scikit-learn and against the rows written out."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from headstart import tasks

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 5)) * [1, 2, 0.5, 3, 1]
CLASSES = (X[:, 0] + RNG.normal(size=60) > 0).astype(np.int64) + (X[:, 1] > 2)
SETS = (X[:, :2] + RNG.normal(size=(60, 2)) > 0).astype(np.float32)
NUMBERS = X[:, 0] - 0.2 * X[:, 3] + RNG.normal(size=60)
TARGETS = {"classification": (CLASSES, 3), "multilabel": (SETS, 2), "regression": (NUMBERS, 1)}
TWICE = RNG.integers(1, 4, 60)


@pytest.mark.parametrize("kind", TARGETS)
def test_a_weight_of_two_is_the_row_twice(kind: str) -> None:
    y, outputs = TARGETS[kind]
    methods, fixed = tasks.get(kind), {"outputs": outputs, "penalties": [0.3]}
    weighted = methods.fit_linear(X, y, weights=TWICE.astype(float), **fixed)  # type: ignore[arg-type]
    written = methods.fit_linear(np.repeat(X, TWICE, axis=0), np.repeat(y, TWICE, axis=0), **fixed)  # type: ignore[arg-type]
    np.testing.assert_allclose(weighted.weight, written.weight, atol=2e-4)
    np.testing.assert_allclose(weighted.bias, written.bias, atol=2e-4)


@pytest.mark.parametrize("kind", TARGETS)
def test_weights_of_one_change_nothing(kind: str) -> None:
    y, outputs = TARGETS[kind]
    plain, ones = (
        tasks.get(kind).fit_linear(X, y, outputs=outputs, weights=weights) for weights in (None, np.ones(60))
    )
    np.testing.assert_allclose(ones.logits(X), plain.logits(X), atol=0.05)


def test_as_scikit_learn_has_it() -> None:
    weights = RNG.uniform(0.1, 3.0, 60)
    z = (X - np.average(X, axis=0, weights=weights)) / np.sqrt(
        np.average((X - np.average(X, axis=0, weights=weights)) ** 2, axis=0, weights=weights)
    )
    own = tasks.get("classification").fit_linear(X, CLASSES, outputs=3, penalties=[0.3], weights=weights)
    other: Any = LogisticRegression(C=0.3, tol=1e-8, max_iter=5000).fit(z, CLASSES, sample_weight=weights)
    p = other.predict_proba(z)
    np.testing.assert_allclose(tasks.get("classification").activate(own.logits(X)), p, atol=2e-3)
    values = tasks.get("regression").fit_linear(X, NUMBERS, outputs=1, penalties=[2.0], weights=weights)
    ridge: Any = Ridge(alpha=2.0).fit(z, NUMBERS, sample_weight=weights)
    np.testing.assert_allclose(values.logits(X)[:, 0], ridge.predict(z), atol=1e-6)


def test_heavy_classes_are_said_more_often() -> None:
    rare = np.zeros(60, np.int64)
    rare[np.argsort(X[:, 0])[-6:]] = 1
    plain = tasks.get("classification").fit_linear(X[:, 1:], rare, outputs=2)
    heavy = tasks.get("classification").fit_linear(
        X[:, 1:], rare, outputs=2, weights=np.where(rare, 10.0, 1.0)
    )
    said = [int((linear.logits(X[:, 1:]).argmax(axis=1) == 1).sum()) for linear in (plain, heavy)]
    assert said[1] > said[0]


def test_a_metric_that_counts_classes_alike_weighs_them_alike() -> None:
    methods = tasks.get("classification")
    task, y = methods.make_task(["a", "b", "c"]), np.array([0, 0, 0, 1])
    assert methods.weights(task, y) is None
    found = methods.weights(tasks.judged_by(task, "balanced-accuracy"), y)
    np.testing.assert_allclose(found, [2 / 3, 2 / 3, 2 / 3, 2])  # type: ignore[arg-type]
    assert tasks.get("regression").weights(tasks.get("regression").make_task(["y"]), NUMBERS) is None

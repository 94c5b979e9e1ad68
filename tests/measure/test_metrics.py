from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn import metrics as reference

from headstart.measure import metrics, multilabel
from headstart.measure.metrics import known_mean


@st.composite
def problems(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities with ties, absent classes and single classes."""
    rows, classes = draw(st.integers(1, 12)), draw(st.integers(2, 5))
    y = draw(arrays(np.int64, rows, elements=st.integers(0, classes - 1)))
    raw = draw(arrays(np.int64, (rows, classes), elements=st.integers(0, 3))) + 0.25
    return y, raw / raw.sum(axis=1, keepdims=True)


def quietly(call):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call()


@given(problems())
@settings(max_examples=60, deadline=None)
def test_agrees_with_scikit_learn(problem: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = problem
    labels = np.arange(p.shape[1])
    said = p.argmax(axis=1)
    near = {"abs": 1e-9}
    assert np.mean(metrics.decide(p) == y) == pytest.approx(reference.accuracy_score(y, said), **near)
    balanced = quietly(lambda: reference.balanced_accuracy_score(y, said))
    assert metrics.known_mean(metrics.recalls(y, p)) == pytest.approx(balanced, **near)
    f1 = reference.f1_score(y, said, average="macro", zero_division=0)
    assert metrics.known_mean(metrics.f1s(y, p)) == pytest.approx(f1, **near)
    assert metrics.log_loss(y, p) == pytest.approx(reference.log_loss(y, p, labels=labels), **near)
    np.testing.assert_array_equal(metrics.confusion(y, p), reference.confusion_matrix(y, said, labels=labels))
    if p.shape[1] > 2:
        brier = reference.brier_score_loss(y, p, labels=labels)
        assert metrics.brier(y, p) == pytest.approx(brier, **near)
    else:
        brier = reference.brier_score_loss(y, p[:, 1], labels=[0, 1], pos_label=1)
        assert metrics.brier(y, p) == pytest.approx(brier, **near)


@given(problems())
@settings(max_examples=60, deadline=None)
def test_auroc_agrees_where_scikit_learn_has_it(problem: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = problem
    areas = [
        reference.roc_auc_score(y == c, p[:, c]) for c in range(p.shape[1]) if 0 < (y == c).sum() < len(y)
    ]
    if p.shape[1] == 2:
        areas = areas[1:]
    expected = np.mean(areas) if areas else np.nan
    assert metrics.known_mean(metrics.aurocs(y, p)) == pytest.approx(expected, abs=1e-9, nan_ok=True)


def test_top_k_agrees_without_ties_and_counts_the_first_of_equals() -> None:
    rng = np.random.default_rng(0)
    y, p = rng.integers(0, 8, 60), rng.random((60, 8))
    expected = reference.top_k_accuracy_score(y, p, k=3, labels=np.arange(8))
    assert metrics.top_k(y, p, 3) == pytest.approx(expected, abs=1e-12)
    flat = np.full((3, 4), 0.25)
    assert metrics.top_k(np.array([0, 1, 2]), flat, 2) == pytest.approx(2 / 3)
    assert metrics.top_k(np.array([0, 1, 2]), flat, 1) == pytest.approx(1 / 3)


@given(
    arrays(np.int64, st.tuples(st.integers(1, 10), st.integers(2, 5)), elements=st.integers(0, 1)),
    st.integers(0, 2**31),
)
@settings(max_examples=60, deadline=None)
def test_multi_label_agrees_with_scikit_learn(y: np.ndarray, seed: int) -> None:
    p = np.random.default_rng(seed).integers(0, 5, y.shape) / 4  # many ties
    some = y.any(axis=0)
    if some.any():
        expected = np.mean(
            [reference.average_precision_score(y[:, c], p[:, c]) for c in np.flatnonzero(some)]
        )
        assert known_mean(multilabel.average_precisions(y, p)) == pytest.approx(expected, abs=1e-9)
    else:
        assert np.isnan(known_mean(multilabel.average_precisions(y, p)))
    said = (p >= 0.5).astype(int)
    each = reference.f1_score(y, said, average=None, zero_division=0)
    assert multilabel.f1s(y, p) == pytest.approx(each, abs=1e-9)
    expected = reference.f1_score(y, said, average="micro", zero_division=0)
    above, below = multilabel.micro_f1(y, p).sum(axis=0)
    assert (above / below if below else 0.0) == pytest.approx(expected, abs=1e-9)
    expected = reference.label_ranking_average_precision_score(y, p)
    assert multilabel.lrap(y, p) == pytest.approx(expected, abs=1e-9)
    expected = np.mean([reference.log_loss(y[:, c], p[:, c], labels=[0, 1]) for c in range(y.shape[1])])
    assert multilabel.log_loss(y, p) == pytest.approx(expected, abs=1e-9)
    both = some & ~y.all(axis=0)
    if both.any():
        expected = np.mean([reference.roc_auc_score(y[:, c], p[:, c]) for c in np.flatnonzero(both)])
        assert metrics.known_mean(multilabel.aurocs(y, p)) == pytest.approx(expected, abs=1e-9)


def test_weights_stand_for_repeated_items() -> None:
    rng = np.random.default_rng(1)
    y, p = rng.integers(0, 2, (30, 4)), np.round(rng.random((30, 4)), 1)
    weights = rng.integers(0, 4, (6, 30))
    found = multilabel.resampled_map(y, p, weights)
    for row, value in zip(weights, found, strict=True):
        repeated = np.repeat(np.arange(30), row)
        assert value == pytest.approx(
            known_mean(multilabel.average_precisions(y[repeated], p[repeated])), abs=1e-12
        )


def test_regression_agrees_with_scikit_learn() -> None:
    rng = np.random.default_rng(2)
    y, value = rng.normal(size=40), rng.normal(size=40)
    assert metrics.rmse(y, value) == pytest.approx(reference.root_mean_squared_error(y, value), abs=1e-12)
    assert metrics.r2(y, value) == pytest.approx(reference.r2_score(y, value), abs=1e-12)
    assert np.isnan(metrics.r2(np.ones(4), value[:4]))
    assert np.isnan(metrics.r2(y[:1], value[:1]))

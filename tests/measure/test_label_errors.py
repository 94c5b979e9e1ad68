from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from headstart.measure.label_errors import confident_classes, suspects, thresholds


def flipped(y: np.ndarray, classes: int, share: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(labels with some replaced by another class, rows that were)."""
    rng = np.random.default_rng(seed)
    rows = rng.permutation(len(y))[: int(share * len(y))]
    given = y.copy()
    given[rows] = (y[rows] + rng.integers(1, classes, len(rows))) % classes
    return given, rows


def simulated(y: np.ndarray, classes: int, sharpness: float, seed: int) -> np.ndarray:
    """Probabilities of a model that knows the truth more or less."""
    logits = sharpness * np.eye(classes)[y] + np.random.default_rng(seed).normal(size=(len(y), classes))
    odds = np.exp(logits)
    return odds / odds.sum(axis=1, keepdims=True)


def test_the_joint_by_hand() -> None:
    y = np.array([0, 0, 0, 1, 1])
    p = np.array([[0.9, 0.1], [0.7, 0.3], [0.2, 0.8], [0.1, 0.9], [0.4, 0.6]])
    np.testing.assert_allclose(thresholds(y, p), [0.6, 0.75])
    assert confident_classes(y, p).tolist() == [0, 0, 1, 1, -1]  # the last row is of no class
    found = suspects(y, p)
    assert (found.rows.tolist(), found.suggested.tolist()) == ([2], [1])
    assert found.margin[0] == pytest.approx(0.2 - 0.8)


@pytest.mark.parametrize("share", [0.02, 0.05, 0.2])
def test_planted_errors_are_found(share: float) -> None:
    truth = np.random.default_rng(0).integers(0, 5, 2000)
    given, rows = flipped(truth, 5, share, seed=1)
    found = suspects(given, simulated(truth, 5, sharpness=5, seed=2))
    hits = np.isin(found.rows, rows)
    assert hits.mean() > 0.9
    assert hits.sum() > 0.65 * len(rows)
    assert np.isin(found.rows[:24], rows).all()
    assert (found.suggested[hits] == truth[found.rows[hits]]).mean() > 0.95


def test_clean_separable_data_is_left_alone() -> None:
    truth = np.random.default_rng(0).integers(0, 5, 2000)
    assert len(suspects(truth, simulated(truth, 5, sharpness=12, seed=2))) == 0
    assert len(suspects(truth, simulated(truth, 5, sharpness=6, seed=2))) < 10


def test_a_linear_model_of_handwriting_finds_what_was_flipped() -> None:
    x, truth = load_digits(return_X_y=True)
    x, truth = x[:900] / 4, truth[:900]
    given, rows = flipped(truth, 10, 0.05, seed=0)
    model = LogisticRegression(C=0.01, max_iter=1000)
    found = suspects(given, cross_val_predict(model, x, given, cv=5, method="predict_proba"))
    hits = np.isin(found.rows, rows)
    assert hits.mean() > 0.6
    assert hits.sum() > 0.4 * len(rows)
    assert hits[:10].mean() > 0.8
    clean = suspects(truth, cross_val_predict(model, x, truth, cv=5, method="predict_proba"))
    assert len(clean) < 0.02 * len(truth)


@given(st.integers(0, 2**31), st.integers(2, 5), st.integers(0, 30))
@settings(max_examples=60, deadline=None)
def test_what_always_holds(seed: int, classes: int, rows: int) -> None:
    rng = np.random.default_rng(seed)
    y, p = rng.integers(0, classes, rows), rng.dirichlet(np.ones(classes), rows)
    found = suspects(y, p)
    assert (np.diff(found.margin) >= 0).all()
    assert (found.margin < 0).all()
    assert (found.suggested != y[found.rows]).all()
    assert np.isin(found.suggested, y).all()  # a class that nobody gave is not suggested
    assert len(np.unique(found.rows)) == len(found)
    if rows:
        confident = confident_classes(y, p)
        assert np.isin(found.rows, np.flatnonzero((confident >= 0) & (confident != y))).all()

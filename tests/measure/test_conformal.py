from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from headstart.measure.conformal import confidence_for_risk, label_sets, least_probability, upper_bound


def simulated(n: int, seed: int, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Labels drawn from their stated probabilities."""
    rng = np.random.default_rng(seed)
    p = rng.dirichlet(np.ones(classes) * 0.15, n)
    y = np.array([rng.choice(classes, p=row / row.sum()) for row in p])
    return y, p


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
def test_sets_hold_the_truth_as_often_as_promised(coverage: float) -> None:
    hits = []
    for seed in range(60):
        y, p = simulated(300, seed)
        least = least_probability(p[:100][np.arange(100), y[:100]], coverage)
        hits.append(label_sets(p[100:], least)[np.arange(200), y[100:]].mean())
    assert coverage - 0.01 < np.mean(hits) < coverage + 0.03


@given(st.integers(1, 40), st.floats(0.01, 0.99), st.integers(0, 100))
def test_the_threshold_leaves_out_few_enough(n: int, coverage: float, seed: int) -> None:
    true = np.random.default_rng(seed).random(n)
    least = least_probability(true, coverage)
    assert (true >= least).sum() >= min(n, (n + 1) * coverage - 1e-9)


def test_too_few_items_give_every_label() -> None:
    assert least_probability(np.array([0.9] * 5), 0.9) == 0.0
    assert label_sets(np.array([[0.7, 0.3]]), 0.0).all()


def test_no_set_is_empty() -> None:
    assert label_sets(np.array([[0.4, 0.35, 0.25]]), 0.9).tolist() == [[True, False, False]]


@given(st.integers(0, 30), st.integers(1, 60), st.sampled_from([0.9, 0.95, 0.99]))
def test_the_bound_is_that_of_scipy(wrong: int, n: int, level: float) -> None:
    wrong = min(wrong, n)
    theirs = binomtest(wrong, n, alternative="less").proportion_ci(level, method="exact").high
    assert upper_bound(wrong, n, level) == pytest.approx(theirs)


def test_the_risk_is_kept_in_19_of_20_draws() -> None:
    broken, answered = 0, []
    for seed in range(60):
        y, p = simulated(1500, seed)
        sure, right = p.max(axis=1), p.argmax(axis=1) == y
        surest = confidence_for_risk(sure, right, 0.1)
        if surest is not None:
            given_answers = sure >= surest
            answered.append(given_answers.mean())
        y, p = simulated(5000, 1000 + seed)
        kept = p.max(axis=1) >= surest if surest is not None else np.zeros(5000, bool)
        broken += kept.any() and (p.argmax(axis=1) != y)[kept].mean() > 0.1
    assert broken <= 6
    assert np.mean(answered) > 0.3


def test_a_risk_that_cannot_be_shown() -> None:
    assert confidence_for_risk(np.linspace(0.5, 1, 20), np.ones(20, bool), 0.01) is None

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from headstart.measure.shift.separation import _fitted, delong, domain_auc


def textbook(source: np.ndarray, target: np.ndarray) -> tuple[float, float]:
    """DeLong, DeLong and Clarke-Pearson (1988), eq. 3 to 7, with every pair looked at."""
    psi = (target[:, None] > source) + 0.5 * (target[:, None] == source)
    return float(psi.mean()), float(
        np.sqrt(psi.mean(axis=1).var(ddof=1) / len(target) + psi.mean(axis=0).var(ddof=1) / len(source))
    )


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 30), st.integers(2, 30), st.integers(0, 10_000), st.booleans())
def test_delong_is_the_textbooks_and_the_area_scikit_learns(n: int, m: int, seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    source, target = rng.normal(size=n), rng.normal(0.5, size=m)
    if ties:
        source, target = source.round(), target.round()
    value, error = delong(source, target)
    assert (value, error) == pytest.approx(textbook(source, target), abs=1e-12)
    y = np.repeat([0, 1], [n, m])
    assert value == pytest.approx(roc_auc_score(y, np.concatenate([source, target])))
    weights = rng.integers(1, 4, size=n)
    weighted = roc_auc_score(y, np.r_[source, target], sample_weight=np.r_[weights, np.ones(m)])
    assert delong(source, target, weights_s=weights.astype(float))[0] == pytest.approx(weighted)


def test_copies_in_one_group_say_nothing_new() -> None:
    rng = np.random.default_rng(0)
    source, target = rng.normal(size=40), rng.normal(0.7, size=30)
    alone = delong(source, target)
    groups = np.repeat(np.arange(70), 5)
    fivefold = delong(np.repeat(source, 5), np.repeat(target, 5), groups[:200], groups[200:])
    assert fivefold == pytest.approx(alone)
    assert delong(np.repeat(source, 5), np.repeat(target, 5))[1] < 0.5 * alone[1]


def test_the_classifier_is_scikit_learns() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(90, 6)), rng.random(90) < 0.3
    x[y] += 0.8
    model = LogisticRegression(C=0.1, class_weight="balanced", tol=1e-10, max_iter=1000).fit(x, y)
    assert _fitted(x, y, np.ones(90), x[:5]) == pytest.approx(model.decision_function(x[:5]), abs=1e-5)


def test_equal_domains_are_seldom_told_apart() -> None:
    low, values = 0, []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        found = domain_auc(rng.normal(size=(60, 30)), rng.normal(size=(40, 30)), seed=seed)
        low += found.low > 0.5
        values.append(found.value)
    assert low <= 7  # 2.5 of 100 are expected
    assert np.mean(values) == pytest.approx(0.5, abs=0.02)


def test_a_known_shift_has_its_area() -> None:
    """Two Gaussians a distance d apart: the best AUC is that of a normal at d / sqrt(2), 0.76 for d = 1."""
    rng = np.random.default_rng(0)
    xs, xt = rng.normal(size=(800, 5)), rng.normal(size=(800, 5))
    xt[:, 0] += 1.0
    found = domain_auc(xs, xt)
    assert found.low < 0.76 < found.high
    assert found.value == pytest.approx(0.76, abs=0.03)
    assert found.band == "moderate"
    assert found.told
    # the best error is that of a normal at -d / 2, 0.31: 2 (1 - 2 * 0.31)
    assert found.distance == pytest.approx(0.77, abs=0.12)
    again = domain_auc(xs, xt)
    assert np.array_equal(found.scores, again.scores)
    assert found.value == again.value


def test_domains_all_apart_and_all_equal() -> None:
    rng = np.random.default_rng(0)
    apart = domain_auc(rng.normal(size=(12, 40)), rng.normal(size=(12, 40)) + 50)
    assert apart.value == 1.0
    assert 0.6 < apart.low < 0.9
    assert apart.high == 1.0
    same = domain_auc(np.ones((10, 3)), np.ones((10, 3)))
    assert same.value == 0.5
    assert not same.told
    with pytest.raises(ValueError, match="at least 2"):
        domain_auc(np.ones((1, 3)), np.ones((10, 3)))


def test_classes_weighted_alike_are_not_told_apart() -> None:
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    source, rest = order[:700], order[700:]
    target = np.concatenate([rest[y[rest] < 5], rest[y[rest] >= 5][:60]])
    weights = np.bincount(y[target], minlength=10) / np.bincount(y[source], minlength=10)
    plain = domain_auc(x[source], x[target])
    weighted = domain_auc(x[source], x[target], weights_s=weights[y[source]])
    assert plain.told
    assert not weighted.told


def test_groups_stay_together_in_folds() -> None:
    """Items that come in both domains at once, each in one group: told apart only by learning them by heart."""
    rng = np.random.default_rng(0)
    centres = 5 * rng.normal(size=(30, 10))
    xs = np.repeat(centres[:15], 4, axis=0) + 0.01 * rng.normal(size=(60, 10))
    xt = np.repeat(centres[15:], 4, axis=0) + 0.01 * rng.normal(size=(60, 10))
    groups = np.repeat(np.arange(30), 4)
    assert (
        domain_auc(xs, xt).value > domain_auc(xs, xt, groups_s=groups[:60], groups_t=groups[60:]).value + 0.1
    )

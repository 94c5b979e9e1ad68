from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_digits
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_predict

from headstart.measure.shift.accuracy import accuracy_on_target
from headstart.measure.shift.label_shift import calibrated, label_shift, mlls


@cache
def digits() -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Held-out probabilities and labels of 900 digits, and of the others."""
    x, y = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(y))
    source, rest = order[:900], order[900:]
    model = LogisticRegression(max_iter=2000)
    held = cross_val_predict(model, x[source] / 16, y[source], cv=5, method="predict_proba")
    return held, y[source], model.fit(x[source] / 16, y[source]).predict_proba(x[rest] / 16), y[rest]


def with_zeros(y: np.ndarray, share: float) -> np.ndarray:
    """Rows of which this share is of class 0, the others as they come."""
    zeros, others = np.flatnonzero(y == 0), np.flatnonzero(y != 0)
    return np.concatenate([zeros, others[: round(len(zeros) * (1 - share) / share)]])


def test_a_known_class_frequency_is_found() -> None:
    p, y, q, truth = digits()
    rows = with_zeros(truth, 0.30)
    real = np.bincount(truth[rows], minlength=10) / len(rows)
    found = label_shift(p, y, q[rows])
    assert found.bbse is not None
    assert np.abs(found.bbse - real).max() < 0.03
    assert np.abs(found.prior - real).max() < 0.02
    assert found.low[0] < 0.30 < found.high[0]
    assert found.told
    assert found.condition < 3
    distance = np.abs(real - found.source).sum() / 2
    assert found.tv_low < distance < found.tv_high
    again = label_shift(p, y, q[rows])
    assert np.array_equal(found.prior, again.prior)
    assert found.tv_low == again.tv_low


def test_equal_domains_have_no_label_shift() -> None:
    p, y, q, _ = digits()
    found = label_shift(p, y, q)
    assert not found.told
    assert found.total_variation < 0.10
    assert (found.low <= found.source).mean() >= 0.8


def test_the_intervals_hold() -> None:
    """Of 15 targets with 25 % of class 0 the interval of its frequency holds it in about 95 %."""
    p, y, q, truth = digits()
    rng, held = np.random.default_rng(0), 0
    for seed in range(15):
        share = np.where(truth == 0, 3.0, 1.0)
        rows = rng.choice(len(truth), 150, p=share / share.sum())
        real = share[truth == 0].sum() / share.sum()
        found = label_shift(p[:300], y[:300], q[rows], seed=seed)
        held += bool(found.low[0] <= real <= found.high[0])
    assert held >= 12


def test_mlls_is_the_most_likely() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet([0.5, 0.4, 0.3], 200)
    source = np.array([0.2, 0.5, 0.3])

    def loss(z: np.ndarray) -> float:
        q = np.exp(z) / np.exp(z).sum()
        return -float(np.log(p @ (q / source)).mean())

    best = minimize(loss, np.zeros(3), method="BFGS").x
    assert mlls(p, source) == pytest.approx(np.exp(best) / np.exp(best).sum(), abs=1e-3)


def test_calibration_undoes_what_was_done_to_probabilities() -> None:
    rng = np.random.default_rng(0)
    z = 2 * rng.normal(size=(4000, 3))
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    y = (rng.random(4000)[:, None] > p.cumsum(axis=1)).sum(axis=1)
    spoilt = np.exp(3 * z + [1.0, 0.0, -1.0])
    fitted = calibrated(spoilt / spoilt.sum(axis=1, keepdims=True), y)
    assert fitted.scale == pytest.approx(1 / 3, rel=0.06)
    assert fitted(spoilt / spoilt.sum(axis=1, keepdims=True)) == pytest.approx(p, abs=0.03)


def test_a_model_that_tells_nothing_has_no_bbse_and_a_class_without_labels_no_frequency() -> None:
    flat = np.full((50, 3), 1 / 3)
    y = np.arange(50) % 2
    found = label_shift(flat, y, flat[:20])
    assert found.bbse is None
    assert found.condition > 1e3
    assert found.prior == pytest.approx([0.5, 0.5, 0.0], abs=0.01)
    assert not found.told
    with pytest.raises(ValueError, match="0 of the target"):
        label_shift(flat, y, flat[:0])


def test_the_accuracy_of_equal_domains_is_near_and_under_strong_shift_withheld() -> None:
    p, y, q, truth = digits()
    real = (q.argmax(axis=1) == truth).mean()
    found = accuracy_on_target(p, y, q, auc=0.5)
    assert found.value is not None
    assert found.value == pytest.approx(real, abs=0.03)
    assert found.source == pytest.approx((p.argmax(axis=1) == y).mean())
    withheld = accuracy_on_target(p, y, q, auc=0.9)
    assert withheld.value is None
    assert "0.90" in withheld.reason


def test_atc_of_the_source_itself_is_its_accuracy() -> None:
    p, y, _, _ = digits()
    found = accuracy_on_target(p, y, p, auc=0.5)
    assert found.atc == pytest.approx(found.source)
    assert found.doc == pytest.approx(found.source)
    right = p[np.arange(len(y)), y].argsort()[-50:]
    assert accuracy_on_target(p[right], y[right], p, auc=0.5).atc == 1.0


def test_calibration_is_the_least_log_loss() -> None:
    p, y, _, _ = digits()
    p, y = p[:200, :4] / p[:200, :4].sum(axis=1, keepdims=True), y[:200] % 4

    def loss(at: np.ndarray) -> float:
        z = at[0] * np.log(np.maximum(p, 1e-12)) + at[1:]
        own = z[np.arange(200), y] - np.log(np.exp(z).sum(axis=1))
        return float((at[0] - 1) ** 2 / 2 + 0.05 * (at[1:] ** 2).sum() - own.sum())

    best = minimize(loss, np.r_[1.0, np.zeros(4)], method="BFGS").x
    found = calibrated(p, y)
    assert found.scale == pytest.approx(best[0], abs=1e-3)
    assert found.bias == pytest.approx(best[1:] - best[1:].mean(), abs=1e-3)

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize_scalar
from sklearn.metrics import log_loss

from headstart.measure.calibration import ece, fit_temperature, reliability


def softmax(z: np.ndarray) -> np.ndarray:
    shifted = np.exp(z - z.max(axis=1, keepdims=True))
    return shifted / shifted.sum(axis=1, keepdims=True)


def sample(n: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    z = 2 * rng.normal(size=(n, 4))
    y = np.array([rng.choice(4, p=p) for p in softmax(z)])
    return z, y


def test_temperature_is_recovered_and_optimal() -> None:
    z, y = sample(1000)
    at_one, at_five = fit_temperature(z, y), fit_temperature(5 * z, y)
    assert at_five == pytest.approx(5 * at_one, rel=1e-4)
    assert at_one == pytest.approx(1, rel=0.1)
    best = minimize_scalar(lambda t: log_loss(y, softmax(z / np.exp(t))), bounds=(-3, 3), method="bounded")
    assert np.log(at_one) == pytest.approx(best.x, abs=1e-4)


def test_few_rows_are_shrunk_towards_one() -> None:
    z, y = sample(100)
    small = fit_temperature(5 * z, y)
    repeated = fit_temperature(np.tile(5 * z, (3, 1)), np.tile(y, 3))
    assert np.log(small) == pytest.approx(np.log(repeated) / 2, rel=1e-3)
    assert fit_temperature(np.zeros((0, 3)), np.zeros(0, int)) == 1.0


def test_multi_label_temperature() -> None:
    rng = np.random.default_rng(1)
    z = 2 * rng.normal(size=(800, 3))
    y = (rng.random(z.shape) < 1 / (1 + np.exp(-z))).astype(float)
    assert fit_temperature(3 * z, y) == pytest.approx(3, rel=0.1)


def test_calibration_error() -> None:
    y = np.array([0, 0, 1, 1])
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4]])
    found = reliability(y, p, bins=2)
    np.testing.assert_allclose(found.confidence, [0.6, 0.9])
    np.testing.assert_allclose(found.accuracy, [0, 1])
    np.testing.assert_array_equal(found.count, [2, 2])
    assert ece(y, p, bins=2) == pytest.approx(0.35)
    z, labels = sample(4000)
    assert ece(labels, softmax(z)) < 0.03
    assert ece(labels, softmax(4 * z)) > 0.1
    assert np.isnan(ece(np.zeros(0, int), np.zeros((0, 2))))

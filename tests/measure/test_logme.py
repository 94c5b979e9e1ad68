from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.datasets import load_digits

from headstart.measure.logme import logme
from headstart.measure.ridge import one_hot
from headstart.measure.spectral import basis

DIGITS, LABELS = load_digits(return_X_y=True)
DIGITS = DIGITS / 16
TARGETS = one_hot(LABELS, 10)


def test_anchors_on_digits() -> None:
    assert logme(basis(DIGITS, centre=False), TARGETS) == pytest.approx(0.2702776, abs=1e-7)
    assert logme(basis(DIGITS), TARGETS) == pytest.approx(0.2748526, abs=1e-7)
    assert logme(basis(DIGITS * 7), TARGETS) == pytest.approx(0.2748526, abs=1e-7)
    rows = np.random.default_rng(0).permutation(1797)[:150]
    assert logme(basis(DIGITS[rows], centre=False), TARGETS[rows]) == pytest.approx(0.1278544, abs=1e-7)


@pytest.mark.parametrize("shape", [(40, 12), (25, 60)])
def test_it_is_the_marginal_likelihood_at_its_maximum(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=shape)
    y = features[:, 0] + 0.5 * rng.normal(size=shape[0])

    def negative(log: np.ndarray) -> float:
        covariance = np.exp(-log[0]) * features @ features.T + np.exp(-log[1]) * np.eye(shape[0])
        _, determinant = np.linalg.slogdet(covariance)
        quadratic = y @ np.linalg.solve(covariance, y)
        return 0.5 * (determinant + quadratic + shape[0] * np.log(2 * np.pi))

    options = {"xatol": 1e-9, "fatol": 1e-12, "maxiter": 4000}
    best = min(minimize(negative, at, method="Nelder-Mead", options=options).fun for at in ([0, 0], [2, 2]))
    assert logme(basis(features, centre=False), y) == pytest.approx(-best / shape[0], abs=1e-8)


def test_informative_features_score_higher() -> None:
    rng = np.random.default_rng(2)
    shuffled = DIGITS[rng.permutation(len(DIGITS))]
    assert logme(basis(DIGITS), TARGETS) > logme(basis(shuffled), TARGETS) + 0.1


def test_a_target_that_never_varies_is_left_out() -> None:
    more = np.hstack([TARGETS, np.zeros((len(TARGETS), 1))])
    assert logme(basis(DIGITS), more) == pytest.approx(logme(basis(DIGITS), TARGETS))
    assert np.isnan(logme(basis(DIGITS), np.ones(len(DIGITS))))

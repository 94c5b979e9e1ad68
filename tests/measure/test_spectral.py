from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.preprocessing import StandardScaler

from headstart.measure.spectral import basis, fit_scaling, standardise, whitened


@pytest.mark.parametrize("shape", [(40, 7), (12, 60), (20, 20)])
def test_basis_is_the_singular_value_decomposition(shape: tuple[int, int]) -> None:
    features = np.random.default_rng(0).normal(size=shape) * np.linspace(0.1, 3, shape[1])
    made = basis(features)
    centred = features - features.mean(axis=0)
    singular = np.linalg.svd(centred, compute_uv=False)
    rank = min(shape[0] - 1, shape[1])
    assert len(made.s2) == rank
    np.testing.assert_allclose(made.s2, singular[:rank] ** 2, rtol=1e-9)
    np.testing.assert_allclose(made.scores @ made.right.T, centred, atol=1e-10)
    np.testing.assert_allclose(made.left.T @ made.left, np.eye(rank), atol=1e-8)
    np.testing.assert_allclose(made.right.T @ made.right, np.eye(rank), atol=1e-8)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 12), st.integers(1, 30), st.booleans(), st.integers(0, 2**32 - 1))
def test_a_map_on_the_scores_is_the_same_on_the_features(
    rows: int, columns: int, centre: bool, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    features = rng.normal(size=(rows, columns))
    made = basis(features, centre=centre)
    weight = rng.normal(size=(3, len(made.s2)))
    unfolded = made.unfold(weight)
    np.testing.assert_allclose(unfolded, weight @ made.right.T, atol=1e-8 * np.abs(unfolded).max(initial=1))
    logits = (features - made.mean) @ unfolded.T
    np.testing.assert_allclose(logits, made.scores @ weight.T, atol=1e-6 * np.abs(logits).max(initial=1))


def test_standardise_agrees_with_scikit_learn_and_drops_constant_columns() -> None:
    features = np.random.default_rng(3).normal(3, 5, size=(25, 6)).astype(np.float32)
    features[:, 2] = 0.1  # not exact in binary: its computed variance need not be zero
    standard, scaling = standardise(features)
    reference = StandardScaler().fit_transform(features.astype(np.float64))
    reference[:, 2] = 0
    np.testing.assert_allclose(standard, reference, atol=1e-9)
    assert scaling.factor[2] == 0
    weight, bias = np.ones((2, 6)), np.array([1.0, -1.0])
    raw, shifted = scaling.fold(weight, bias)
    np.testing.assert_allclose(features @ raw.T + shifted, standard @ weight.T + bias, atol=1e-9)


def test_numerical_dust_is_not_blown_up() -> None:
    features = np.random.default_rng(4).normal(size=(20, 2)) * [1.0, 1e-9]
    standard, _ = standardise(features)
    assert standard[:, 0].std() == pytest.approx(1)
    assert standard[:, 1].std() < 2e-3


@given(st.integers(1, 6), st.integers(1, 6), st.floats(-1e4, 1e4))
@settings(max_examples=30, deadline=None)
def test_constant_features_have_no_basis(rows: int, columns: int, value: float) -> None:
    features = np.full((rows, columns), value)
    assert (fit_scaling(features).factor == 0).all()
    assert len(basis(standardise(features)[0]).s2) == 0


def test_whitened_components_are_scikit_learns_and_few_rows_get_few() -> None:
    features = np.random.default_rng(0).normal(size=(400, 90)) * np.arange(1, 91)
    standard, _ = standardise(features)
    theirs = PCA(64, whiten=True, svd_solver="full").fit_transform(standard) * np.sqrt(400 / 399)
    np.testing.assert_allclose(np.abs(whitened(features)), np.abs(theirs), atol=1e-6)
    assert whitened(features[:40]).shape == (40, 8)

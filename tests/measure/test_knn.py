from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from headstart.measure.knn import loo_knn


def test_anchors_on_digits() -> None:
    features, y = load_digits(return_X_y=True)
    for k, expected in ((1, 0.988870), (5, 0.987757)):
        votes = loo_knn(features / 16, y, classes=10, k=k)
        assert np.mean(votes.argmax(axis=1) == y) == pytest.approx(expected, abs=5e-7)
        np.testing.assert_allclose(votes.sum(axis=1), 1)


def test_agrees_with_brute_force_and_leaves_the_group_out() -> None:
    rng = np.random.default_rng(0)
    features, y, groups = rng.normal(size=(30, 4)), rng.integers(0, 3, 30), np.arange(30) // 2
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    cosine = unit @ unit.T
    for group in (None, groups):
        votes = loo_knn(features, y, classes=3, k=5, groups=group)
        for i in range(30):
            allowed = [j for j in range(30) if (j != i if group is None else group[j] != group[i])]
            near = sorted(allowed, key=lambda j: -cosine[i, j])[:5]
            expected = np.bincount(y[near], np.exp(cosine[i, near] / 0.07), minlength=3)
            np.testing.assert_allclose(votes[i], expected / expected.sum(), atol=1e-9)


def test_small_and_empty_cases() -> None:
    assert loo_knn(np.ones((1, 2)), np.array([0]), classes=2).sum() == 0
    zero = loo_knn(np.zeros((3, 2)), np.array([0, 1, 1]), classes=2)
    assert np.isfinite(zero).all()
    together = loo_knn(np.eye(3), np.array([0, 1, 1]), classes=2, groups=np.zeros(3, int))
    assert together.sum() == 0

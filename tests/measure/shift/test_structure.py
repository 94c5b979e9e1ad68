"""Clusters against noise of the same covariance: its level, its power, and what must not look like clusters."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits

from headstart.measure.shift import clustered


def test_noise_of_any_covariance_and_tails_is_none() -> None:
    even, heavy = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        x = rng.normal(size=(120, 8)) * np.linspace(0.2, 4, 8) @ rng.normal(size=(8, 8))
        even.append(clustered(x, 3, seed=seed))
        # Student's t: elliptical; a few far rows decide its covariance, which is on the safe side
        heavy.append(clustered(x * rng.chisquare(3, (120, 1)) ** -0.5, 3, seed=seed))
    assert max(even + heavy) < 3
    assert abs(np.mean(even)) < 0.7


def test_digits_are_clusters_until_their_columns_are_shuffled() -> None:
    x = load_digits().data[:400].astype(np.float64)
    assert clustered(x, 10) > 10
    rng = np.random.default_rng(0)
    like = rng.multivariate_normal(x.mean(axis=0), np.cov(x, rowvar=False), len(x))
    assert clustered(like, 10) < 3


def test_copies_of_an_item_are_no_cluster() -> None:
    x = np.random.default_rng(0).normal(size=(60, 5))
    groups = np.repeat(np.arange(60), 5)
    copies = np.repeat(x, 5, axis=0)
    assert clustered(copies, 3, groups=groups) == pytest.approx(clustered(x, 3))


@pytest.mark.parametrize("x", [np.zeros((0, 4)), np.ones((30, 4)), np.arange(40.0).reshape(10, 4)])
def test_where_nothing_can_be_told_it_is_nothing(x: np.ndarray) -> None:
    assert clustered(x, 3) == 0

"""Taste as a function of features: against a ridge regression by user, and where nobody chose anything."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.linear_model import Ridge

from headstart.measure.recommending.content import hybrid, taste


def world() -> tuple[sp.csr_array, np.ndarray]:
    """30 users who choose by two features; the last three of 20 items are new."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(20, 6))
    liking = rng.normal(size=(30, 2)) @ features[:, :2].T
    dense = (liking > 0.5).astype(float)
    dense[:, 17:] = 0
    return sp.csr_array(dense), features


def test_taste_is_a_ridge_regression_of_each_user() -> None:
    known, features = world()
    unit = features / np.linalg.norm(features, axis=1, keepdims=True)
    left, _, _ = np.linalg.svd(unit - unit.mean(0), full_matrices=False)
    white = left[:, :4] * np.sqrt(20)
    scores = taste(known, features, components=4, penalty=3.0)(known)
    chosen = known.toarray().any(0)
    assert 10 < chosen.sum() <= 17
    for user in range(30):
        plain = Ridge(alpha=3.0).fit(white[chosen], known.toarray()[user, chosen])
        assert scores[user] == pytest.approx(plain.predict(white), abs=1e-9)


def test_new_items_reach_those_who_like_them() -> None:
    known, features = world()
    liking = np.random.default_rng(0)
    liking.normal(size=(20, 6))
    truth = liking.normal(size=(30, 2)) @ features[:, :2].T
    scores = taste(known, features, penalty=1.0)(known)
    right = np.corrcoef(scores[:, 17:].ravel(), truth[:, 17:].ravel())[0, 1]
    assert right > 0.6


def test_taste_refuses_what_it_cannot_learn() -> None:
    known, features = world()
    with pytest.raises(ValueError, match="features of 19 items for 20 columns"):
        taste(known, features[:19])
    with pytest.raises(ValueError, match="nobody chose anything"):
        taste(sp.csr_array((30, 20)), features)


def test_a_hybrid_needs_a_number_of_events() -> None:
    with pytest.raises(ValueError, match="more than 0 events, not 0"):
        hybrid(np.zeros((1, 2)), np.zeros((1, 2)), np.zeros(2), k=0)


def test_a_hybrid_is_content_alone_where_nothing_else_is_known() -> None:
    collaborative, content = np.array([[0.0, 0.5]]), np.array([[0.3, 0.3]])
    assert hybrid(collaborative, content, np.array([0.0, 1e12]), k=10) == pytest.approx(
        np.array([[0.3, 0.5]])
    )

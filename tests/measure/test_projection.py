from __future__ import annotations

import numpy as np
import pytest
from sklearn.datasets import load_digits
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from headstart.measure import projection
from headstart.measure.projection import plane


@pytest.mark.parametrize("rows", [0, 1, 2, 9, 10, 60])
@pytest.mark.parametrize("width", [1, 3, 200])
def test_any_size_lands_in_the_unit_square(rows: int, width: int) -> None:
    places, method = plane(np.random.default_rng(0).normal(size=(rows, width)))
    assert places.shape == (rows, 2)
    assert np.isfinite(places).all()
    assert ((places >= 0) & (places <= 1)).all()
    assert ("t-SNE" in method) == (rows >= 10 and width >= 3)


def test_neighbours_stay_together_and_the_seed_decides() -> None:
    rng = np.random.default_rng(0)
    y = np.repeat(np.arange(3), 40)
    features = (6 * rng.normal(size=(3, 30)))[y] + rng.normal(size=(120, 30))
    places, _ = plane(features, seed=3)
    near = NearestNeighbors(n_neighbors=4).fit(places).kneighbors(return_distance=False)
    assert (y[near] == y[:, None]).mean() > 0.95
    np.testing.assert_array_equal(plane(features, seed=3)[0], places)


def test_constant_and_broken_features() -> None:
    places, _ = plane(np.ones((20, 5)))
    np.testing.assert_allclose(places, 0.5)
    broken = np.random.default_rng(0).normal(size=(30, 6))
    broken[3, 2], broken[4, 1] = np.nan, np.inf
    assert np.isfinite(plane(broken)[0]).all()


def test_equal_rows() -> None:
    features = np.repeat(np.random.default_rng(0).normal(size=(4, 8)), 50, axis=0)
    assert np.isfinite(plane(features)[0]).all()


def divergence(p: np.ndarray, places: np.ndarray) -> float:
    """Kullback and Leibler's, of the places' neighbourhoods from those of the rows: what t-SNE makes small."""
    q = 1 / (1 + ((places[:, None] - places) ** 2).sum(axis=-1))
    np.fill_diagonal(q, 0.0)
    q /= q.sum()
    near = p > 0
    return float((p[near] * np.log(p[near] / q[near])).sum())


def test_forces_are_the_slope() -> None:
    rng = np.random.default_rng(0)
    p, y = projection.neighbourhoods(rng.normal(size=(150, 5))), rng.normal(size=(150, 2))
    assert p.sum() == pytest.approx(1, abs=1e-5)
    pull, push = projection._forces(p, y.astype(np.float32))
    for row, axis in ((0, 0), (77, 1), (149, 0)):
        step = np.zeros_like(y)
        step[row, axis] = 1e-4
        slope = (divergence(p, y + step) - divergence(p, y - step)) / 2e-4
        assert 4 * (pull - push)[row, axis] == pytest.approx(slope, rel=1e-3, abs=1e-6)


def test_the_plane_is_as_good_as_that_of_scikit_learn() -> None:
    scores = load_digits().data[:300] / 16
    p = projection.neighbourhoods(scores)
    theirs = TSNE(init="pca", perplexity=30, max_iter=500, random_state=0).fit_transform(scores)
    ours = projection.tsne(p, 1e-4 * (scores - scores.mean(axis=0)) @ np.linalg.svd(scores)[2][:2].T)
    assert divergence(p, ours) < 1.05 * divergence(p, theirs)

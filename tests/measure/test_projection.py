from __future__ import annotations

import numpy as np
import pytest
from sklearn.neighbors import NearestNeighbors

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

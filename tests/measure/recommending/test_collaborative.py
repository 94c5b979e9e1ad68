"""Recommenders of interactions against dense references that share none of their algebra."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from headstart.measure.recommending import collaborative
from headstart.measure.recommending.collaborative import ease, item_knn, popularity, popularity_by_category


@pytest.fixture
def known() -> sp.csr_array:
    rng = np.random.default_rng(0)
    dense = (rng.random((60, 14)) < 0.3).astype(float)
    dense[:, 5] = 0  # an item that nobody chose
    return sp.csr_array(dense)


def test_ease_is_a_ridge_regression_of_each_item_on_all_others(known: sp.csr_array) -> None:
    x, weights = known.toarray(), ease(known, penalty=7.0)
    for item in range(14):
        others = np.delete(np.arange(14), item)
        design = np.vstack([x[:, others], np.sqrt(7.0) * np.eye(13)])
        plain = np.linalg.lstsq(design, np.concatenate([x[:, item], np.zeros(13)]), rcond=None)[0]
        assert weights[others, item] == pytest.approx(plain, abs=1e-9)
        assert weights[item, item] == 0


def test_ease_refuses_what_it_cannot_hold(known: sp.csr_array, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ValueError, match="must be positive, not 0"):
        ease(known, penalty=0.0)
    monkeypatch.setattr(collaborative, "LARGEST", 10)
    with pytest.raises(ValueError, match="14 items are more than 10"):
        ease(known, penalty=1.0)


def test_item_knn_keeps_the_nearest_cosines(known: sp.csr_array) -> None:
    x = known.toarray()
    lengths = np.linalg.norm(x, axis=0)
    cosines = (x.T @ x) / np.where(lengths, lengths, 1)[:, None] / np.where(lengths, lengths, 1)
    np.fill_diagonal(cosines, 0)
    assert item_knn(known, neighbours=14).toarray() == pytest.approx(cosines, abs=1e-12)
    few = item_knn(known, neighbours=3).toarray()
    assert (np.count_nonzero(few, axis=0) <= 3).all()
    assert few.sum(0) == pytest.approx(np.sort(cosines, axis=0)[-3:].sum(0), abs=1e-12)


def test_popularity_by_category_follows_the_history(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(collaborative, "PRIOR", 1)
    known = sp.csr_array(np.array([[1, 0, 1, 0], [0, 1, 0, 1], [1, 0, 0, 1]], float))
    categories = sp.csr_array(np.array([[1, 0], [1, 0], [0, 1], [0, 0]], float))
    rows = sp.csr_array(np.array([[1, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 0], [0, 0, 0, 1]], float))
    found = popularity_by_category(known, rows, categories)
    # everyone: 3/4 of the first category, 1/4 of the second; the first user (2 + 3/4) / 3 and (1/4) / 3
    assert popularity(known).tolist() == [2, 1, 1, 2]
    assert found[0] == pytest.approx([2 * 11 / 9, 11 / 9, 1 / 3, 2])
    assert found[1] == pytest.approx([2 * 1 / 2, 1 / 2, 5 / 2, 2])
    assert found[2:] == pytest.approx(np.tile(popularity(known), (2, 1)))

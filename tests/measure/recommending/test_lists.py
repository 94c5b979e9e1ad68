"""Lists of items and their measures, against values by hand and scikit-learn's NDCG."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import ndcg_score

from headstart.measure.recommending.lists import (
    NOTHING,
    coverage,
    hits,
    ndcg,
    novelty,
    recall,
    reciprocal_rank,
    top_lists,
)


def matrix(rows: list[list[int]]) -> sp.csr_array:
    return sp.csr_array(np.array(rows, float))


def test_lists_are_the_plain_order_whatever_the_block() -> None:
    rng = np.random.default_rng(0)
    known = sp.csr_array((rng.random((23, 31)) < 0.2).astype(float))
    scores = rng.integers(0, 5, (23, 31)).astype(float)  # many ties
    place = {"at": 0}

    def block_of(rows: sp.csr_array) -> np.ndarray:
        start, place["at"] = place["at"], place["at"] + rows.shape[0]
        return scores[start : place["at"]]

    open_to = np.where(known.toarray() > 0, -np.inf, scores)
    plain = np.argsort(-open_to, axis=1, kind="stable")[:, :6]
    for block in (1, 5, 256):
        place["at"] = 0
        assert np.array_equal(top_lists(block_of, known, k=6, block=block), plain)


def test_lists_end_where_no_item_is_left() -> None:
    known = matrix([[1, 1, 0], [1, 1, 1]])
    lists = top_lists(lambda rows: np.zeros(rows.shape), known, k=5)
    assert lists.tolist() == [[2, *[NOTHING] * 4], [NOTHING] * 5]


def test_scores_are_left_as_they_were() -> None:
    scores = np.ones((1, 3))
    top_lists(lambda _: scores, matrix([[1, 0, 0]]), k=1)
    assert scores.tolist() == [[1, 1, 1]]


@pytest.mark.parametrize("bad", [np.array([[1.0, np.nan, 0.0]]), np.ones(3)])
def test_scores_without_an_order_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"shape \(1, 3\)"):
        top_lists(lambda _: bad, matrix([[1, 0, 0]]))


def test_ndcg_is_that_of_scikit_learn() -> None:
    rng = np.random.default_rng(1)
    truth = (rng.random((40, 25)) < 0.3).astype(float)
    truth[:, 0] = 1
    scores = rng.random((40, 25))
    lists = np.argsort(-scores, axis=1)[:, :10]
    theirs = [ndcg_score(truth[[u]], scores[[u]], k=10) for u in range(40)]
    assert ndcg(lists, sp.csr_array(truth)) == pytest.approx(theirs, abs=1e-12)


def test_recall_and_rank_by_hand() -> None:
    lists = np.array([[3, 0, 1], [2, 1, NOTHING], [0, 1, 2], [0, 1, 2]])
    relevant = matrix([[1, 1, 1, 0], [1, 0, 0, 1], [0, 0, 0, 0], [1, 0, 0, 0]])
    assert hits(lists, relevant).tolist()[:2] == [[False, True, True], [False, False, False]]
    assert recall(lists, relevant).tolist() == pytest.approx([2 / 3, 0, np.nan, 1], nan_ok=True)
    assert reciprocal_rank(lists, relevant).tolist() == pytest.approx([1 / 2, 0, np.nan, 1], nan_ok=True)
    assert np.isnan(ndcg(lists, relevant)).tolist() == [False, False, True, False]


def test_coverage_and_novelty_by_hand() -> None:
    known = matrix([[1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 0, 0]])
    assert coverage(np.array([[1, 2], [1, NOTHING]]), 3) == pytest.approx(2 / 3)
    assert novelty(np.array([[0], [1], [2]]), known) == pytest.approx((0 + 2 + 2) / 3)  # 2: known to nobody
    assert np.isnan(novelty(np.array([[NOTHING]]), known))

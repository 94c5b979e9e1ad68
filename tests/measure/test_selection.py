"""What to label next, on points whose clusters are known."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.measure import selection


def blobs(sizes=(40, 30, 20, 10), *, dim: int = 8, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(points `[N, dim]`, blob of each): far apart, of given sizes."""
    rng = np.random.default_rng(seed)
    blob = np.repeat(np.arange(len(sizes)), sizes)
    return (10 * np.eye(dim)[blob] + rng.normal(size=(len(blob), dim))).astype(np.float32), blob


def test_typical_items_cover_the_clusters_without_a_label() -> None:
    x, blob = blobs()
    labelled = np.zeros(len(x), bool)
    labelled[np.flatnonzero(blob == 0)[0]] = True
    picked = selection.typical(x, labelled, ~labelled, 3)
    assert {int(blob[p.row]) for p in picked} == {1, 2, 3}
    assert [int(blob[p.row]) for p in picked] == [1, 2, 3]  # large ones first
    assert [(p.size, p.labelled) for p in picked] == [(30, 0), (20, 0), (10, 0)]


def test_a_typical_item_lies_in_the_middle() -> None:
    x, blob = blobs()
    nothing = np.zeros(len(x), bool)
    for pick in selection.typical(x, nothing, ~nothing, 4):
        mine = x[blob == blob[pick.row]]
        far = np.linalg.norm(mine - mine.mean(axis=0), axis=1)
        assert np.linalg.norm(x[pick.row] - mine.mean(axis=0)) < np.quantile(far, 0.35)


def test_typicality_is_the_mean_distance_to_the_nearest() -> None:
    from sklearn.neighbors import NearestNeighbors

    x, _ = blobs((50,))
    nothing = np.zeros(50, bool)
    (pick,) = selection.typical(x, nothing, ~nothing, 1)
    distance, _ = NearestNeighbors(n_neighbors=21).fit(x).kneighbors(x)
    assert pick.row == int(distance[:, 1:].mean(axis=1).argmin())


def test_only_free_rows_are_picked_and_each_once() -> None:
    x, blob = blobs()
    free = blob < 2
    picked = selection.typical(x, np.zeros(len(x), bool), free, 99)
    assert sorted(p.row for p in picked) == np.flatnonzero(free).tolist()
    assert selection.typical(x, ~free, np.zeros(len(x), bool), 3) == []


def test_equal_rows_and_a_single_one() -> None:
    same = np.ones((6, 3), np.float32)
    free = np.ones(6, bool)
    assert len({p.row for p in selection.typical(same, ~free, free, 4)}) == 4
    assert [p.row for p in selection.typical(same[:1], ~free[:1], free[:1], 2)] == [0]
    assert selection.hesitant(same[:1], np.ones(1), free[:1], 5) == [0]
    assert selection.prepared(same).shape == (6, 3)


def test_margins() -> None:
    p = np.array([[0.5, 0.3, 0.2], [0.98, 0.01, 0.01]])
    np.testing.assert_allclose(selection.margins(p), [0.2, 0.97])
    np.testing.assert_allclose(selection.margins(p, exclusive=False), [0.0, 0.96])
    np.testing.assert_allclose(selection.margins(np.ones((2, 1))), [1, 1])


def test_hesitant_rows_have_small_margins_and_differ() -> None:
    x, blob = blobs((12, 30, 30))
    margin = np.where(blob == 2, 0.9, 0.1) + 0.001 * np.random.default_rng(0).random(72)
    margin[blob == 0] -= 0.05  # the twelve least margins are in the first blob
    picked = selection.hesitant(x, margin, np.ones(72, bool), 2)
    assert sorted(blob[picked].tolist()) == [0, 1]  # not twice from one corner
    assert margin[picked[0]] < margin[picked[1]]
    assert picked[0] == int(margin.argmin())


def test_a_group_is_proposed_once_and_not_when_it_has_a_label() -> None:
    groups = np.array([7, 7, 3, 3, 5, 7])
    labelled = np.array([True, False, False, False, False, False])
    assert np.flatnonzero(selection.one_of_each(groups, labelled)).tolist() == [2, 4]


@given(st.integers(0, 200))
def test_about_a_fifth_is_random_in_every_beginning(n: int) -> None:
    places = selection.random_places(n)
    for k in range(n + 1):
        assert abs(sum(p < k for p in places) - selection.RANDOM_SHARE * k) <= 1


def test_random_ones_lie_between_the_others() -> None:
    found = selection.interleaved([10, 11, 12], [90, 91], [1, 3])
    assert found == [(10, False), (90, True), (11, False), (91, True), (12, False)]
    assert selection.interleaved([], [90], [2]) == [(90, True)]


@settings(max_examples=30, deadline=None)
@given(st.integers(2, 60), st.integers(1, 200), st.booleans())
def test_prepared_rows_have_length_one(rows: int, columns: int, large: bool) -> None:
    x = np.random.default_rng(rows * columns).normal(size=(rows, columns)) * (1e4 if large else 1)
    made = selection.prepared(x)
    assert made.shape[0] == rows
    np.testing.assert_allclose(np.linalg.norm(made, axis=1), 1, atol=1e-3)


@pytest.mark.parametrize("shape", [(300, 200), (200, 300)])
def test_leading_directions_keep_the_angles(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(shape[0], 20)) @ rng.normal(size=(20, shape[1]))
    made = selection.prepared(x)
    assert made.shape == (shape[0], 128)
    centred = x - x.mean(axis=0)
    centred /= np.linalg.norm(centred, axis=1, keepdims=True)
    np.testing.assert_allclose(made @ made.T, centred @ centred.T, atol=1e-3)


def test_the_same_seed_picks_the_same() -> None:
    x, _ = blobs((60, 60, 60))
    free = np.ones(180, bool)
    assert selection.typical(x, ~free, free, 20, seed=4) == selection.typical(x, ~free, free, 20, seed=4)

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.measure.unlabelled import certainty, neighbours, seeds, shares, spread


def clusters(
    n: int = 60, *, classes: int = 3, width: int = 8, seed: int = 0
) -> tuple[np.ndarray, np.ndarray]:
    """Features float64 `[n, width]` around a mean for each class, and the classes."""
    rng = np.random.default_rng(seed)
    y = np.arange(n) % classes
    return 3 * np.eye(width)[y] + 0.6 * rng.standard_normal((n, width)), y


def test_the_graph_is_what_its_formula_says() -> None:
    x, _ = clusters(25)
    unit = x / np.linalg.norm(x, axis=1, keepdims=True)
    cosine = unit @ unit.T
    np.fill_diagonal(cosine, -np.inf)
    near = np.zeros((25, 25))
    for row, own in enumerate(cosine):
        best = np.argsort(-own)[:4]
        near[row, best] = np.maximum(own[best], 0) ** 3
    w = near + near.T
    scale = 1 / np.sqrt(w.sum(axis=1))
    np.testing.assert_allclose(neighbours(x, 4).toarray(), scale[:, None] * w * scale, atol=1e-6)


@pytest.mark.parametrize("reach", [0.5, 0.9, 0.99])
def test_spreading_is_a_dense_solve(reach: float) -> None:
    x, y = clusters()
    graph, start = neighbours(x, 10), seeds(y[:6], 3, 60)
    exact = np.linalg.solve(np.eye(60) - reach * graph.toarray(), start)
    np.testing.assert_allclose(spread(graph, start, reach=reach, steps=200), exact, rtol=1e-4, atol=1e-6)


def test_the_answers_are_those_of_label_spreading() -> None:
    """scikit-learn's iterates F = a S F + (1 - a) Y on a graph that it is given: the same up to 1 - a."""
    from sklearn.semi_supervised import LabelSpreading

    x, y = clusters(45)
    known = np.concatenate([y[:6], np.full(39, -1)])

    def rbf(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return np.exp(-0.1 * ((a[:, None] - b[None]) ** 2).sum(axis=2))

    reference = LabelSpreading(kernel=rbf, alpha=0.8, max_iter=2_000, tol=1e-12).fit(x, known)
    w = rbf(x, x)
    np.fill_diagonal(w, 0.0)
    scale = 1 / np.sqrt(w.sum(axis=1))
    start = np.zeros((45, 3))
    start[np.arange(6), y[:6]] = 1.0
    found = spread(scale[:, None] * w * scale, start, reach=0.8, steps=100)
    np.testing.assert_allclose(shares(found), reference.label_distributions_, atol=1e-5)


def test_labels_reach_their_cluster() -> None:
    x, y = clusters()
    found = shares(spread(neighbours(x, 5), seeds(y[:3], 3, 60)), np.full(3, 1 / 3))
    assert (found.argmax(axis=1) == y).mean() > 0.9


def test_what_nothing_reaches_is_even_and_counts_nothing() -> None:
    graph = neighbours(np.concatenate([np.eye(4)[:2].repeat(3, axis=0), np.eye(4)[2:3]]), 2)
    p = shares(spread(graph, seeds(np.array([0]), 2, 7)))
    np.testing.assert_allclose(p[-1], [0.5, 0.5])
    np.testing.assert_allclose(certainty(p)[[0, -1]], [1.0, 0.0], atol=1e-9)


def test_a_class_has_its_share_of_the_mass() -> None:
    p = np.random.default_rng(0).random((50, 3))
    scaled = p * (np.array([0.6, 0.3, 0.1]) / p.sum(axis=0))
    np.testing.assert_allclose(
        shares(p, np.array([0.6, 0.3, 0.1])), scaled / scaled.sum(axis=1, keepdims=True)
    )


@given(st.integers(2, 12), st.integers(2, 4), st.integers(0, 99))
def test_order_and_scale_change_nothing(n: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x, turn = rng.standard_normal((n, 5)), rng.permutation(n)
    start = rng.random((n, classes))
    here = spread(neighbours(x, 3), start, reach=0.9, steps=100)
    there = spread(neighbours(7 * x[turn], 3), start[turn], reach=0.9, steps=100)
    np.testing.assert_allclose(here[turn], there, rtol=1e-3, atol=1e-5)
    p = shares(here)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    assert ((certainty(p) >= 0) & (certainty(p) <= 1)).all()


def test_one_row_has_no_neighbour() -> None:
    assert neighbours(np.ones((1, 3))).nnz == 0

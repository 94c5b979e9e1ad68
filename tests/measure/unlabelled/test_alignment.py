from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.measure.unlabelled import aligned, believed, warm_up


@given(st.integers(1, 20), st.integers(2, 5), st.integers(0, 99))
def test_classes_that_are_as_wanted_stay(n: int, classes: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    p, mean = rng.dirichlet(np.ones(classes), n), rng.dirichlet(np.full(classes, 5.0))
    np.testing.assert_allclose(aligned(p, mean, mean), p)
    np.testing.assert_allclose(aligned(p, mean, mean[::-1]).sum(axis=1), 1.0)


def test_a_class_that_is_said_too_often_is_said_less() -> None:
    p = np.array([[0.6, 0.4]])
    np.testing.assert_allclose(
        aligned(p, np.array([0.8, 0.2]), np.array([0.5, 0.5])), [[0.375 / 1.375, 1 / 1.375]]
    )


def test_the_threshold_is_relative_to_labelled_items() -> None:
    labelled = np.array([[0.8, 0.2], [0.4, 0.6]])
    p = np.array([[0.64, 0.36], [0.62, 0.38]])
    assert believed(p, labelled).tolist() == [True, False]  # 0.9 x 0.7
    assert believed(p, labelled, np.array([0.0, 1.0])).tolist() == [True, True]


def test_what_has_no_label_counts_little_at_first() -> None:
    assert [warm_up(t) for t in (0.0, 0.25, 0.5, 1.0)] == pytest.approx([0.0, 0.5, 1.0, 1.0])

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from headstart.measure.unlabelled import agreed


def test_only_what_all_say_and_the_surest_first() -> None:
    one = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3]])
    other = np.array([[0.8, 0.2], [0.4, 0.6], [0.4, 0.6], [0.6, 0.4]])
    rows, classes = agreed([one, other], np.array([2, 2]))
    assert (rows.tolist(), classes.tolist()) == ([0, 2, 3], [0, 1, 0])
    rows, classes = agreed([one, other], np.array([1, 0]))
    assert (rows.tolist(), classes.tolist()) == ([0], [0])


def test_one_that_knows_nothing_is_outvoted() -> None:
    one = np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]])
    noise = np.array([[0.4, 0.6], [0.6, 0.4], [0.1, 0.9]])
    rows, classes = agreed([one, noise, one], np.array([3, 3]), 2)
    assert (rows.tolist(), classes.tolist()) == (
        [0, 1],
        [0, 1],
    )  # of the third item the mean is another one's
    assert not len(agreed([one, noise, one], np.array([3, 3]))[0])


@given(st.integers(1, 30), st.integers(2, 4), st.integers(1, 3), st.integers(0, 99))
def test_no_class_has_more_than_its_share(n: int, classes: int, voters: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    votes = [rng.dirichlet(np.ones(classes), n) for _ in range(voters)]
    most = rng.integers(0, 5, classes)
    rows, found = agreed(votes, most)
    assert (np.bincount(found, minlength=classes) <= most).all()
    assert (np.diff(rows) > 0).all()
    for p in votes:
        np.testing.assert_array_equal(p[rows].argmax(axis=1), found)
    again, same = agreed(votes[::-1], most)
    assert (again.tolist(), same.tolist()) == (rows.tolist(), found.tolist())

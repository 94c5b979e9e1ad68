from __future__ import annotations

import numpy as np

from headstart.core.split import Split
from headstart.measure import partition


def test_a_blind_sample_takes_whole_groups() -> None:
    rows = np.arange(100)
    split = Split(rows, rows[:0], (), rows // 4, 0, "")
    found = partition.blind_sample(split, 20, seed=0)
    assert len(found) == 20
    assert set(np.bincount(found // 4)) == {0, 4}


def test_data_shuffled_with_the_same_seed_are_not_drawn_one_class_first() -> None:
    order = np.random.default_rng(0).permutation(1_000)  # a user's own shuffle of rows sorted by class
    y = np.repeat(np.arange(10), 100)[order]
    rows = np.arange(1_000)
    blind = partition.blind_sample(Split(rows, rows[:0], (), rows, 0, ""), 300, seed=0)
    for found in (blind, partition.drawn(1_000, 300, seed=0)):
        counts = np.bincount(y[found], minlength=10)
        assert counts.sum() == 300
        assert counts.min() >= 15

"""MMD and BBSD against brute force and scipy."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.stats import ks_2samp
from sklearn.datasets import load_digits

from headstart.measure.shift.bbsd import bbsd
from headstart.measure.shift.mmd import gaussian, mmd, unbiased


def test_the_estimate_is_the_sum_over_pairs() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(9, 4)), rng.normal(0.4, size=(7, 4))
    kernel, width = gaussian(np.concatenate([x, y]))
    both = np.concatenate([x, y])
    distances = cdist(both, both)
    assert width == pytest.approx(np.median(distances[np.triu_indices(16, 1)]), rel=0.02)

    def k(a: np.ndarray, b: np.ndarray) -> float:
        return float(np.exp(-((a - b) ** 2).sum() / (2 * width**2)))

    within = sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / (9 * 8)
    within += sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / (7 * 6)
    across = sum(k(a, b) for a in x for b in y) / 63
    assert unbiased(kernel, np.repeat([1.0, 0.0], [9, 7])[:, None])[0] == pytest.approx(within - 2 * across)


def test_mmd_has_its_level_and_finds_what_is_there() -> None:
    p_values = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        p_values.append(mmd(rng.normal(size=(40, 8)), rng.normal(size=(30, 8)), seed).p_value)
    assert np.mean(np.array(p_values) < 0.05) <= 0.12
    assert 0.4 < np.mean(p_values) < 0.6
    rng = np.random.default_rng(0)
    wider = mmd(rng.normal(size=(100, 4)), 2 * rng.normal(size=(100, 4)))  # no line tells them apart
    assert wider.p_value < 0.01


def test_digits_in_their_order_differ_and_shuffled_do_not() -> None:
    x = load_digits().data
    half = len(x) // 2
    assert mmd(x[:half], x[half:]).p_value < 0.01
    shuffled = x[np.random.default_rng(0).permutation(len(x))]
    assert mmd(shuffled[:half], shuffled[half:]).p_value > 0.05


def test_groups_count_once() -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(12, 5)), rng.normal(size=(12, 5))
    groups = np.repeat(np.arange(24), 10)
    tenfold = [np.repeat(part, 10, axis=0) for part in (x, y)]
    assert mmd(*tenfold).p_value < 0.01  # copies look like certainty
    assert mmd(*tenfold, groups_s=groups[:120], groups_t=groups[120:]).p_value > 0.05


def test_bbsd_is_scipys_test_of_every_column() -> None:
    rng = np.random.default_rng(0)
    ps, pt = rng.dirichlet([1, 2, 3], 80), rng.dirichlet([1, 2, 2], 60)
    found = bbsd(ps, pt)
    expected = [ks_2samp(ps[:, c], pt[:, c], method="asymp") for c in range(3)]
    assert found.statistics == pytest.approx([one.statistic for one in expected])
    assert found.p_value == pytest.approx(min(1, 3 * min(one.pvalue for one in expected)))
    two = np.stack([ps[:, 0], 1 - ps[:, 0]], axis=1), np.stack([pt[:, 0], 1 - pt[:, 0]], axis=1)
    assert bbsd(*two).p_value == pytest.approx(expected[0].pvalue)  # the second says the same
    assert bbsd(ps[:, 0], pt[:, 0]).p_value == pytest.approx(expected[0].pvalue)
    with pytest.raises(ValueError, match="0 answers"):
        bbsd(ps[:0], pt)


def test_bbsd_has_its_level() -> None:
    rejected = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        rejected += bbsd(rng.dirichlet(np.ones(5), 100), rng.dirichlet(np.ones(5), 80)).rejects
    assert rejected <= 16  # 10 are expected at most

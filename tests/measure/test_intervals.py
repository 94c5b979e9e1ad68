from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from headstart.measure import intervals
from headstart.measure.intervals import (
    Interval,
    bootstrap,
    bootstrap_mean,
    resamples,
    wilson,
)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (7, 10), (10, 10), (455, 500)])
def test_wilson_agrees_with_scipy(hits: int, n: int) -> None:
    expected = stats.binomtest(hits, n).proportion_ci(method="wilson")
    found = wilson(hits, n)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high), abs=1e-9)
    assert wilson(0, 0) == Interval(0.0, 1.0, "Wilson", 0)


def test_bootstrap_of_a_mean_is_close_to_the_normal_interval_and_seeded() -> None:
    values = np.random.default_rng(0).normal(2, 3, 400)
    found = bootstrap_mean(values, seed=1)
    half = 1.96 * values.std() / 20
    assert found.low == pytest.approx(values.mean() - half, abs=0.03)
    assert found.high == pytest.approx(values.mean() + half, abs=0.03)
    assert found == bootstrap_mean(values, seed=1)
    assert found != bootstrap_mean(values, seed=2)
    again = bootstrap(lambda w: w @ values / w.sum(axis=1), 400, count=5000, seed=1)
    assert (again.low, again.high) == pytest.approx((found.low, found.high))


def test_duplicates_in_a_group_do_not_sharpen_the_interval() -> None:
    values = np.random.default_rng(0).normal(size=80)
    twice, groups = np.repeat(values, 5), np.repeat(np.arange(80), 5)
    alone = bootstrap_mean(values)
    grouped = bootstrap_mean(twice, groups=groups)
    assert (grouped.low, grouped.high, grouped.n) == pytest.approx((alone.low, alone.high, 80))
    assert bootstrap_mean(twice).width < 0.6 * alone.width
    any_statistic = bootstrap(lambda w: w @ twice / w.sum(axis=1), 400, groups=groups, count=5000, seed=0)
    assert any_statistic.width == pytest.approx(alone.width)


def test_resamples_are_multinomial_and_come_in_blocks() -> None:
    blocks = list(resamples(3000, 1500, seed=3))
    assert len(blocks) > 1
    weights = np.concatenate(blocks)
    assert weights.shape == (1500, 3000)
    assert (weights.sum(axis=1) == 3000).all()
    assert weights.var() == pytest.approx(1 - 1 / 3000, abs=0.01)


def test_few_groups_of_many_items_come_in_blocks_too(monkeypatch: pytest.MonkeyPatch) -> None:
    groups, values = np.arange(600) // 200, np.random.default_rng(0).random(600)
    sizes: list[int] = []

    def mean(weights: np.ndarray) -> np.ndarray:
        sizes.append(weights.size)
        return weights @ values / weights.sum(axis=1)

    whole = bootstrap(mean, 600, groups=groups, count=200, seed=4)
    assert max(sizes) == 600 * 200
    sizes.clear()
    # the draws stay in one block of 200 x 3: they are the same
    monkeypatch.setattr(intervals, "CELLS", 7 * 600)
    found = bootstrap(mean, 600, groups=groups, count=200, seed=4)
    assert (found.low, found.high) == pytest.approx((whole.low, whole.high), rel=1e-12)
    assert max(sizes) == 7 * 600


@given(st.floats(0, 1), st.lists(st.floats(0, 3), min_size=2, max_size=50))
def test_an_interval_around_a_value_holds_it(value: float, drawn: list[float]) -> None:
    found = intervals.percentiles(
        np.array(drawn), level=0.95, n=9, over="items", around=value, within=(0.0, 3.0)
    )
    assert 0 <= found.low <= value + 1e-9
    assert found.high >= value - 1e-9
    plain = intervals.percentiles(np.array(drawn), level=0.95, n=9, over="items")
    assert found.high - found.low <= plain.high - plain.low + 1e-9


def test_statistic_that_never_exists_gives_no_bounds() -> None:
    found = bootstrap(lambda w: np.full(len(w), np.nan), 5, count=10)
    assert np.isnan(found.low)
    assert np.isnan(found.high)

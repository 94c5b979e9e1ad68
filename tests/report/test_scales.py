from __future__ import annotations

import math

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from headstart.report.charts import scales
from headstart.report.charts.scales import Scale

NUMBERS = st.floats(-1e6, 1e6, allow_nan=False)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_a_scale_is_monotone_and_stays_between_its_ends(low: float, high: float, value: float) -> None:
    assume(high - low > 1e-6)
    scale = Scale(low, high, 300, 20)
    assert scale.at(low) == 300
    assert scale.at(high) == 20
    assert 20 <= scale.at(value) <= 300
    assert scale.at(value) >= scale.at(value + 1)


def test_a_logarithmic_scale_gives_equal_factors_equal_room() -> None:
    scale = Scale(1, 100, 0, 200, log=True)
    assert [scale.at(v) for v in (1, 10, 100)] == [0, 100, 200]


@pytest.mark.parametrize("ends", [(1.0, 1.0), (2.0, 1.0)])
def test_no_scale_without_a_range(ends: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match="no scale"):
        Scale(*ends, 0, 1)
    with pytest.raises(ValueError, match="no scale"):
        Scale(0.0, 1.0, 0, 1, log=True)


@given(NUMBERS, st.floats(1e-4, 1e6), st.integers(2, 8))
def test_ticks_are_round_inside_and_neither_many_nor_none(low: float, width: float, most: int) -> None:
    assume(width > 1e-6 * abs(low))
    found = scales.ticks(low, low + width, most=most)
    assert len(found) <= most
    assert all(low - 1e-6 * width <= tick <= low + width * (1 + 1e-6) for tick in found)
    if len(found) > 1:
        step = found[1] - found[0]
        lead = step / 10 ** math.floor(math.log10(step) + 1e-9)
        assert min(abs(lead - m) for m in (1, 2, 5, 10)) < 1e-3
        assert step * (most + 1) * 2.5 >= width  # not fewer than need be


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        ((0.0, 1.0), [0, 0.2, 0.4, 0.6, 0.8, 1]),
        ((0.59, 0.96), [0.6, 0.7, 0.8, 0.9]),
        ((-12, 7), [-10, -5, 0, 5]),
    ],
)
def test_ticks_as_a_person_would_choose_them(ends: tuple[float, float], expected: list[float]) -> None:
    assert scales.ticks(*ends) == pytest.approx(expected)


@given(st.floats(1, 1e5), st.floats(1.5, 1e5))
def test_logarithmic_ticks(low: float, factor: float) -> None:
    found = scales.log_ticks(low, low * factor)
    assert len(found) <= 6
    assert found == sorted(found)
    assert all(low <= tick <= low * factor for tick in found)


@given(st.lists(st.one_of(st.none(), st.just(math.nan), st.floats(0, 1)), max_size=6))
def test_an_interval_around_the_values(values: list[float | None]) -> None:
    low, high = scales.spread(values, metric="accuracy")
    assert low < high
    for value in values:
        if value is not None and not math.isnan(value):
            assert low <= value <= high
    known = [v for v in values if v is not None and not math.isnan(v)]
    if max(known, default=0) - min(known, default=0) > 1e-3:
        assert low >= 0
        assert high <= 1


@pytest.mark.parametrize(
    ("value", "metric", "expected"),
    [
        (0.4, "accuracy", "40 %"),
        (0.125, "mAP", "12.5 %"),
        (1200, "", "1,200"),
        (0.05, "MAE", "0.05"),
        (0.0, "", "0"),
    ],
)
def test_words_beside_ticks(value: float, metric: str, expected: str) -> None:
    assert scales.tick_text(value, metric) == expected


def test_paths_and_short_names() -> None:
    assert scales.path([(0, 1), (2.5, 3)]) == "M0 1L2.5 3"
    assert scales.path([(0, 1), (2, 3), (4, 5)], closed=True).endswith("Z")
    assert scales.path([(0, 1)]) == ""
    assert scales.short("features", 8) == "features"
    assert scales.short("features.denseblock1", 9) == "feat…ock1"

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.core.budget import Budget, parse_seconds, words
from headstart.errors import BadOption


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90s", 90), ("10min", 600), (" 2h ", 7200), ("1.5 h", 5400), ("45", 45), ("5M", 300)],
)
def test_times_are_read(text: str, seconds: float) -> None:
    assert parse_seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "ten minutes", "-5s", "0", "5 parsecs", "1h30"])
def test_other_texts_are_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadOption, match="90s, 10min or 2h"):
        parse_seconds(text)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0.04, "0.0 s"),
        (14.2, "14 s"),
        (59.7, "1 min"),
        (60, "1 min"),
        (220, "3 min 40 s"),
        (7500, "2 h 5 min"),
    ],
)
def test_times_are_told(seconds: float, text: str) -> None:
    assert words(seconds) == text


@given(st.floats(0, 1e6))
def test_no_time_is_told_as_sixty_of_something(seconds: float) -> None:
    assert "60 s" not in words(seconds)


def test_time_runs_out() -> None:
    now = [0.0]
    budget = Budget(10, clock=lambda: now[0])
    now[0] = 4
    assert (budget.spent, budget.left, budget.over) == (4, 6, False)
    now[0] = 11
    assert budget.over


def test_no_limit() -> None:
    assert Budget().left == float("inf")
    assert not Budget().over

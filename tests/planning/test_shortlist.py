"""Many sources are halved on more and more items: within the time, and without losing the best by much."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.planning.shortlist import KEPT, LEAST, Ranked, better_half, kept, next_round

Measure = Callable[[str, int], float]
"""(source, items) -> its score on so many items."""


def search(
    costs: dict[str, float], items: int, seconds: float, measure: Measure
) -> tuple[list[str], list[tuple[int, int]], float]:
    """(sources kept, (sources, items) of each round, seconds taken), every estimate come true."""
    alive, done, ranked, spent, rounds = list(costs), 0, [], 0.0, []
    while True:
        found = next_round(costs, alive, done, items, seconds - spent)
        if found.items == done:
            return kept(ranked, 0), rounds, spent
        spent += (found.items - done) * sum(costs[name] for name in found.sources)
        done = found.items
        rounds.append((len(found.sources), done))
        order = sorted(found.sources, key=lambda name: -measure(name, done))
        ranked = [Ranked(name, costs[name]) for name in order]
        alive = better_half(ranked)
        if not alive or done == items:
            return kept(ranked, 0), rounds, spent


COSTS = st.lists(st.floats(0.001, 2.0), min_size=KEPT + 1, max_size=40)


@given(costs=COSTS, items=st.integers(20, 3000), seconds=st.floats(0.0, 5000.0))
def test_the_search_keeps_its_time_and_comes_to_an_end(
    costs: list[float], items: int, seconds: float
) -> None:
    named = {f"s{number}": cost for number, cost in enumerate(costs)}
    found, rounds, spent = search(named, items, seconds, lambda name, n: -named[name])
    least = min(items, LEAST) * min(costs)
    assert spent <= max(seconds, least) * (1 + 1e-9), "or what the fastest takes for the least"
    assert 1 <= len(found) <= KEPT
    assert len(rounds) <= 6
    assert [items for _, items in rounds] == sorted({items for _, items in rounds}), "more each time"
    assert [count for count, _ in rounds] == sorted((count for count, _ in rounds), reverse=True)


@given(data=st.data(), count=st.integers(KEPT + 1, 24), seconds=st.floats(300.0, 3000.0))
def test_the_best_is_never_lost_by_more_than_the_noise_of_the_rounds(
    data: st.DataObject, count: int, seconds: float
) -> None:
    """A source that goes is behind those that stay by what was measured; scores that are off by at most e on a
    round's items lose at most 2 e there, whatever the scores and whatever they do on more items."""
    truth = {f"s{number}": data.draw(st.floats(0.3, 1.0)) for number in range(count)}
    off = data.draw(st.lists(st.floats(-1.0, 1.0), min_size=count, max_size=count))
    signs = dict(zip(truth, off, strict=True))
    noise: dict[int, float] = {}

    def measure(name: str, items: int) -> float:
        noise[items] = 0.5 / items**0.5
        turned = 1.0 if len(noise) % 2 else -1.0  # what was flattered in one round is slandered in the next
        return truth[name] + turned * signs[name] * noise[items]

    found, _, _ = search(dict.fromkeys(truth, 0.05), 1500, seconds, measure)
    promised = 2 * sum(noise.values())
    assert max(truth[name] for name in found) >= max(truth.values()) - promised - 1e-9


def test_sources_are_halved_on_twice_as_many_items() -> None:
    costs = {f"s{number}": 0.1 for number in range(40)}
    found, rounds, _ = search(costs, 1500, 1e6, lambda name, items: -int(name[1:]))
    assert (found, rounds) == (["s0", "s1", "s2"], [(40, 100), (20, 200), (10, 400), (5, 800)])
    few, rounds, _ = search(dict.fromkeys("abcdef", 0.1), 244, 1e6, lambda name, items: ord(name))
    assert (few, rounds) == (["f", "e", "d"], [(6, 100)])


def test_what_is_too_slow_is_left_out_with_the_reason() -> None:
    costs = {"huge": 5.0, "a": 0.1, "b": 0.1, "c": 0.1}
    found = next_round(costs, list(costs), 0, 1000, 60.0)
    assert found.sources == ("a", "b", "c")
    reason = (
        "to read 100 items with it would take about 8 min 20 s of the 1 min that there are to rank 4 sources"
    )
    assert found.left_out == {"huge": reason}
    assert next_round(costs, ["a", "b", "c"], 100, 1000, 20.0).items == 100, "no time for more"


@pytest.mark.parametrize(
    ("items", "expected"), [(200, ["a", "b", "c"]), (2000, ["a", "b", "e"]), (9000, ["a", "d", "e"])]
)
def test_with_more_items_less_is_left_to_the_rank(items: int, expected: list[str]) -> None:
    ranked = [
        Ranked("a", 3.0, 0.5), Ranked("b", 2.0, 0.4), Ranked("c", 2.0, 0.3), Ranked("d", 0.5, 0.2),
        Ranked("e", 4.0, 0.9, tied=False), Ranked("f", 0.1, 0.1, tied=False),
    ]  # fmt: skip
    assert kept(ranked, items) == expected

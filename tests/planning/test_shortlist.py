"""Many sources are halved on more and more items: within the time, and without losing the best by much."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.planning.shortlist import KEPT, LEAST, Ranked, kept, next_round, saving, search

Measure = Callable[[str, int], float]
"""(source, items) -> its score on so many items."""


def run(
    costs: dict[str, float], items: int, seconds: float, measure: Measure, tie: float = 0.0
) -> tuple[list[str], list[tuple[int, int]], float]:
    """(sources kept, (sources, items) of each round, seconds taken), every estimate come true; scores less than
    `tie` below the best are not told from it."""
    spent, rounds, read = 0.0, [], dict.fromkeys(costs, 0)

    def ranked(names: Sequence[str], count: int, few: bool) -> list[Ranked]:
        nonlocal spent
        for name in names:
            spent += (count - read[name]) * costs[name]
            read[name] = count
        assert few == (not rounds and count < items), "the first of several rounds looks at few taps"
        rounds.append((len(names), count))
        scores = {name: measure(name, count) for name in names}
        order = sorted(names, key=lambda name: -scores[name])
        return [Ranked(n, costs[n], tied=scores[order[0]] - scores[n] <= tie) for n in order]

    found = search(costs, items, lambda: seconds - spent, ranked, learnt=0)
    return list(found.kept), rounds, spent


COSTS = st.lists(st.floats(0.001, 2.0), min_size=KEPT + 1, max_size=40)


@given(costs=COSTS, items=st.integers(20, 3000), seconds=st.floats(0.0, 5000.0))
def test_the_search_keeps_its_time_and_comes_to_an_end(
    costs: list[float], items: int, seconds: float
) -> None:
    named = {f"s{number}": cost for number, cost in enumerate(costs)}
    found, rounds, spent = run(named, items, seconds, lambda name, n: -named[name])
    least = min(items, LEAST) * min(costs)
    assert spent <= max(seconds, least) * (1 + 1e-9), "or what the fastest takes for the least"
    assert 1 <= len(found) <= KEPT
    assert len(rounds) <= 8
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

    found, _, _ = run(dict.fromkeys(truth, 0.05), 1500, seconds, measure, tie=0.02)
    promised = 2 * sum(noise.values())
    assert max(truth[name] for name in found) >= max(truth.values()) - promised - 1e-9


def test_sources_are_halved_on_twice_as_many_items() -> None:
    costs = {f"s{number}": 0.1 for number in range(40)}
    found, rounds, _ = run(costs, 1500, 1e6, lambda name, items: -int(name[1:]), tie=1.0)
    assert (found, rounds) == (
        ["s0", "s1"],
        [(40, 25), (10, 50), (4, 100), (2, 200), (2, 400), (2, 800), (2, 1500)],
    )
    clear, rounds, _ = run(costs, 1500, 1e6, lambda name, items: -int(name[1:]))
    assert (clear, rounds) == (["s0"], [(40, 25), (10, 50), (4, 100), (2, 200)])
    few, rounds, _ = run(dict.fromkeys("abcdef", 0.1), 244, 1e6, lambda name, items: ord(name), tie=9.0)
    assert (few, rounds) == (["f"], [(6, 25), (2, 50), (2, 100)]), "the second costs a sixth of everything"


def test_what_cannot_be_told_is_kept_while_it_is_cheap() -> None:
    """The first and another round of the others cost less than a quarter of everything, or they go."""
    costs = {"a": 0.1, "b": 0.1, "c": 0.1, **{f"s{number}": 0.3 for number in range(9)}}

    def measure(name: str, items: int) -> float:
        return -"abcs".index(name[0])

    assert run(costs, 800, 1e6, measure, tie=9.0)[0] == ["a", "b"]
    dear = {**costs, "a": 1.0}
    assert run(dear, 800, 1e6, measure, tie=9.0)[0] == ["a"]
    ways = [Ranked("a", 1.0), Ranked("b", 1.0), Ranked("c", 1.0, way="apart")]
    kept = saving(ways, ["a", "b", "c"], {"a": 100, "b": 100, "c": 100}, dict.fromkeys("abc", 1.0), 200)
    assert kept == ("a", "c"), "each way of reading is probed"


def test_hundreds_of_candidates_cost_little_more_than_a_few_and_the_best_is_kept() -> None:
    """Accuracies as they would be measured on so many items, told apart by their standard error."""
    shares: dict[int, list[float]] = {}
    regrets = []
    for count in (8, 200):
        for seed in range(5):
            rng = np.random.default_rng(seed)
            truth = {f"s{number}": value for number, value in enumerate(rng.uniform(0.3, 0.95, count))}
            drawn = {name: rng.random(3000) < value for name, value in truth.items()}
            found, _, spent = run(
                dict.fromkeys(truth, 1.0), 3000, 1e9, lambda name, n, d=drawn: d[name][:n].mean(), tie=0.02
            )
            shares.setdefault(count, []).append((spent + 3000 * len(found)) / (3000 * count))
            regrets.append(max(truth.values()) - max(truth[name] for name in found))
    assert np.mean(shares[200]) < 0.08, "what the probes then read again is counted twice"
    assert 200 * np.mean(shares[200]) < 10 * 8 * np.mean(shares[8]), "25 times as many"
    assert np.mean(regrets) < 0.01


def test_what_is_too_slow_is_left_out_with_the_reason() -> None:
    costs = {"huge": 5.0, "a": 0.1, "b": 0.1, "c": 0.1}
    found = next_round(costs, list(costs), 0, 1000, 60.0, 100)
    assert found.sources == ("a", "b", "c")
    reason = (
        "to read 100 items with it would take about 8 min 20 s of the 1 min that there are to rank 4 sources"
    )
    assert found.left_out == {"huge": reason}
    assert next_round(costs, ["a", "b", "c"], 100, 1000, 20.0).items == 100, "no time for more"


@pytest.mark.parametrize(
    ("items", "expected"), [(200, ["a", "b", "c"]), (2000, ["a", "b", "c"]), (9000, ["a", "d", "e"])]
)
def test_with_more_items_less_is_left_to_the_rank(items: int, expected: list[str]) -> None:
    ranked = [
        Ranked("a", 3.0, 0.5), Ranked("b", 2.0, 0.4), Ranked("c", 2.0, 0.3), Ranked("d", 0.5, 0.2),
        Ranked("e", 4.0, 0.9, tied=False), Ranked("f", 0.1, 0.1, tied=False),
    ]  # fmt: skip
    assert kept(ranked, items) == expected


def test_what_is_clearly_worse_is_not_probed_and_each_way_of_reading_is() -> None:
    ranked = [Ranked("a", 1.0), Ranked("b", 1.0, tied=False), Ranked("c", 1.0, tied=False, way="apart")]
    assert kept(ranked[:2], 200) == ["a"]
    assert kept(ranked, 200) == ["a", "c"]

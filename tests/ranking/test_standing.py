"""The order of sources, by arrays alone: what is clear goes first, ties are ties, and what differs is not ranked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core.source import Source
from headstart.core.task import Task
from headstart.errors import RankingError
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.ranking.scoring import Scored
from headstart.ranking.standing import known_before, order, standing

TASK = Task("classification", ("ant", "bee"), "accuracy")


def source(name: str, **known: Any) -> Source:
    known = {"parameters": 1_000_000, "licence": "mit", **known}
    return Source(f"fake/{name}", name, input=ImagePreprocessing(size=(32, 32)), **known)


def scored(
    name: str, y: np.ndarray, wrong: int, *, seed: int = 0, score: float = 0.0, **known: Any
) -> Scored:
    """A source that is wrong on so many of the items, drawn by the seed."""
    right = np.ones(len(y), bool)
    right[np.random.default_rng(seed).permutation(len(y))[:wrong]] = False
    said = np.where(right, y, 1 - y)
    predictions = np.where(said[:, None] == np.arange(2), 0.9, 0.1)[None]
    scores = {"logme": score, "ridge": score, "knn": score}
    return Scored(source(name, **known), name, "items", predictions, scores, {}, ("last/g1",))


@pytest.fixture
def y() -> np.ndarray:
    return np.arange(200) % 2


def test_what_is_clearly_better_stands_before_a_higher_score(y: np.ndarray) -> None:
    rows = standing(TASK, y, [scored("liked", y, 60, score=9.0), scored("good", y, 10, score=1.0)])
    assert [row.source for row in rows] == ["fake/good", "fake/liked"]
    assert [row.place for row in rows] == [1, 2]
    assert [row.tied for row in rows] == [False, False]
    assert rows[1].score > rows[0].score
    assert rows[1].behind == pytest.approx(0.25)
    assert 0 < rows[1].behind_low < 0.25 < rows[1].behind_high
    assert rows[1].reason.startswith("25.0 points [")
    assert rows[1].reason.endswith("behind fake/good on the same items")
    assert rows[0].reason == "clearly better than the 1 other on the same items"


def test_a_tie_is_shown_as_a_tie_and_the_score_breaks_it(y: np.ndarray) -> None:
    rows = standing(
        TASK,
        y,
        [scored("a", y, 12, score=1.0), scored("b", y, 10, score=2.0, seed=1), scored("c", y, 90, seed=2)],
    )
    assert [row.source for row in rows] == ["fake/b", "fake/a", "fake/c"]
    assert [(row.place, row.tied) for row in rows] == [(1, True), (1, True), (3, False)]
    assert "not told apart from fake/b" in rows[1].reason
    assert rows[0].reason.startswith("not told apart from 1 source")


def test_equal_sources_are_in_the_order_of_size_then_name(y: np.ndarray) -> None:
    same = [scored(name, y, 10, parameters=size) for name, size in (("b", 5), ("a", 5), ("z", 2))]
    # the smaller has less of the prior, which is size here: with it the larger ones stand first
    assert [row.source for row in standing(TASK, y, same)] == ["fake/a", "fake/b", "fake/z"]
    alike = [replace(one, source=replace(one.source, prior=0.7)) for one in same]
    assert [row.source for row in standing(TASK, y, alike)] == ["fake/z", "fake/a", "fake/b"]
    for row in standing(TASK, y, alike):
        assert (row.place, row.tied, row.behind) == (1, True, 0.0)


def test_expected_is_the_held_out_metric_with_an_interval(y: np.ndarray) -> None:
    (first, second) = standing(TASK, y, [scored("a", y, 20), scored("b", y, 0, seed=1)])
    assert first.expected.value == 1.0
    assert first.expected.low < 1.0  # none wrong of 200 is no certainty
    assert first.expected.high == 1.0
    assert second.expected.value == pytest.approx(0.9)
    assert 0.82 < second.expected.low < 0.88
    assert 0.92 < second.expected.high < 0.97


def test_repeats_are_averaged(y: np.ndarray) -> None:
    one, two = scored("a", y, 10), scored("a", y, 30, seed=3)
    both = replace(one, predictions=np.concatenate([one.predictions, two.predictions]))
    (row, _) = standing(TASK, y, [both, replace(two, predictions=np.repeat(two.predictions, 2, axis=0))])
    assert row.expected.value == pytest.approx(1 - 20 / 200)


def test_lower_is_better_where_it_is(y: np.ndarray) -> None:
    task = Task("regression", ("size",), "MAE", higher_is_better=False)
    truth = np.linspace(0, 1, 80)
    rng = np.random.default_rng(0)

    def told(name: str, noise: float) -> Scored:
        off = truth + noise * rng.normal(size=80)
        return replace(scored(name, y, 0), source=source(name), predictions=off[None, :, None], digest=name)

    rows = standing(task, truth, [told("bad", 0.5), told("good", 0.05)])
    assert [row.source for row in rows] == ["fake/good", "fake/bad"]
    assert rows[0].expected.low < rows[0].expected.value < rows[0].expected.high < rows[1].expected.value
    assert rows[1].behind > 0


def test_groups_are_drawn_together(y: np.ndarray) -> None:
    worse = scored("a", y, 0)
    worse.predictions[:, :40] = worse.predictions[:, :40, ::-1]  # wrong on all of two groups
    pair = [worse, scored("b", y, 0)]
    alone = standing(TASK, y, pair)[1]
    together = standing(TASK, y, pair, groups=np.arange(200) // 20)[1]
    assert not alone.tied
    assert together.tied
    assert together.behind_high > alone.behind_high


def test_what_differs_beside_the_source_is_not_ranked(y: np.ndarray) -> None:
    one, two = scored("a", y, 10), scored("b", y, 20)
    with pytest.raises(RankingError, match=r"'fake/b': it was measured with other items.*'fake/a'"):
        standing(TASK, y, [one, replace(two, items="others")])
    larger = replace(
        one, source=replace(one.source, spec="fake/a?64", input=ImagePreprocessing(size=(64, 64)))
    )
    with pytest.raises(RankingError, match="the same weights with another preprocessing"):
        standing(TASK, y, [one, two, larger])


def test_the_same_call_gives_the_same_order(y: np.ndarray) -> None:
    some = [scored(str(i), y, 10 + i, seed=i, score=i % 3) for i in range(6)]
    first = standing(TASK, y, some)
    assert first == standing(TASK, y, some)
    assert [row.source for row in first] == [row.source for row in standing(TASK, y, some[::-1])]


def test_what_was_known_before(y: np.ndarray) -> None:
    some = [scored("a", y, 1, prior=0.7), scored("b", y, 1, prior=0.8)]
    assert known_before(some) == ([0.7, 0.8], "published accuracy")
    some[0] = scored("a", y, 1, parameters=10)
    values, called = known_before(some)
    assert called == "size"
    assert values[0] < values[1]
    some[0] = scored("a", y, 1, parameters=None)
    assert known_before(some) == ([0.0, 0.0], "")


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 7), st.integers(0, 10_000))
def test_no_source_stands_before_one_that_clearly_beats_it(count: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole, score = rng.random(count), rng.random(count)
    beats = (whole[:, None] - whole) > rng.uniform(0.05, 0.6, (count, count))
    found = order(score, whole, beats, list(range(count)))
    assert sorted(found) == list(range(count))
    for place, at in enumerate(found):
        assert not any(beats[later, at] for later in found[place + 1 :])
    assert order(score, whole, np.zeros((count, count), bool), list(range(count))) == list(np.argsort(-score))

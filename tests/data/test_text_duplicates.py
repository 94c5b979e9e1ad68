"""Near-duplicates among texts: against every pair compared by hand, and on planted copies."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from headstart.core.dataset import Dataset, TextItem
from headstart.core.task import Task
from headstart.data import load
from headstart.data.checks import duplicates
from headstart.data.checks import text_duplicates as search


def runs(text: str) -> set[str]:
    padded = f" {text} "
    return {padded[at : at + 4] for at in range(len(padded) - 3)}


def by_hand(texts: list[str], threshold: float) -> dict[tuple[int, int], float]:
    """Every pair, by its definition; equal texts with the first of them only."""
    out = {}
    for j, other in enumerate(texts):
        for i, one in enumerate(texts[:j]):
            if one == other and one and texts.index(one) == i:
                out[i, j] = 1.0
            if (
                one == other
                or min(len(one), len(other)) < search.LEAST_LETTERS
                or one in texts[:i]
                or other in texts[:j]
            ):
                continue
            alike = len(runs(one) & runs(other)) / len(runs(one) | runs(other))
            short, long = sorted((len(one), len(other)))
            if alike >= threshold and short >= threshold * long:
                out[i, j] = min(alike, search.ALMOST)
    return out


@given(st.lists(st.text("abc ", max_size=40), min_size=2, max_size=12), st.sampled_from([0.5, 0.75, 0.9]))
@settings(max_examples=150, deadline=None)
def test_every_pair_is_found_and_no_other(texts: list[str], threshold: float) -> None:
    found = {(i, j): alike for i, j, alike in search.near_duplicates(texts, threshold=threshold)}
    expected = by_hand(texts, threshold)
    assert found.keys() <= expected.keys()
    assert all(alike == pytest.approx(expected[pair]) for pair, alike in found.items())
    later = {i: sorted((-a, j) for (k, j), a in expected.items() if k == i) for i, _ in expected}
    for i, near in later.items():  # three of each, the most similar
        told = [pair for pair in found if pair[0] == i]
        assert len(told) >= min(3, len(near))


def test_equal_but_for_case_marks_and_blanks() -> None:
    texts = ["Good  phone!", "good phone", "GOOD, phone?", "ﬁne", "fine", "", "", "?!"]
    evened = [search.evened(text) for text in texts]
    assert {(i, j) for i, j, _ in search.near_duplicates(evened)} == {(0, 1), (0, 2), (3, 4)}


def test_vowels_that_are_marks_count() -> None:
    texts = ["दिन", "दान", "दीन", "ดี", "ดุ", "ดี", "e\u0301te\u0301", "été"]
    pairs = search.near_duplicates([search.evened(text) for text in texts])
    assert {(i, j) for i, j, _ in pairs} == {(3, 5), (6, 7)}


def test_pairs_of_marks_alone_are_like_no_other() -> None:
    items = (TextItem("1", "👍", "🎉"), TextItem("2", "!!!", "..."), TextItem("3", "👍", "🎉"))
    assert not search.search(Dataset("x", "text", items, pairs=True))


def test_both_texts_of_a_pair_must_be_alike() -> None:
    one, two, three = (
        "where can I buy a new bicycle",
        "how old is the tower of London",
        "what do cats like to eat",
    )
    items = (
        TextItem("1", one, two),
        TextItem("2", one.upper(), two),
        TextItem("3", one, three),
        TextItem("4", two, one),
    )
    assert [pair[:2] for pair in search.search(Dataset("x", "text", items, pairs=True))] == [(0, 1), (0, 3)]


def test_form_letters_do_not_take_for_ever() -> None:
    letters = [
        f"dear customer number {n} your order of day {n % 31} was sent and arrives soon" for n in range(800)
    ]
    found = search.near_duplicates(letters)
    assert 2000 < len(found) <= 3 * 800


def test_findings_say_where_and_whether_labels_differ() -> None:
    texts = ("the food was good and the waiter kind", "The food was good - and the waiter kind.",
             "the food was god and the waiter kind", "nothing like the others at all")  # fmt: skip
    items = tuple(TextItem(f"row {i + 1}", text) for i, text in enumerate(texts))
    dataset = Dataset("x", "text", items, Task("classification", ("bad", "good"), "accuracy"),
                      np.array([1, 0, 1, 0]), split=np.array(["train", "train", "test", "train"]))  # fmt: skip
    found = duplicates.near_findings(dataset, search.search(dataset))
    assert {(f.code, f.where) for f in found} == {("HS403", "row 2"), ("HS405", "row 2"), ("HS402", "row 3")}
    assert "but for case, marks or blanks, labelled bad and good" in next(
        f.message for f in found if f.code == "HS403"
    )


@pytest.mark.shared
def test_planted_copies_in_real_texts(shared: Path) -> None:
    dataset = load(shared / "data" / "text_agnews")
    texts = [search.evened(item.text) for item in dataset.items][:3000]
    rng, copies = random.Random(0), {}
    for row in rng.sample(range(1500), 60):
        words = texts[row].split()
        del words[rng.randrange(len(words))]
        copies[len(texts)] = row
        texts.append(" ".join(words))
    assert len(texts) == 3060
    found = {(i, j) for i, j, _ in search.near_duplicates(texts)}
    assert all((row, copy) in found for copy, row in copies.items())
    assert len(found) < 60 + 40

"""Parts of a text that are said: sentences and runs of words, learnt from what is known to tell them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headstart.measure.texts.chosen import extracts, spans
from headstart.measure.texts.chosen.parts import NEAREST, PARTS, WAYS, part_of
from headstart.measure.texts.chosen.words import WORD, Words
from headstart.measure.texts.shared import token_f1

LETTERS = st.text("aB1 .!?\n,-'é。", max_size=40).filter(str.strip)


@given(LETTERS)
def test_words_stand_where_they_are_said_to(text: str) -> None:
    found = Words.of(text, WORD)
    assert [text[a:b].lower() for a, b in found.spans.tolist()] == list(found.words)
    for word, number in zip(found.words, found.sentence.tolist(), strict=True):
        assert word in found.sentences[number].lower()


@given(LETTERS, st.sampled_from(PARTS))
def test_a_part_is_made_of_sentences_of_the_text(text: str, part: str) -> None:
    said = part_of([text], part)
    assert said
    assert all(one in text for one in said.split())


def test_states_are_means_over_the_tokens_of_a_word() -> None:
    words = Words.of("one twothree four")
    places = np.array([[0, 0], [0, 3], [4, 7], [7, 12], [0, 0]])  # two special tokens, nothing of "four"
    states = np.arange(10.0).reshape(5, 2)
    np.testing.assert_array_equal(words.states(states, places), [[2, 3, 0], [5, 6, 0], [0, 0, 1]])


def test_the_central_sentence_shares_most_words_with_the_others() -> None:
    text = (
        "The storm broke the harbour wall. We had tea. The harbour wall and the boats were lost in the storm."
    )
    assert part_of([text], "most central sentence").startswith("The harbour wall and")
    assert part_of([text], "2 most central sentences").split(". ")[0] == "The storm broke the harbour wall"


def test_what_is_nearest_to_a_question() -> None:
    passage = "The bridge was built long ago. Anna Berg painted the bridge in oils. It rains here."
    assert part_of(["Who painted the bridge?", passage], NEAREST) == "Anna Berg"
    with pytest.raises(ValueError, match="no part"):
        part_of([passage], NEAREST)


def told(count: int, seed: int) -> tuple[list[str], list[str]]:
    """Texts of which the sentences with "key" make the summary."""
    rng, texts, wanted = np.random.default_rng(seed), [], []
    for _ in range(count):
        parts = [" ".join(rng.choice(list("abcdefgh"), 5)) for _ in range(6)]
        for place in rng.choice(6, 2, replace=False).tolist():
            parts[place] = " ".join(rng.choice(list("pqrstuvw"), 5)) + " key"
        texts.append(". ".join(parts) + ".")
        wanted.append(" ".join(f"{part}." for part in parts if "key" in part))
    return texts, wanted


def sides_of(texts: list[str], telling: str) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each text a state for each word: whether its sentence holds what tells."""
    found = []
    for text in texts:
        words = Words.of(text)
        tells = np.array([[telling in words.sentences[n]] for n in words.sentence.tolist()], float)
        found.append((tells, words.spans))
    return found


def test_sentences_are_chosen_by_what_the_states_say() -> None:
    texts, wanted = told(60, 0)
    items = [
        extracts.Selection.prepared([t], [s]) for t, s in zip(texts, sides_of(texts, "key"), strict=True)
    ]
    learnt = extracts.Selection.fit([w for w, _ in items[:40]], [f for _, f in items[:40]], wanted[:40])
    assert [learnt.chosen(*item) for item in items[40:]] == wanted[40:]
    again = WAYS["sentences"](**learnt.tensors)
    assert again.chosen(*items[50]) == wanted[50]
    assert learnt.chosen(*extracts.Selection.prepared(["?!"], [(np.zeros((0, 1)), np.zeros((0, 2)))])) == "?!"


def test_the_k_th_time_of_a_word_counts_only_where_a_summary_says_it_k_times() -> None:
    assert extracts.times(["a", "b", "a", "a", "a", "a"]).tolist() == [1, 1, 2, 3, 4, 4]


def test_a_reader_learns_what_a_question_asks_for() -> None:
    rng, texts, answers = np.random.default_rng(0), [], []
    for _ in range(80):
        name, year = str(rng.choice(["Ada", "Bert", "Carl", "Dora"])), str(rng.integers(1800, 2000))
        rest = " ".join(rng.choice(["grey", "cold", "wet", "old"], 3))
        asks = rng.integers(2)
        texts.append(
            [
                ["Who came to the town?", "When was it founded?"][asks],
                f"In {year} the {rest} town saw {name} come.",
            ]
        )
        answers.append([name, year][asks])
    none = [(np.zeros((0, 1)), np.zeros((0, 2), np.int64))] * 2
    items = [spans.Reader.prepared(one, none) for one in texts]
    learnt = spans.Reader.fit([a for a, _ in items[:50]], [f for _, f in items[:50]], answers[:50], 0)
    said = [learnt.chosen(*item) for item in items[50:]]
    assert np.mean([token_f1(a, b) for a, b in zip(answers[50:], said, strict=True)]) > 0.9
    again = WAYS["span"](**learnt.tensors)
    assert [again.chosen(*item) for item in items[50:]] == said


def test_scores_of_runs_are_those_of_their_described_features() -> None:
    asked = spans.Asked.of("Who sings?", "A red bird sings. It is old.")
    rng = np.random.default_rng(0)
    features, found = rng.normal(size=(len(asked.passage), 3)), spans.runs(asked.passage)
    plain = spans.columns(asked, found)
    learnt = spans.Reader(rng.normal(size=plain.shape[1]), rng.normal(size=(3, 3)))
    whole = plain @ learnt.plain + spans.described(features, found) @ learnt.states.ravel()
    np.testing.assert_allclose(learnt.scores(asked, found, features), whole)
    assert (found[:, 1] - found[:, 0] < spans.LONGEST).all()
    assert len(found) == 4 * 5 // 2 + 3 * 4 // 2

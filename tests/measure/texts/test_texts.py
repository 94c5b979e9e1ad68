"""Metrics of texts against the packages that people quote: jiwer, sacreBLEU, rouge-score, and SQuAD's script."""

from __future__ import annotations

import jiwer
import numpy as np
import pytest
import sacrebleu
from hypothesis import given, settings
from hypothesis import strategies as st
from rouge_score import rouge_scorer

from headstart.measure.texts import edits, ngrams, shared

WORDS = st.sampled_from(
    [
        "the",
        "a",
        "cat",
        "Cat",
        "sat,",
        "on",
        "mats.",
        "U.S.",
        "1,000",
        "well-known",
        "&amp;",
        "don't",
        "3.5",
        "Straße",
        "über",
    ]
)
TEXTS = st.lists(WORDS, max_size=12).map(" ".join)
PAIRS = st.lists(st.tuples(TEXTS.filter(bool), TEXTS), min_size=1, max_size=6)
EXAMPLE = [
    ("The cat sat on the mat.", "the cat sat on mat"),
    ("A dog, running in 3.5 km of snow!", "A dog running in the snow"),
    ("He said that U.S. prices rose by 1,000 dollars.", "He said that U.S. prices rose by 1,000 dollars."),
]


def summed(counts, pairs):
    return np.array([counts(*pair) for pair in pairs], np.float64).sum(axis=0)[None]


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_bleu_and_chrf_are_those_of_sacrebleu(pairs):
    wanted, said = map(list, zip(*pairs, strict=True))
    bleu = sacrebleu.corpus_bleu(said, [wanted]).score / 100
    chrf = sacrebleu.corpus_chrf(said, [wanted]).score / 100
    assert ngrams.bleu(summed(ngrams.bleu_counts, pairs))[0] == pytest.approx(bleu, abs=1e-9)
    assert ngrams.chrf(summed(ngrams.chrf_counts, pairs))[0] == pytest.approx(chrf, abs=1e-9)


def test_metrics_of_whole_sentences_are_not_trivial():
    assert 0.5 < ngrams.bleu(summed(ngrams.bleu_counts, EXAMPLE))[0] < 1
    assert ngrams.bleu(summed(ngrams.bleu_counts, EXAMPLE[2:]))[0] == pytest.approx(1)
    test_bleu_and_chrf_are_those_of_sacrebleu.hypothesis.inner_test(EXAMPLE)


@settings(max_examples=60, deadline=None)
@given(PAIRS)
def test_error_rates_are_those_of_jiwer_after_the_same_normaliser(pairs):
    wanted, said = ([edits.normalised(text) for text in side] for side in zip(*pairs, strict=True))
    kept = [place for place, text in enumerate(wanted) if text]
    wanted, said = ([side[place] for place in kept] for side in (wanted, said))
    if not kept:
        return
    pairs = list(zip(wanted, said, strict=True))
    assert edits.rate(summed(edits.word_counts, pairs))[0] == pytest.approx(jiwer.wer(wanted, said))
    assert edits.rate(summed(edits.character_counts, pairs))[0] == pytest.approx(jiwer.cer(wanted, said))


def test_the_normaliser_keeps_accents_and_apostrophes():
    assert edits.normalised("Don’t  SHOUT, él: “sí” — ½!") == "don't shout él sí 1 2"
    assert edits.word_counts("sí", "si") == (1, 1)


def test_rates_of_nothing():
    assert edits.rate(np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 2.0]])).tolist() == [0.0, 1.0, 1.5]


@settings(max_examples=60, deadline=None)
@given(TEXTS, TEXTS)
def test_rouge_is_that_of_rouge_score(wanted, said):
    wanted, said = (text.replace("ß", "ss").replace("ü", "u") for text in (wanted, said))
    found = rouge_scorer.RougeScorer(["rouge1", "rouge2", "rougeL"]).score(wanted, said)
    assert shared.rouge(wanted, said, 1) == pytest.approx(found["rouge1"].fmeasure, abs=1e-6)
    assert shared.rouge(wanted, said, 2) == pytest.approx(found["rouge2"].fmeasure, abs=1e-6)
    assert shared.rouge_l(wanted, said) == pytest.approx(found["rougeL"].fmeasure, abs=1e-6)


def test_rouge_keeps_letters_of_other_scripts():
    assert shared.rouge("die Straße über", "die straße", 1) == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("wanted", "said", "exact", "f1"),
    [
        ("The Eiffel Tower!", "eiffel tower", 1.0, 1.0),
        ("in the year 1999", "1999", 0.0, 0.5),  # precision 1, recall 1/3
        ("Denver Broncos", "Carolina Panthers", 0.0, 0.0),
        ("a", "the", 1.0, 1.0),
        ("a", "Paris", 0.0, 0.0),
        ("cat cat dog", "cat", 0.0, 0.5),
    ],
)
def test_answers_as_squad_compares_them(wanted, said, exact, f1):
    assert shared.exact(wanted, said) == exact
    assert shared.token_f1(wanted, said) == pytest.approx(f1)


@settings(max_examples=60, deadline=None)
@given(st.text("abc", max_size=9), st.text("abc", max_size=9))
def test_distance_is_that_of_the_table(one, other):
    row = list(range(len(other) + 1))
    for i, sign in enumerate(one, 1):
        before, row[0] = row[0], i
        for j, second in enumerate(other, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (sign != second))
    assert edits.distance(one, other) == row[-1]


def test_repetition_counts_runs_that_came_before():
    assert ngrams.repeated("a b c d a b c d") == (1, 5)
    assert ngrams.repeated("one two three") == (0, 0)

"""Where in its text each token stands."""

from __future__ import annotations

import numpy as np
import pytest

from headstart.modalities.text import Text, prepare
from headstart.modalities.text.encoding._encode import opened
from headstart.modalities.text.encoding.words import WHOLE, WordEncoder
from headstart.modalities.text.preprocessing import BI_ENCODER, TextPreprocessing
from headstart.modalities.text.sides import sides
from made.pretrained import tokenizer

FIRST, SECOND = "the  bread was\nsalt", "a train, very very quite today with snow"
WORDS = WordEncoder(("the", "bread", "salt", "train", "very", "snow"), pattern=WHOLE).to_json()


def encoders() -> list[str]:
    pytest.importorskip("tokenizers")
    return [WORDS, tokenizer("bert").to_str(), tokenizer("gpt2").to_str()]


@pytest.mark.parametrize("number", range(3))
@pytest.mark.parametrize("most", [6, 9, 40])
@pytest.mark.parametrize("second", [None, SECOND])
def test_every_token_stands_where_its_word_does(number: int, most: int, second: str | None) -> None:
    encoder = opened(encoders()[number], most)
    table, places = encoder(FIRST, second), encoder.places(FIRST, second)
    assert len(places) == table.shape[1]
    texts = [FIRST, second or ""]
    for token, (text, start, end) in zip(table[0], places.tolist(), strict=True):
        if text >= 0 and end > start:
            alone = encoder(texts[text][start:end])[0]
            assert token in alone, (texts[text][start:end], token, alone)
    for text in (0, 1):
        starts = places[places[:, 0] == text, 1]
        assert (np.diff(starts) >= 0).all()
    assert second is None or (places[:, 0] == 1).any()


def test_sides_leave_out_the_prefix_and_read_two_texts_apart() -> None:
    contract = TextPreprocessing(WORDS, max_length=8, prefix="very very ")
    state = np.arange(20.0).reshape(5, 4)
    (own, places), *_ = sides(["the bread salt"], state, contract)
    np.testing.assert_array_equal(own, state[2:5, :3])
    np.testing.assert_array_equal(places, [[0, 3], [4, 9], [10, 14]])
    apart = TextPreprocessing(WORDS, max_length=8, pairs=BI_ENCODER)
    text = Text("the bread", "very much snow")
    shape = prepare(text, apart).reshape(2, 3, -1).shape
    both = np.random.default_rng(0).normal(size=(2, shape[-1], 3))
    found = sides(text.parts, both, apart)
    np.testing.assert_array_equal(found[1][0], both[1, :2, :2])
    assert found[1][1].tolist() == [[0, 4], [10, 14]]


def test_runs_of_words_have_no_places() -> None:
    with pytest.raises(ValueError, match="no order"):
        WordEncoder(("a", "a b"), ngrams=2).places("a b")

"""Which words are hidden (the rest is in tests/run/test_pretrain.py, with the training)."""

from __future__ import annotations

import numpy as np

from headstart.testing.texts import TinyTextBackbone
from headstart.train.masked import Guesser, Vocabulary, hide

VOCABULARY = Vocabulary(100, 99, frozenset({1, 2}))


def texts(ordinary: int) -> np.ndarray:
    """int32 `[300, 3, 4 + ordinary]`: special tokens about some ordinary ones, and fillers."""
    made = np.zeros((300, 3, 4 + ordinary), np.int32)
    made[:, 0, 0], made[:, 0, ordinary + 1] = 1, 2
    made[:, 0, 1 : ordinary + 1] = np.random.default_rng(0).integers(3, 99, (300, ordinary))
    made[:, 1, : ordinary + 2] = 1
    return made


def test_one_of_every_text_where_that_is_wanted() -> None:
    short = texts(2)
    some, every = (
        hide(short, VOCABULARY, np.random.default_rng(1), every=wanted) for wanted in (False, True)
    )
    asked, by_chance = every[:, 3] > 0, (some[:, 3] > 0).any(1)
    assert 0.2 < by_chance.mean() < 0.35
    assert np.array_equal(every[by_chance], some[by_chance])
    assert (asked.sum(1)[~by_chance] == 1).all()
    assert not asked[:, [0, 3, 4, 5]].any()
    assert set(np.flatnonzero(asked[~by_chance].any(0))) == {1, 2}


def test_where_nothing_can_be_hidden() -> None:
    made = hide(texts(0), VOCABULARY, np.random.default_rng(1), every=True)
    assert not made[:, 3].any()
    assert np.array_equal(made[:, :3], texts(0))


def test_words_are_guessed_by_their_own_table() -> None:
    backbone = TinyTextBackbone()
    assert Guesser(backbone, 0).words is backbone.module.embeddings

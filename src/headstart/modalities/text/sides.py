"""What a source says of every token of a text, and where in the text each stands."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from headstart.modalities.text.preprocessing import TextPreprocessing, encoder_of

Side = tuple[np.ndarray, np.ndarray]
"""As `measure.texts.chosen.words.Side`, of one of the texts."""


def sides(texts: Sequence[str], state: np.ndarray, contract: TextPreprocessing) -> list[Side]:
    """Of each of the texts, from the state `[T, D + 1]` of a backbone, of two texts apart `[2, T, D + 1]`.

    `state` may have fewer steps than the contract reads; tokens beyond have none. Raises `ValueError` for a
    source whose entries have no order.
    """
    encoder, prefix = encoder_of(contract), contract.prefix
    if contract.apart:
        apart = [encoder.places(prefix + part) for part in texts]
        return [_own(side, places, 0, len(prefix)) for side, places in zip(state, apart, strict=True)]
    places = encoder.places(prefix + texts[0], *texts[1:])
    return [_own(state, places, number, 0 if number else len(prefix)) for number in range(len(texts))]


def _own(state: np.ndarray, places: np.ndarray, number: int, skipped: int) -> Side:
    """Of the tokens of one text, those of the prefix left out."""
    places = places[: len(state)]
    own = np.flatnonzero((places[:, 0] == number) & (places[:, 2] > skipped))
    return state[own, :-1], np.maximum(places[own, 1:] - skipped, 0)

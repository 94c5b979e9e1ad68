"""From a text to its source's tokens: the tokenizer that a contract carries, opened once."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any, Protocol

import numpy as np

from headstart._lazy import optional
from headstart.core.untrusted import Damaged, limits, parsing, read_json
from headstart.modalities.base import Counted
from headstart.modalities.text.encoding import _patterns
from headstart.modalities.text.encoding.words import FORMAT, WordEncoder, longest_first

KEPT = 8
"""Opened tokenizers that are kept."""
LARGEST = 2**31 - 1
"""A token's number: they are kept as int32."""
BETWEEN = "\n"
"""Stands between two texts for a tokenizer that knows no pairs."""


class Encoder(Protocol):
    """A tokenizer at work."""

    def __call__(self, first: str, second: str | None = None) -> np.ndarray:
        """int32 `[3, t]`: tokens, mask, types; cut to the contract's length, t at least 1.

        Raises `Damaged` for a text that the tokenizer gives up."""

    def places(self, first: str, second: str | None = None) -> np.ndarray:
        """int64 `[t, 3]`: of each token that a call gives which text it is of (-1: none), and from which
        character up to which."""

    def count(self, first: str, second: str | None = None) -> Counted:
        """How many tokens a text has, how many of them are read, and how many words are unknown."""

    def dummy_text(self, words: int, rng: np.random.Generator) -> str:
        """A text of about so many words that it has numbers for, drawn at random; "" where it has none."""

    def alone(self) -> str:
        """JSON for whoever reads without Headstart: of a tokenizer with this length, nothing filled up."""

    @property
    def largest(self) -> int:
        """The largest number of a token."""


@lru_cache(maxsize=KEPT)
def opened(text: str, max_length: int) -> Encoder:
    """The encoder that is this JSON. Raises `Damaged` (a `ValueError`) for what is none, `MissingExtra`."""
    content = read_json(text, most=limits.TOKENIZER_BYTES)
    if isinstance(content, dict) and content.get("format") == FORMAT:
        return Words(WordEncoder.from_json(content), max_length)
    _patterns.check(content)
    return Subwords(text, max_length)


class Subwords:
    """A tokenizer of the package `tokenizers`. Threads may share one."""

    def __init__(self, text: str, max_length: int) -> None:
        tokenizers = optional("tokenizers", extra="text", needed_for="reading texts with this source")
        self._most = max_length
        try:
            with parsing():
                self._whole: Any = tokenizers.Tokenizer.from_str(text)
                self._cut: Any = tokenizers.Tokenizer.from_str(text)
                for tokenizer in (self._whole, self._cut):
                    tokenizer.no_padding()
                    tokenizer.no_truncation()
                self._cut.enable_truncation(max_length)
                self._knows_pairs = _knows_pairs(self._whole)  # its first use: a processor may still fail
                unknown = getattr(self._whole.model, "unk_token", None)
                self._unknown = self._whole.token_to_id(unknown) if isinstance(unknown, str) else None
        except Damaged as error:
            raise Damaged(f"a tokenizer that cannot be opened ({error})") from error
        if self.largest > LARGEST:
            raise Damaged(f"a tokenizer that numbers tokens up to {self.largest:,}; {LARGEST:,} is the most")

    def dummy_text(self, words: int, rng: np.random.Generator) -> str:
        numbers = sorted(self._whole.get_vocab(with_added_tokens=False).values())
        some = [numbers[place] for place in rng.integers(0, len(numbers), words)] if numbers else []
        with parsing():
            return str(self._whole.decode(some, skip_special_tokens=True))

    def alone(self) -> str:
        return str(self._cut.to_str())

    @property
    def largest(self) -> int:
        return max(self._whole.get_vocab(with_added_tokens=True).values(), default=0)

    def __call__(self, first: str, second: str | None = None) -> np.ndarray:
        if second is not None and not self._knows_pairs:
            return self._glued(first, second)[0]
        with parsing():
            found = self._cut.encode(first, second)
            return _table(found.ids, found.type_ids)

    def places(self, first: str, second: str | None = None) -> np.ndarray:
        if second is not None and not self._knows_pairs:
            return self._glued(first, second)[1]
        with parsing():
            found = self._cut.encode(first, second)
        return _places(
            ((-1 if n is None else n, *at) for n, at in zip(found.sequence_ids, found.offsets, strict=True))
        )

    def _glued(self, first: str, second: str) -> tuple[np.ndarray, np.ndarray]:
        """Two texts as one, tokens beyond the limit taken from the end of the longer one; and `places`."""
        with parsing():
            found = self._whole.encode(first + BETWEEN + second)
        ids, types = np.array(found.ids, np.int64), np.array(found.type_ids, np.int64)
        own = np.flatnonzero(np.array(found.special_tokens_mask, np.int64) == 0)
        of_second = np.array([found.offsets[place][0] >= len(first + BETWEEN) for place in own], bool)
        one, two = own[~of_second], own[of_second]
        kept = longest_first(len(one), len(two), self._most - (len(ids) - len(own)))
        left_out = np.concatenate([one[kept[0] :], two[kept[1] :]])
        places = _places((-1, *at) for at in found.offsets)
        places[one, 0] = 0
        places[two] = np.c_[np.ones(len(two)), np.maximum(places[two, 1:] - len(first + BETWEEN), 0)]
        table = _table(np.delete(ids, left_out).tolist(), np.delete(types, left_out).tolist())
        return table, np.delete(places, left_out, axis=0)

    def count(self, first: str, second: str | None = None) -> Counted:
        glued = second is not None and not self._knows_pairs
        with parsing():
            texts = (f"{first}{BETWEEN}{second}", None) if glued else (first, second)
            ids = self._whole.encode(*texts).ids
        unknown = ids.count(self._unknown) if self._unknown is not None else 0
        return Counted(len(ids), min(len(ids), self._most), unknown)


class Words:
    """A list of words; of a pair the second text's words have type 1."""

    def __init__(self, words: WordEncoder, max_length: int) -> None:
        self.words, self._most = words, max_length

    def dummy_text(self, words: int, rng: np.random.Generator) -> str:
        known = self.words.words
        return " ".join(known[place] for place in rng.integers(0, len(known), words)) if known else ""

    def alone(self) -> str:
        return self.words.to_json()

    @property
    def largest(self) -> int:
        return len(self.words.words)

    def __call__(self, first: str, second: str | None = None) -> np.ndarray:
        one = self.words.encode(first)[0]
        two = self.words.encode(second)[0] if second is not None else []
        kept = longest_first(len(one), len(two), self._most)
        return _table(one[: kept[0]] + two[: kept[1]], [0] * kept[0] + [1] * kept[1])

    def places(self, first: str, second: str | None = None) -> np.ndarray:
        """See `Encoder`. Raises `ValueError` for a list with runs of words, whose entries have no order."""
        found = [self.words.places(text) for text in (first, second) if text is not None]
        kept = (*longest_first(len(found[0]), len(found[-1]) if len(found) > 1 else 0, self._most), 0)
        return _places((n, *at) for n, one in enumerate(found) for at in one[: kept[n]])

    def count(self, first: str, second: str | None = None) -> Counted:
        known, unknown = self.words.encode(first)
        more, strange = self.words.encode(second) if second is not None else ([], 0)
        tokens = len(known) + len(more)
        return Counted(tokens, min(tokens, self._most), unknown + strange)


def _knows_pairs(tokenizer: Any) -> bool:
    """Whether something of its own stands between the two texts of a pair."""
    texts: list[int | None] = tokenizer.encode("a", "b").sequence_ids
    if 0 in texts and 1 in texts:
        return None in texts[texts.index(0) : texts.index(1)]
    alone = [tokenizer.encode(word).ids for word in ("a", "b")]
    return tokenizer.encode("a", "b").ids != alone[0] + alone[1]  # it knows neither word


def _places(found: Iterable[tuple[int, int, int]]) -> np.ndarray:
    return np.array([*found] or [(-1, 0, 0)], np.int64)


def _table(ids: list[int], types: list[int]) -> np.ndarray:
    if not ids:
        return np.zeros((3, 1), dtype=np.int32)
    return np.array([ids, [1] * len(ids), types], dtype=np.int32)

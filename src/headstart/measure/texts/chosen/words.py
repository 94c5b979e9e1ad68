"""The words of a text: where they stand, in which sentence, and what is known of each without a network."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from headstart.core.texts import sentences

WORD = re.compile(r"[^\W_]+(?:[.,'’\-][^\W_]+)*")
"""A word with what holds it together: "don't", "19.5", "well-known"."""
PLAIN = re.compile(r"[^\W_]+")
"""A word as ROUGE counts it."""

Side = tuple[np.ndarray, np.ndarray]
"""What a network says of a text: states `[T, D]` of its tokens, and int64 `[T, 2]`: from which character up
to which each stands."""


@dataclass(frozen=True, eq=False)
class Words:
    """The words of a text, in order."""

    text: str = field(repr=False)
    words: tuple[str, ...] = field(repr=False)
    """In lower case."""
    spans: np.ndarray = field(repr=False)
    """int64 `[W, 2]`: from which character up to which."""
    sentence: np.ndarray = field(repr=False)
    """int64 `[W]`: the number of the sentence that each is in."""
    sentences: tuple[str, ...] = field(repr=False)

    def __len__(self) -> int:
        return len(self.words)

    @classmethod
    def of(cls, text: str, pattern: re.Pattern[str] = PLAIN) -> Words:
        """Sentences as `core.texts.sentences` finds them."""
        parts, starts, at = sentences(text), [], 0
        for part in parts:
            at = text.index(part, at)
            starts.append(at)
            at += len(part)
        found = list(pattern.finditer(text))
        spans = np.array([one.span() for one in found], np.int64).reshape(-1, 2)
        number = np.maximum(np.searchsorted(starts, spans[:, 0], "right") - 1, 0)
        return cls(text, tuple(one.group().lower() for one in found), spans, number, tuple(parts))

    def states(self, states: np.ndarray, places: np.ndarray) -> np.ndarray:
        """float64 `[W, D + 1]`: the mean of the states `[T, D]` of each word's tokens, which stand at the
        characters `places` `[T, 2]`; the last column is 1 where a word has none."""
        own = places[:, 1] > places[:, 0]
        states, places = np.asarray(states, np.float64)[own], places[own]
        first = np.searchsorted(places[:, 1], self.spans[:, 0], "right")
        last = np.searchsorted(places[:, 0], self.spans[:, 1], "left")
        added = np.concatenate([np.zeros((1, states.shape[1])), np.cumsum(states, 0)])
        count = np.maximum(last - first, 0)
        means = (added[np.maximum(last, first)] - added[first]) / np.maximum(count, 1)[:, None]
        return np.column_stack([means, count == 0])

    def rarity(self) -> dict[str, float]:
        """How much each word tells one sentence from another: ln((1 + sentences) / (1 + those with it)),
        never below 0."""
        with_it = Counter(word for word, _ in set(zip(self.words, self.sentence.tolist(), strict=True)))
        total = len(self.sentences)
        return {word: float(np.log((1 + total) / (1 + many))) for word, many in with_it.items()}


def central(text: str, count: int) -> str:
    """The sentences, in their order, whose words are most like those of all: cosine of counts weighted by
    their rarity in the text itself."""
    found = Words.of(text)
    rare, total = found.rarity(), Counter(found.words)
    own = [Counter[str]() for _ in found.sentences]
    for word, number in zip(found.words, found.sentence.tolist(), strict=True):
        own[number][word] += 1
    scores = [_cosine(one, total, rare) for one in own]
    best = sorted(range(len(own)), key=lambda number: -scores[number])[:count]
    return " ".join(found.sentences[number] for number in sorted(best))


def _cosine(one: Counter[str], other: Counter[str], rare: dict[str, float]) -> float:
    """Of weighted counts, up to the length of `other`."""
    length = sum((many * rare[word]) ** 2 for word, many in one.items()) ** 0.5
    return sum(many * other[word] * rare[word] ** 2 for word, many in one.items()) / length if length else 0.0

"""Summaries made of a text's own sentences: those that are expected to share most words with what is wanted.

Each word of a text is given a chance that the summary has it, by a ridge regression on what a network says of
it, on where it stands, and on how often it has stood before: the k-th time that a word is said counts only
where a summary says it k times. A set of sentences with the chances p is expected to reach
F1 = 2 sum(p) / (its words + the words that a summary usually has); sentences are added as long as that grows
(Nenkova and Vanderwende, 2005, choose sentences by the chances of their words, too).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np

from headstart.measure.texts.chosen.words import Side, Words
from headstart.measure.texts.shared import plain

TIMES = 4
"""A word that was said before so often, or oftener, counts alike."""
PENALTY = 0.03
"""Of the ridge, for each word that is learnt from."""
MOST = 8
"""Sentences of a summary."""
COLUMNS = 8
"""Of `columns`."""


def columns(words: Words) -> np.ndarray:
    """float64 `[W, COLUMNS]`: what is known of each word without a network."""
    often, last = Counter(words.words), max(1, len(words.sentences) - 1)
    number = words.sentence
    length = np.array([len(one) for one in words.sentences], np.float64)[number]
    return np.column_stack(
        [
            np.log([often[word] for word in words.words]),
            number / last, number == 0, number == 1, number == last,
            np.log(np.maximum(length, 1)),
            [len(word) for word in words.words],
            np.full(len(words), np.log(max(1, len(words)))),
        ]
    ).reshape(-1, COLUMNS)  # fmt: skip


def times(words: Sequence[str]) -> np.ndarray:
    """int64: how often each word was said up to here, at most `TIMES`."""
    seen: Counter[str] = Counter()
    out = []
    for word in words:
        seen[word] += 1
        out.append(min(seen[word], TIMES))
    return np.array(out, np.int64)


@dataclass(frozen=True, eq=False)
class Selection:
    """What chooses sentences."""

    weight: np.ndarray = field(repr=False)
    """float64 `[D]`, on features as they are."""
    count: np.ndarray = field(repr=False)
    """float64 `[TIMES]`: added to the chance of a word that is said for the k-th time."""
    length: np.ndarray = field(repr=False)
    """float64 `[2]`: words of a summary = the first + the second x the logarithm of those of its text."""

    SHAPES: ClassVar = {"weight": (None,), "count": (TIMES,), "length": (2,)}
    """Of its tensors."""

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        return {"weight": self.weight, "count": self.count, "length": self.length}

    @staticmethod
    def prepared(texts: Sequence[str], sides: Sequence[Side]) -> tuple[Words, np.ndarray]:
        """The words of the last of the texts, and float32 features `[W, D]` of each."""
        words = Words.of(texts[-1])
        return words, np.column_stack([words.states(*sides[-1]), columns(words)]).astype(np.float32)

    @classmethod
    def fit(
        cls,
        texts: Sequence[Words],
        features: Sequence[np.ndarray],
        wanted: Sequence[str],
        seed: int = 0,  # noqa: ARG003 - nothing is drawn
    ) -> Selection:
        """From texts, of which one has a word at least, their features, and their summaries."""
        said = [Counter(plain(one)) for one in wanted]
        before = [times(one.words) for one in texts]
        y = np.array(
            [
                had[word] >= k
                for one, had, ks in zip(texts, said, before, strict=True)
                for word, k in zip(one.words, ks.tolist(), strict=True)
            ],
            np.float64,
        )
        x = np.concatenate(features).astype(np.float64)
        mean, sd = x.mean(0), x.std(0)
        sd = np.where(sd > 0, sd, 1)
        x = np.column_stack([(x - mean) / sd, np.eye(TIMES)[np.concatenate(before) - 1]])
        gram = x.T @ x
        gram[np.diag_indices(len(gram))] += PENALTY * len(x) * (np.arange(len(gram)) < len(mean)) + 1e-6
        found = np.linalg.solve(gram, x.T @ y)
        weight = found[: len(mean)] / sd
        logs = np.log([max(1, len(one)) for one in texts])
        sizes = np.array([one.total() for one in said], np.float64)
        slope = float(np.cov(logs, sizes)[0, 1] / np.var(logs, ddof=1)) if np.ptp(logs) > 0 else 0.0
        return cls(
            weight,
            found[len(mean) :] - mean @ weight,
            np.array([sizes.mean() - slope * logs.mean(), slope]),
        )

    def chosen(self, words: Words, features: np.ndarray) -> str:
        """The sentences that are expected to be nearest, in their order; at least one."""
        if not len(words):
            return words.sentences[0]
        base = np.asarray(features, np.float64) @ self.weight
        length = max(1.0, self.length[0] + self.length[1] * np.log(len(words)))
        own = [np.flatnonzero(words.sentence == number) for number in range(len(words.sentences))]
        seen: Counter[str] = Counter()
        taken: list[int] = []
        hits, size, best = 0.0, 0, -1.0
        while len(taken) < MOST:
            tried = [
                (*self._gain(words, base, own[number], seen), number)
                for number in range(len(own))
                if number not in taken and len(own[number])
            ]
            scores = [2 * (hits + gain) / (size + many + length) for gain, many, _ in tried]
            if not scores or max(scores) <= best:
                break
            best = max(scores)
            gain, many, number = tried[scores.index(best)]
            hits, size = hits + gain, size + many
            taken.append(number)
            seen.update(words.words[place] for place in own[number].tolist())
        return " ".join(words.sentences[number] for number in sorted(taken))

    def _gain(
        self, words: Words, base: np.ndarray, places: np.ndarray, seen: Counter[str]
    ) -> tuple[float, int]:
        """Words of a sentence that are expected to be in the summary, and all of them."""
        own: Counter[str] = Counter()
        hits = 0.0
        for place in places.tolist():
            word = words.words[place]
            own[word] += 1
            hits += min(max(base[place] + self.count[min(seen[word] + own[word], TIMES) - 1], 0.0), 1.0)
        return hits, len(places)

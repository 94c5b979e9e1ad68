"""Answers that are a part of a passage: every run of a few words is scored, and the best one is said.

A run is described by the words at its ends, by what stands around it and how near that is to the words of the
question, by how the question begins, and by what a network says of its first and last word and of the words
between. A ridge regression gives the F1 that it is expected to have.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, NamedTuple

import numpy as np

from headstart.measure.texts.chosen.words import WORD, Side, Words
from headstart.measure.texts.shared import squad

LONGEST = 10
"""Words of an answer."""
ASKED = ("who", "when", "where", "why", "which", "what", "how many", "how much", "how")
"""Beginnings of questions that ask for different things."""
NEAR = 4.0
"""Words over which what is near a word of the question loses its weight, by e."""
SHORT = 3
"""Letters up to which a word in small letters is taken for one that only joins others."""
GOOD, BAD = 20, 40
"""Runs of a passage that are learnt from: those that share a word with the answer, and others."""
PENALTY, OF_STATES = 0.02, 5.0
"""Of the ridge, for each run that is learnt from; the second of states, of which there are many."""
MATCHED = 4
"""Columns of `matched`."""


class Asked(NamedTuple):
    """A question and its passage."""

    question: Words
    passage: Words

    @classmethod
    def of(cls, question: str, passage: str) -> Asked:
        return cls(Words.of(question, WORD), Words.of(passage, WORD))


def nearness(asked: Asked) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Of each word of the passage: whether the question has it, how near words of the question are before it
    and behind it in its sentence, and how much of the question its sentence has; float64 `[W]` each.

    Words count by how much they tell one sentence from another."""
    question, passage = asked
    rare, said = passage.rarity(), {_stem(word) for word in question.words if len(word) > SHORT}
    inside = np.array([_stem(word) in said for word in passage.words], np.float64)
    weight = inside * np.array([rare[word] + 0.1 for word in passage.words])
    before, behind = (_decayed(weight, passage.sentence, step) for step in (1, -1))
    share = np.bincount(passage.sentence, weight, len(passage.sentences))
    share = share / max(share.max(initial=0.0), 1e-9)
    return inside, before, behind, share[passage.sentence]


def _stem(word: str) -> str:
    return word[:5]


def _decayed(weight: np.ndarray, sentence: np.ndarray, step: int) -> np.ndarray:
    """What the words before (`step` 1) or behind (-1) in the sentence weigh."""
    out, carried, last = np.zeros(len(weight)), 0.0, -1
    fade = float(np.exp(-1 / NEAR))
    for place in range(len(weight))[::step]:
        carried = carried if sentence[place] == last else 0.0
        out[place], last = carried, sentence[place]
        carried = (carried + weight[place]) * fade
    return out


def runs(words: Words) -> np.ndarray:
    """int64 `[R, 2]`: first and last word of every run of at most `LONGEST` words of a sentence."""
    first = np.repeat(np.arange(len(words)), LONGEST)
    last = first + np.tile(np.arange(LONGEST), len(words))
    first, last = first[last < len(words)], last[last < len(words)]
    kept = words.sentence[first] == words.sentence[last]
    return np.column_stack([first[kept], last[kept]])


def shapes(words: Words) -> np.ndarray:
    """float64 `[W, 6]`: has a digit, begins with a capital, is short and small, begins its sentence, has a
    sign before it, has one behind it."""
    text = words.text
    own = [text[start:end] for start, end in words.spans.tolist()]
    starts = np.diff(words.sentence, prepend=-1) != 0
    before = [_sign(text[max(0, start - 2) : start]) for start, _ in words.spans.tolist()]
    behind = [_sign(text[end : end + 2]) for _, end in words.spans.tolist()]
    return np.column_stack(
        [
            [any(c.isdigit() for c in one) for one in own],
            [one[0].isupper() for one in own],
            [len(one) <= SHORT and one.islower() for one in own],
            starts,
            before,
            behind,
        ]
    ).astype(np.float64)


def _sign(text: str) -> bool:
    return re.search(r"[^\w\s]", text) is not None


def kind_of(question: Words) -> np.ndarray:
    """float64 `[len(ASKED)]`: what is asked for; all zero where nothing of it is said."""
    text = " ".join(question.words)
    places = [
        (at.start(), -len(one), n) for n, one in enumerate(ASKED) if (at := re.search(rf"\b{one}\b", text))
    ]
    out = np.zeros(len(ASKED))
    if places:
        out[min(places)[2]] = 1
    return out


def columns(asked: Asked, found: np.ndarray) -> np.ndarray:
    """float64 `[R, COLUMNS]`: what is known of each run without a network."""
    passage = asked.passage
    inside, before, behind, share = nearness(asked)
    shape = shapes(passage)
    first, last = found.T
    length = last - first
    added = np.concatenate([np.zeros((1, 4)), np.cumsum(np.column_stack([inside, shape[:, :3]]), 0)])
    mean = (added[last + 1] - added[first]) / (length + 1)[:, None]
    before_it = np.where(first > 0, shape[np.maximum(first - 1, 0), 2], 0)
    behind_it = np.where(last + 1 < len(passage), shape[np.minimum(last + 1, len(passage) - 1), 2], 0)
    signs = np.concatenate([[0], np.cumsum(shape[:, 5])])
    own = np.column_stack(
        [
            np.eye(LONGEST)[length],
            mean, mean[:, 0] > 0, inside[first], inside[last],
            before[first], behind[last], np.maximum(before[first], behind[last]), share[first],
            (1 - mean[:, 0]) * (before[first] + behind[last]),
            shape[first], shape[last], before_it, behind_it, signs[last] - signs[first],
            np.log1p(first), passage.sentence[first] == 0,
        ]
    )  # fmt: skip
    telling = np.column_stack([mean[:, 1:], length, np.ones(len(length))])
    asks = kind_of(asked.question)
    return np.column_stack([own, (telling[:, None, :] * asks[None, :, None]).reshape(len(own), -1)])


def nearest(question: str, passage: str) -> str:
    """What stands nearest to the words of the question, where nothing is learnt: of the longest runs without
    a word of the question, a sign, or a short word at its ends, the one that they surround most closely."""
    asked = Asked.of(question, passage)
    words = asked.passage
    if not len(words):
        return passage.strip()
    inside, before, behind, _ = nearness(asked)
    shape, found = shapes(words), runs(words)
    first, last = found.T
    broken = np.concatenate([[0], np.cumsum(inside)])
    signs = np.concatenate([[0], np.cumsum(shape[:, 5])])
    whole = (broken[last + 1] == broken[first]) & (signs[last] == signs[first])
    whole &= (shape[first, 2] == 0) & (shape[last, 2] == 0)
    if not whole.any():
        return passage.strip()
    first, last = first[whole], last[whole]
    best = np.lexsort((first, first - last, -(before[first] + behind[last]).round(9)))[0]
    return text_of(words, int(first[best]), int(last[best]))


def text_of(words: Words, first: int, last: int) -> str:
    """The passage from one word to another."""
    return words.text[words.spans[first, 0] : words.spans[last, 1]]


def overlap(words: Words, found: np.ndarray, answer: str) -> np.ndarray:
    """float64 `[R]`: the F1 of each run with an answer, words counted once for each time in the run."""
    wanted = squad(answer).split()
    plain = [squad(word).split() for word in words.words]
    hits = np.array([sum(part in wanted for part in one) for one in plain], np.float64)
    sizes = np.array([len(one) for one in plain], np.float64)
    hit, size = (np.concatenate([[0], np.cumsum(one)]) for one in (hits, sizes))
    first, last = found.T
    right = np.minimum(hit[last + 1] - hit[first], len(wanted))
    return np.asarray(2 * right / np.maximum(size[last + 1] - size[first] + len(wanted), 1))


@dataclass(frozen=True, eq=False)
class Reader:
    """What chooses a run."""

    plain: np.ndarray = field(repr=False)
    """float64 `[COLUMNS]`"""
    states: np.ndarray = field(repr=False)
    """float64 `[3, D]`: of the first word, the last word, and the mean of all."""

    SHAPES: ClassVar = {"plain": (None,), "states": (3, None)}
    """Of its tensors."""

    @property
    def tensors(self) -> dict[str, np.ndarray]:
        return {"plain": self.plain, "states": self.states}

    @staticmethod
    def prepared(texts: Sequence[str], sides: Sequence[Side]) -> tuple[Asked, np.ndarray]:
        """The question (which may be missing) and the passage; float32 features `[W, D]` of its words."""
        asked = Asked.of(texts[0] if len(texts) > 1 else "", texts[-1])
        own = asked.passage.states(*sides[-1])
        question = sides[0][0] if len(sides) > 1 else sides[0][0][:0]
        return asked, np.column_stack([own, matched(own[:, :-1], question, asked.passage)]).astype(np.float32)

    @classmethod
    def fit(
        cls, asked: Sequence[Asked], features: Sequence[np.ndarray], answers: Sequence[str], seed: int
    ) -> Reader:
        """From passages, of which one has a word at least, features of their words, and the answers."""
        rng, xs, ys = np.random.default_rng(seed), [], []
        for one, states, answer in zip(asked, features, answers, strict=True):
            found = runs(one.passage)
            y = overlap(one.passage, found, answer)
            good, bad = np.flatnonzero(y > 0), np.flatnonzero(y == 0)
            good = good[np.argsort(-y[good], kind="stable")][: GOOD // 2].tolist() + (
                rng.permutation(good)[: GOOD // 2].tolist()
            )
            chosen = np.unique([*good, *rng.permutation(bad)[:BAD].tolist()]).astype(np.int64)
            if not len(chosen):
                continue
            xs.append(np.column_stack([columns(one, found[chosen]), described(states, found[chosen])]))
            ys.append(y[chosen])
        x, y = np.concatenate(xs), np.concatenate(ys)
        mean, sd = x.mean(0), x.std(0)
        sd = np.where(sd > 1e-9, sd, 1)
        x = (x - mean) / sd
        width = features[0].shape[1]
        plain = x.shape[1] - 3 * width
        gram = x.T @ x
        own = np.concatenate([np.full(width - MATCHED, OF_STATES), np.full(MATCHED, PENALTY)])
        gram[np.diag_indices(len(gram))] += len(x) * np.concatenate([np.full(plain, PENALTY), *[own] * 3])
        weight = np.linalg.solve(gram, x.T @ (y - y.mean())) / sd
        return cls(weight[:plain], weight[plain:].reshape(3, width))

    def scores(self, asked: Asked, found: np.ndarray, features: np.ndarray) -> np.ndarray:
        """float64 `[R]`"""
        first, last = found.T
        begins, ends, between = self.states @ np.asarray(features, np.float64).T
        added = np.concatenate([[0], np.cumsum(between)])
        mean = (added[last + 1] - added[first]) / (last - first + 1)
        return np.asarray(columns(asked, found) @ self.plain + begins[first] + ends[last] + mean)

    def chosen(self, asked: Asked, features: np.ndarray) -> str:
        """The best run; the whole passage where it has no word."""
        found = runs(asked.passage)
        if not len(found):
            return asked.passage.text.strip()
        best = int(np.argmax(self.scores(asked, found, features)))
        return text_of(asked.passage, *found[best].tolist())


def matched(own: np.ndarray, question: np.ndarray, passage: Words) -> np.ndarray:
    """float64 `[W, 4]`, of states `[W, D]` of a passage's words and `[T, D]` of a question's tokens: cosine
    with the nearest token, the mean one, that of the word's sentence with the question, and how far this is
    behind the best sentence. Zeros where nothing is asked."""
    if not len(question) or not len(own):
        return np.zeros((len(own), 4))
    question = np.asarray(question, np.float64)
    near = _unit(own) @ _unit(question).T
    count = np.maximum(np.bincount(passage.sentence, minlength=len(passage.sentences)), 1)
    mean = np.zeros((len(count), own.shape[1]))
    np.add.at(mean, passage.sentence, own)
    of = (_unit(mean / count[:, None]) @ _unit(question.mean(0, keepdims=True)).T)[:, 0]
    own_of = of[passage.sentence]
    return np.column_stack([near.max(1), near.mean(1), own_of, own_of - own_of.max()])


def _unit(x: np.ndarray) -> np.ndarray:
    return np.asarray(x / np.maximum(np.linalg.norm(x, axis=1, keepdims=True), 1e-9))


def described(features: np.ndarray, found: np.ndarray) -> np.ndarray:
    """float64 `[R, 3 D]`: features of the first word, the last one, and the mean of all."""
    first, last = found.T
    added = np.concatenate([np.zeros((1, features.shape[1])), np.cumsum(features, 0)])
    mean = (added[last + 1] - added[first]) / (last - first + 1)[:, None]
    return np.column_stack([features[first], features[last], mean])

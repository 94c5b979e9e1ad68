"""Kinds whose answers are texts: what they have in common. One file each.

Targets are `data.texts.targets.Sentences`, predictions object arrays of texts. A model that recalls has one
output for each text that it knows, which are the labels of its task; the data's own task has one label, the
name of the column.
"""

# ruff: noqa: ARG002  (the contract fixes the parameters; not every kind needs all of them)
from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from headstart.core import words
from headstart.core.task import TRANSLATE, Cell, Task
from headstart.core.texts import Texts
from headstart.measure.texts import edits, ngrams, shared
from headstart.measure.texts.chosen.parts import part_of
from headstart.tasks.base import FIFTHS, TaskMethods
from headstart.tasks.base.scores import Mean, OverLabels, Score

Counts = Callable[[str, str], Sequence[float]]
"""(wanted, said) -> what is added over items."""


def corpus(name: str, counts: Counts, value: Callable[[np.ndarray], np.ndarray]) -> OverLabels:
    """A metric of sums over items: `value` makes float64 `[B]` of `[B, k]`."""

    def table(y: Any, said: Any) -> np.ndarray:
        found = [counts(wanted, answer) for wanted, answer in zip(y, said, strict=True)]
        return np.array(found, np.float64).reshape(len(y), -1)

    return OverLabels(
        name,
        lambda y, said: value(table(y, said).sum(axis=0)[None]) if len(y) else np.full(1, np.nan),
        lambda y, said, weights: value(weights @ table(y, said))[:, None],
    )


def each(name: str, near: Callable[[str, str], float]) -> Mean:
    """A metric that is a mean over items."""

    def share(y: Any, said: Any) -> np.ndarray:
        return np.array([near(wanted, answer) for wanted, answer in zip(y, said, strict=True)], np.float64)

    return Mean(name, share)


CHRF = corpus("chrF", ngrams.chrf_counts, ngrams.chrf)
BLEU = corpus("BLEU", ngrams.bleu_counts, ngrams.bleu)
WER = corpus("WER", edits.word_counts, edits.rate)
CER = corpus("CER", edits.character_counts, edits.rate)
REPETITION = corpus("repetition", lambda _, said: ngrams.repeated(said), edits.rate)
ROUGE_1 = each("ROUGE-1", lambda wanted, said: shared.rouge(wanted, said, 1))
ROUGE_2 = each("ROUGE-2", lambda wanted, said: shared.rouge(wanted, said, 2))
ROUGE_L = each("ROUGE-L", shared.rouge_l)
EXACT = each("exact_match", shared.exact)
F1 = each("F1", shared.token_f1)


def by_name(*scores: Score) -> Mapping[str, Score]:
    """As `TaskMethods.scores` has them."""
    return {score.metric.name: score for score in scores}


class Sentences(TaskMethods):
    """What all of them share."""

    read_as = TRANSLATE
    form = "texts"
    predictions = Texts
    constant_name = "the commonest answer"
    asks: str
    """What is to be done, in words: "a translation"."""
    part: str = ""
    differs: bool = False
    spelt: bool = False
    longest: float = 0.0
    heard: bool = False
    prompts: tuple[str, ...] = ()

    def said(self, task: Task, net: Mapping[str, Any], scores: np.ndarray, texts: Sequence[str]) -> str:
        """The answer of a model with that recipe, from its scores float32 `[K]` of an item with these texts:
        the known text with the largest, or the part of the item that the recipe names."""
        part = net.get("part")
        return part_of(texts, part) if isinstance(part, str) else task.labels[int(np.argmax(scores))]

    def strata(self, y: Any, parts: int = FIFTHS) -> list[list[int]]:
        """By length."""
        lengths = np.array([len(text) for text in y], np.int64)
        ranks = np.argsort(np.argsort(lengths, kind="stable"), kind="stable")
        return [[part] for part in (ranks * parts // max(1, len(ranks))).tolist()]

    def stratum(self, task: Task, number: int, y: Any) -> str:
        lengths = [len(text) for text in y]
        return f"texts of {min(lengths):,} to {max(lengths):,} characters"

    def renumbered(self, y: Any, places: Mapping[int, Sequence[int]], outputs: int) -> Any:
        return y

    def about(self, task: Task) -> str:
        return f"with {self.asks} each"

    def value(self, task: Task, target: Any) -> Any:
        return str(target)

    def decode(self, task: Task, predictions: np.ndarray) -> list[Any]:
        return [str(text) for text in predictions]

    def head(self, top: int | None) -> tuple[str, str]:
        return "text", ""

    def line(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> tuple[str, str]:
        return words.shortened(" ".join(str(answer).split()), 80), ""

    def cells(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> dict[str, Cell]:
        return {"text": "" if answer is None else str(answer)}

    def to_json(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> dict[str, Any]:
        return {"text": str(answer)}

    def off(self, y: Any, predictions: Any) -> np.ndarray:
        """By the headline metric of each text alone; an error rate at most 1."""
        score = next(iter(self.scores.values()))
        alone = [score.value(y[row : row + 1], predictions[row : row + 1]) for row in range(len(y))]
        found = np.clip(np.array(alone, np.float64), 0, 1)
        return 1 - found if score.metric.higher_is_better else found

    def wrong(self, y: Any, predictions: Any) -> np.ndarray:
        return np.asarray(y != predictions, bool)

    def errors(self, y: Any, predictions: Any) -> int:
        return len(y)

    def mean_loss(self, y: Any, predictions: Any) -> float:
        return float(self.off(y, predictions).mean())

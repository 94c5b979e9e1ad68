"""What needs no source: the commonest answer, a part of the item, and the example with the nearest words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import sparse

from headstart import modalities, tasks
from headstart.core.cells import column
from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial, arm_name
from headstart.measure.texts.chosen.parts import NEAREST, PARTS, part_of
from headstart.modalities.text import Text
from headstart.strategies.linear._words import Words
from headstart.strategies.shared._folds import run_folds
from headstart.strategies.tfidf import read


class Majority:
    """The text that most items have, of equals the first: the same answer for all."""

    name = "majority"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """Nothing to speak of."""
        return Cost(seconds=0.1)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`."""

        def fit_fold(request: Request, fold: Fold, _: int) -> tuple[Any, dict[str, Any]]:
            return [self._commonest(request, fold.train)] * len(fold.test), {}

        trial = run_folds(replace(request, backbone=None), arm_name(self.name, None), fit_fold)
        return replace(trial, choices={}, reason=trial.reason or "the same answer for every item")

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "constant"."""
        return constant(request, self._commonest(request, request.split.development), {})

    def _commonest(self, request: Request, rows: np.ndarray) -> str:
        return str(Counter(request.dataset.targets[rows].tolist()).most_common(1)[0][0])


class Copy:
    """The item's own text, or the part of it that is nearest to the answers of the training rows. Of a pair
    it is the second text: the passage of a question."""

    name = "copy"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """Every part of every text, compared once."""
        return Cost(seconds=0.1 + 0.01 * len(request.dataset))

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds the "part" of each fold."""
        request = replace(request, backbone=None)
        texts = read(request)

        def fit_fold(request: Request, fold: Fold, _: int) -> tuple[Any, dict[str, Any]]:
            part = self._part(request, texts, fold.train)
            return [part_of(texts[row].parts, part) for row in fold.test.tolist()], {"part": part}

        trial = run_folds(request, arm_name(self.name, None), fit_fold)
        often = Counter(fold["part"] for fold in trial.choices["folds"]).most_common(1)[0][0]
        return replace(trial, reason=trial.reason or f"the {often} of each item")

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "constant" with a "part"."""
        texts = read(request)
        part = self._part(request, texts, request.split.development)
        return constant(request, part, {"part": part})

    def _part(self, request: Request, texts: Sequence[Text], rows: np.ndarray) -> str:
        """The first with the best score on these rows."""
        y = request.dataset.targets[rows]
        known = (*PARTS, NEAREST) if request.dataset.pairs else PARTS
        scores = {
            part: signed(request, y, [part_of(texts[row].parts, part) for row in rows.tolist()])
            for part in known
        }
        return max(scores, key=lambda part: scores[part])


class Nearest:
    """What was said of the training text with the nearest words (cosine of TF-IDF): a translation memory.

    Texts with the same answer are one: the direction of their sum.
    """

    name = "tfidf"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """Counting the words of each fold."""
        return Cost(seconds=(2e-4 * len(request.dataset) + 0.1) * (len(request.split.folds) + 1))

    def fit(self, request: Request) -> Trial:
        """See `Strategy`."""
        request = replace(request, backbone=None)
        texts = read(request)

        def fit_fold(request: Request, fold: Fold, _: int) -> tuple[Any, dict[str, Any]]:
            words, known, answers = self._memory(request, texts, fold.train)
            near = words.matrix([texts[row] for row in fold.test]) @ known.T
            best = np.asarray(near.toarray().argmax(axis=1))
            return [answers[at] for at in best.tolist()], {}

        trial = run_folds(request, arm_name(self.name, None), fit_fold)
        return replace(
            trial, choices={}, reason=trial.reason or "what was said of the text with the nearest words"
        )

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "words" with an output for each answer."""
        words, known, answers = self._memory(request, read(request), request.split.development)
        tensors = {
            "words.idf": words.idf.astype(np.float32),
            "head.weight": known.toarray().astype(np.float32),
            "head.bias": np.zeros(len(answers), np.float32),
        }
        net = {"kind": "words", "pairs": words.pairs}
        return Model(replace(request.task, labels=answers), words.contract, net, tensors)

    def _memory(
        self, request: Request, texts: Sequence[Text], rows: np.ndarray
    ) -> tuple[Words, sparse.csr_matrix, tuple[str, ...]]:
        some = [texts[row] for row in rows]
        words = Words.of(some, pairs=request.dataset.pairs)
        answers, sums = among(request.dataset.targets[rows])
        known = sums @ words.matrix(some)
        length = np.sqrt(np.asarray(known.multiply(known).sum(axis=1)).ravel())
        return words, sparse.csr_matrix(sparse.diags(1 / np.where(length > 0, length, 1)) @ known), answers


def signed(request: Request, y: np.ndarray, said: Sequence[str]) -> float:
    """The headline metric, higher is better."""
    found = tasks.score_of(request.task).value(y, column(said))
    return found if request.task.higher_is_better else -found


def among(y: np.ndarray) -> tuple[tuple[str, ...], sparse.csr_matrix]:
    """The different answers in order, and the matrix `[K, n]` that adds the rows of each."""
    place = {answer: number for number, answer in enumerate(dict.fromkeys(y.tolist()))}
    rows = [place[answer] for answer in y.tolist()]
    ones = np.ones(len(rows))
    return tuple(place), sparse.csr_matrix((ones, (rows, np.arange(len(rows)))), (len(place), len(rows)))


def constant(request: Request, label: str, more: dict[str, str]) -> Model:
    """The model with one output of that name."""
    reads = modalities.get(request.dataset.modality).PLAIN
    net = {"kind": "constant", **more}
    return Model(replace(request.task, labels=(label,)), reads, net, {"head.bias": np.zeros(1, np.float32)})

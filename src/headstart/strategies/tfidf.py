"""The simple model on raw text: TF-IDF of words and pairs of words, and a linear model. No source at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial, arm_name
from headstart.modalities import text
from headstart.modalities.text import Text
from headstart.strategies.linear._ridge import group_numbers
from headstart.strategies.linear._sparse import fit_sparse, ready
from headstart.strategies.linear._words import Words
from headstart.strategies.shared._folds import run_folds
from headstart.tasks.base.fits import Linear


class Tfidf:
    """Vocabulary, weights and penalty come from the training rows of each fold alone.

    Of pairs, the words of the second text are features of their own, and so is the share of words that the
    two have in common.
    """

    name = "tfidf"

    def ready(self) -> None:
        """Import what counts words."""
        ready()

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """Counting the words, and a linear model a fold."""
        rows = len(request.split.folds[0].train) if request.split.folds else 0
        fold = 0.15 + 5e-5 * rows * min(50, request.task.outputs)
        return Cost(seconds=(2e-4 * len(request.dataset) + fold) * (len(request.split.folds) + 1))

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds of each fold the number of "entries" and "C"."""
        request = replace(request, backbone=None)
        texts, methods = read(request), tasks.for_task(request.task)
        ready()

        def fit_fold(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ARG001
            words, linear = fit_words(request, texts, fold.train)
            logits = words.matrix([texts[row] for row in fold.test]) @ linear.weight.T + linear.bias
            return methods.activate(logits), {"entries": len(words.idf), "C": linear.penalty}

        trial = run_folds(request, arm_name(self.name, None), fit_fold)
        counts = [fold["entries"] for fold in trial.choices["folds"]]
        most = f"{max(counts):,}" if counts else "no"
        return replace(trial, reason=trial.reason or f"{most} words and pairs of words")

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "words"."""
        request = replace(request, backbone=None)
        words, linear = fit_words(request, read(request), request.split.development)
        return Model(
            request.task,
            words.contract,
            {"kind": "words", "pairs": words.pairs},
            {
                "words.idf": words.idf.astype(np.float32),
                "head.weight": linear.weight.astype(np.float32),
                "head.bias": linear.bias.astype(np.float32),
            },
        )


def read(request: Request) -> Sequence[Text]:
    """All texts, in the order of the data set."""
    return [text.open_item(item.read()) for item in request.dataset.items]


def fit_words(request: Request, texts: Sequence[Text], rows: np.ndarray) -> tuple[Words, Linear]:
    """Vocabulary and linear model from the given rows of the data set."""
    some = [texts[row] for row in rows]
    words = Words.of(some, pairs=request.dataset.pairs)
    linear = fit_sparse(
        request.task,
        words.matrix(some),
        request.dataset.targets[rows],
        groups=group_numbers(request, rows),
        seed=request.seed,
    )
    return words, linear

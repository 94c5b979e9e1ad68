"""What strategies share that learn from the items without a label, too: which items, and whether they may
help.

A fold's own items are no part of what it learns from, not even without their labels: what is held out stands
for items that the model has never seen.

What answers is the mean of what is learnt so and of what the same source's probe has learnt from the labels
alone: either may be the worse one by much, and so few labels do not tell which; their mean seldom is
(docs/measured.md).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from headstart import modalities, tasks
from headstart.core import words
from headstart.core.evidence import Cost
from headstart.core.features import Features, Tap
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.measure.shift import domain_auc
from headstart.strategies import probe
from headstart.strategies.linear._ridge import silenced
from headstart.strategies.shared._folds import empty_trial, run_folds
from headstart.strategies.shared._shipping import taps_model
from headstart.tasks.base import TaskMethods
from headstart.tasks.base.fits import Linear

MOST = 2_000
"""Items without a label that are learnt from; more of them say little more, and each takes its time."""
NUMBERS = 60_000
"""The same times the classes."""
SECONDS = 0.15
"""That a fit to `MOST` items takes, about."""
LEAST, TIMES = 20, 2
"""Without so many, and so many times the labelled ones, they are not asked."""
TINY = 1e-12
"""Least probability."""
EVEN = 4.0
"""Rows of each class beside those that are there, where it is asked how frequent the classes are."""
PER_CLASS = 25
"""Labels a class from which a linear model has learnt by itself what they could tell it
(docs/measured.md)."""


@dataclass(frozen=True)
class Lesson:
    """What there is to learn from: labelled rows, and rows of which only the features are there."""

    request: Request
    stored: Features
    rows: np.ndarray
    """int64: the labelled ones."""
    pool: np.ndarray
    """int64: those without a label."""

    @property
    def methods(self) -> TaskMethods:
        return tasks.for_task(self.request.task)

    @cached_property
    def y(self) -> np.ndarray:
        """int64: the labels of `rows`."""
        return np.asarray(self.request.dataset.targets[self.rows])

    @cached_property
    def common(self) -> np.ndarray:
        """float64 `[K]`: how frequent each class is taken to be, by its labelled rows and `EVEN` more."""
        counts = np.bincount(self.y, minlength=self.request.task.outputs) + EVEN
        return np.asarray(counts / counts.sum())

    def features(self, tap: Tap, view: int = 0) -> np.ndarray:
        """float32 `[rows + pool, D]`: a tap of the labelled rows, then of the pool."""
        rows = np.concatenate([self.rows, self.pool])
        return silenced(np.asarray(self.stored.tap(tap, view)[rows], np.float32))

    @property
    def embedding(self) -> Tap:
        """What the model that ships reads: so few labels do not choose a layer."""
        return self.request.network.embedding

    def fit(
        self, x: np.ndarray, places: np.ndarray, guessed: np.ndarray, weights: np.ndarray | None = None
    ) -> Linear:
        """The task's linear model of features `[rows + pool, D]`: of the labelled rows, and of the `places`
        in the pool with their `guessed` classes, each counting by `weights` (None: once)."""
        count, outputs = len(self.rows), self.request.task.outputs
        if not len(places):
            return self.methods.fit_linear(
                silenced(x[:count]), self.y, outputs=outputs, seed=self.request.seed, rough=True,
                weights=self.methods.weights(self.request.task, self.y),
            )  # fmt: skip
        y = np.concatenate([self.y, guessed])
        own = self.methods.weights(self.request.task, y)
        heft = np.concatenate([np.ones(count), np.ones(len(places)) if weights is None else weights])
        return self.methods.fit_linear(
            np.concatenate([x[:count], x[count:][places]]), y, outputs=outputs,
            penalties=[1.0 / x.shape[1]], seed=self.request.seed, rough=True,
            weights=heft if own is None else heft * own,
        )  # fmt: skip

    def answers(self, linear: Linear, x: np.ndarray) -> np.ndarray:
        """float64 `[pool, K]`: what a model says of the pool."""
        return self.methods.activate(linear.logits(x[len(self.rows) :].astype(np.float64)))


class LearnsFromBoth(ABC):
    """A linear model on the embedding, learnt from labelled items and from those without a label; averaged
    with the probe where that is the request's peer."""

    name: str
    told: str
    """How, in a few words."""
    factor = 1.0
    """How often it fits a linear model to all items."""

    @abstractmethod
    def learn(self, lesson: Lesson) -> Linear:
        """The model on the embedding."""

    def unsuited(self, request: Request) -> str:  # noqa: ARG002
        """Why it cannot be used with this source; empty when it can."""
        return ""

    def how(self, stored: Features) -> str:  # noqa: ARG002
        """`told`, where it depends on what is stored."""
        return self.told

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002 - the probe's pass
        """The closed forms: the pass was made for the probe."""
        if obstacle(request):
            return Cost()
        size = len(pool(request)) / MOST
        folds = len(request.split.folds) + 1
        return Cost(0.0, self.factor * size * folds * SECONDS)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`; "not applicable" where items without a label cannot help. `Trial.choices` holds
        how many items there were ("unlabelled"), and how well they are told from the labelled ones
        ("domain_auc")."""
        arm = request.arm(self.name)
        why = obstacle(request) or self.unsuited(request)
        if why:
            return empty_trial(request, arm, "not applicable", why)
        stored, every = _stored(request), pool(request)
        read = stored.tap(request.network.embedding)
        found = domain_auc(
            np.asarray(read[request.split.development], np.float64),
            np.asarray(read[every], np.float64),
            groups_s=request.split.groups[request.split.development],
            groups_t=request.split.groups[every],
            seed=request.seed,
        )
        if found.told:
            several = modalities.nouns(request.dataset.modality, pairs=request.dataset.pairs)[1]
            why = (
                f"the {several} without a label look like another domain (told from the labelled ones with "
                f"AUC {found.value:.2f}, {found.low:.2f} to {found.high:.2f}): `headstart adapt` is for those"
            )
            return empty_trial(request, arm, "not applicable", why)

        alone = request.peers[0].trial if request.peers else None

        def fit_fold(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ARG001
            apart = ~np.isin(request.split.groups[every], request.split.groups[fold.test])
            lesson = Lesson(request, stored, fold.train, every[apart])
            x = np.asarray(read[fold.test], np.float64)
            p = lesson.methods.activate(self.learn(lesson).logits(x))
            return p if alone is None else between(p, alone.predictions.take(fold.repeat, fold.test)), {}

        beside = "" if alone is None else alone.predictions.digest()
        about = f"{self.told}|{MOST}|{self.__dict__}|{beside}"
        folds = [
            number
            for number, fold in enumerate(request.split.folds)
            if alone is None or alone.covered[fold.repeat, fold.test].all()
        ]
        trial = run_folds(request, arm, fit_fold, folds=folds, about=about)
        choices = {
            "members": [] if alone is None else [alone.arm],
            "unlabelled": len(every),
            "domain_auc": [found.value, found.low, found.high],
            **trial.choices,
        }
        seen = f"{words.count(len(every), 'item')} without a label, {self.how(stored)}"
        return replace(trial, choices=choices, reason=trial.reason or seen)

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "taps", whose head is the mean of both: logits are linear in it."""
        lesson = Lesson(request, _stored(request), request.split.development, pool(request))
        linear = self.learn(lesson)
        taps, weight, bias = [lesson.embedding], linear.weight, linear.bias
        for peer in request.peers:
            alone = peer.refit()
            more = [Tap.parse(name) for name in alone.net["taps"]]
            theirs = dict(zip(more, _columns(alone.tensors["head.weight"], lesson.stored, more), strict=True))
            own = theirs.pop(lesson.embedding, np.zeros_like(weight))
            taps += theirs
            weight = np.concatenate([weight + own, *theirs.values()], axis=1) / 2
            bias = (bias + alone.tensors["head.bias"]) / 2
        return taps_model(request.task, request.network, taps, weight, bias)


def between(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
    """Probabilities `[n, K]` by the mean logits of two heads."""
    z = (np.log(np.maximum(ours, TINY)) + np.log(np.maximum(theirs, TINY))) / 2
    p = np.exp(z - z.max(axis=1, keepdims=True))
    return np.asarray(p / p.sum(axis=1, keepdims=True))


def _columns(weight: np.ndarray, stored: Features, taps: Sequence[Tap]) -> list[np.ndarray]:
    """The parts of a head `[K, D]` that read each tap."""
    ends = np.cumsum([stored.tap(tap).shape[1] for tap in taps])
    return np.split(weight.astype(np.float64), ends[:-1], axis=1)


def _stored(request: Request) -> Features:
    """What the probe's pass has stored."""
    taps = tuple(dict.fromkeys((*request.network.taps(), request.network.embedding)))
    return request.features(request.network, probe.spec(request, taps, probe.views(request)))


def pool(request: Request) -> np.ndarray:
    """int64: rows without a label that may be learnt from, in increasing order, drawn where there are too
    many.

    No row of the test part, nor a copy of one, is among them.
    """
    split = request.split
    given = np.concatenate([split.development, split.test])
    rows = np.setdiff1d(np.arange(len(request.dataset)), given)
    rows = rows[~np.isin(split.groups[rows], split.groups[split.test])]
    most = min(MOST, NUMBERS // max(1, request.task.outputs))
    return np.sort(np.random.default_rng(request.seed).permutation(rows)[:most])


def obstacle(request: Request) -> str:
    """Why items without a label are not learnt from; empty where they may be."""
    if not tasks.for_task(request.task).exclusive:
        return f"items without a label serve one label an item; this is a {request.task.kind} task"
    labelled, found = len(request.split.development), len(pool(request))
    needed = max(LEAST, min(TIMES * labelled, MOST))
    if found < needed:
        there = words.count(found, "item")
        return f"{there} without a label; at least {needed:,} are needed beside {labelled:,} labelled ones"
    each = labelled / request.task.outputs
    if each > PER_CLASS:
        return (
            f"{each:.0f} labels a class say by themselves what items without one could add: that is measured "
            f"up to {PER_CLASS}"
        )
    return ""

"""What was said of the training example that a frozen network finds nearest. The pass pays for it.

Features of one tap are standardised on the training rows and compared by their cosine; the tap is the one by
which the training rows, each without itself, recall best.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from headstart.core.backbone import Backbone
from headstart.core.evidence import Cost
from headstart.core.features import Features, FeatureSpec, Tap
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.measure.spectral import fit_scaling
from headstart.strategies.sentences.baselines import among, signed
from headstart.strategies.shared._folds import run_folds
from headstart.strategies.shared._shipping import taps_model

LOOKED_AT = 400
"""Training rows by which the tap is chosen, drawn from all."""


def cost(request: Request, seconds_per_pass: float) -> Cost:
    """A pass, and a table of similarities for each tap and fold."""
    folds, count = len(request.split.folds) + 1, len(request.network.taps())
    rows = min(LOOKED_AT, len(request.split.development))
    return Cost(1.0, seconds_per_pass + folds * count * (0.005 + 1e-4 * rows))


@dataclass(frozen=True)
class Memory:
    """The answers that are known, and where they lie."""

    answers: tuple[str, ...]
    weight: np.ndarray = field(repr=False)
    """float64 `[K, D]`, on features as they are stored."""
    bias: np.ndarray = field(repr=False)

    @classmethod
    def of(cls, x: np.ndarray, y: np.ndarray) -> Memory:
        """From features `[n, D]` and their texts. Examples with the same answer are one: the direction of
        their sum."""
        scaling = fit_scaling(x)
        answers, sums = among(y)
        known = _unit(np.asarray(sums @ _unit(scaling.apply(x))))
        weight, bias = scaling.fold(known, np.zeros(len(answers)))
        return cls(answers, weight, bias)

    def recalled(self, x: np.ndarray) -> list[str]:
        """The answer of each row `[n, D]`."""
        best = (x @ self.weight.T + self.bias).argmax(axis=1)
        return [self.answers[at] for at in best.tolist()]


def fit(request: Request, backbone: Backbone, arm: str) -> Trial:
    """Out-of-fold answers; `Trial.choices` holds the "tap" of each fold."""
    features = stored(request, backbone)

    def fit_fold(request: Request, fold: Fold, _: int) -> tuple[Any, dict[str, Any]]:
        tap = choose(request, features, fold.train)
        memory = Memory.of(rows_of(features, tap, fold.train), request.dataset.targets[fold.train])
        return memory.recalled(rows_of(features, tap, fold.test)), {"tap": str(tap)}

    trial = run_folds(replace(request, backbone=backbone), arm, fit_fold)
    cost = trial.cost + Cost(forward_passes=features.forward_passes, seconds=features.seconds)
    often = Counter(fold["tap"] for fold in trial.choices["folds"]).most_common(1)[0][0]
    reason = trial.reason or f"what was said of the nearest example by {often}"
    return replace(trial, cost=cost, reason=reason, digest=backbone.digest)


def refit(request: Request, backbone: Backbone) -> Model:
    """The model that knows all development rows: a net of kind "taps" with an output for each answer."""
    features, rows = stored(request, backbone), request.split.development
    tap = choose(request, features, rows)
    memory = Memory.of(rows_of(features, tap, rows), request.dataset.targets[rows])
    task = replace(request.task, labels=memory.answers)
    return taps_model(task, backbone, (tap,), memory.weight, memory.bias)


def stored(request: Request, backbone: Backbone) -> Features:
    """What the pass has stored of all taps."""
    taps = tuple(dict.fromkeys((*backbone.taps(), backbone.embedding)))
    return request.features(backbone, FeatureSpec(taps=taps))


def rows_of(features: Features, tap: Tap, rows: np.ndarray) -> np.ndarray:
    """float64 `[len(rows), D]`"""
    return np.asarray(features.tap(tap)[rows], np.float64)


def choose(request: Request, features: Features, rows: np.ndarray) -> Tap:
    """The tap by which these rows recall best, each without its group; of equals the last."""
    if len(rows) > LOOKED_AT:
        rows = np.sort(np.random.default_rng(request.seed).choice(rows, LOOKED_AT, replace=False))
    y, groups = request.dataset.targets[rows], request.split.groups[rows]
    if len(np.unique(groups)) < 2:
        return features.taps[-1]
    scores = {}
    for tap in features.taps:
        x = rows_of(features, tap, rows)
        standard = _unit(fit_scaling(x).apply(x))
        near = standard @ standard.T
        near[groups[:, None] == groups] = -np.inf
        scores[tap] = signed(request, y, y[near.argmax(axis=1)].tolist())
    best = max(scores.values())
    return [tap for tap in features.taps if scores[tap] == best][-1]


def _unit(x: np.ndarray) -> np.ndarray:
    length = np.linalg.norm(x, axis=1, keepdims=True)
    return np.asarray(x / np.where(length > 0, length, 1))

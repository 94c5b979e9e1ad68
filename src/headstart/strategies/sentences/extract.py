"""Answers that are parts of their item, chosen by the states of single tokens of a frozen network.

The pass stores the states at the last stage; nothing here runs the trunk. What is learnt of them is in
`measure.texts.chosen.parts`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np

from headstart import modalities
from headstart.core.backbone import Backbone
from headstart.core.evidence import Cost
from headstart.core.features import Features, FeatureSpec
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.measure.texts.chosen.parts import WAYS, Learnt
from headstart.modalities.text import Text
from headstart.modalities.text.preprocessing import text_input
from headstart.modalities.text.sides import sides
from headstart.strategies.shared import _shipping
from headstart.strategies.shared._folds import run_folds
from headstart.strategies.tfidf import read

MOST = 1000
"""Training rows that are learnt from, drawn from all."""
SECONDS = 0.02
"""To read, learn from and answer one item."""


def cost(request: Request, seconds_per_pass: float) -> Cost:
    """A pass, and a closed form a fold."""
    folds = request.split.folds
    items = sum(min(MOST, len(fold.train)) + len(fold.test) for fold in folds)
    return Cost(1.0, seconds_per_pass + SECONDS * (len(request.dataset) + 0.3 * items))


def fit(request: Request, backbone: Backbone, arm: str, part: str) -> Trial:
    """Out-of-fold answers."""
    reader = Reading(request, backbone, part)

    def fit_fold(request: Request, fold: Fold, _: int) -> tuple[Any, dict[str, Any]]:
        learnt = reader.learnt(request, fold.train)
        return [learnt.chosen(*reader.item(row)) for row in fold.test.tolist()], {}

    trial = run_folds(replace(request, backbone=backbone), arm, fit_fold, about=part)
    features = reader.features
    return replace(
        trial,
        cost=trial.cost + Cost(forward_passes=features.forward_passes, seconds=features.seconds),
        choices={},
        reason=trial.reason or f"a closed form on the words of each item, by {reader.stage.name}",
        digest=backbone.digest,
    )


def refit(request: Request, backbone: Backbone, part: str) -> Model:
    """A net of kind "extract", from all development rows."""
    reader = Reading(request, backbone, part)
    learnt = reader.learnt(request, request.split.development)
    net = {
        "kind": "extract",
        "architecture": dict(backbone.source.architecture),
        "stage": reader.stage.name,
        "part": part,
    }
    head = {f"head.{name}": tensor.astype(np.float32) for name, tensor in learnt.tensors.items()}
    tensors = {**_shipping.state(backbone.module, "trunk"), **head}
    return Model(request.task, backbone.source.input, net, tensors, source=_shipping.origin(backbone))


@dataclass
class Reading:
    """The stored states of one source, word by word."""

    request: Request
    backbone: Backbone
    part: str
    read: dict[int, tuple[Any, np.ndarray]] = field(default_factory=dict, repr=False)
    """By row: what is known of its words."""

    @property
    def stage(self) -> Any:
        """The last one."""
        return self.backbone.stages[-1]

    @cached_property
    def texts(self) -> list[Text]:
        return list(read(self.request))

    @cached_property
    def features(self) -> Features:
        """The states, and what other arms read, of the same pass."""
        longest = modalities.longest(self.request.dataset.items, self.backbone.source.input)
        taps = tuple(dict.fromkeys((*self.backbone.taps(), self.backbone.embedding)))
        spec = FeatureSpec(taps=taps, cut=self.stage.cut, length=longest)
        return self.request.features(self.backbone, spec)

    def item(self, row: int) -> Any:
        """The words of a row, and features of each."""
        if row not in self.read:
            text, state = self.texts[row], self.features.state()[np.array([row])][0]
            found = sides(text.parts, state, text_input(self.backbone.source))
            self.read[row] = WAYS[self.part].prepared(text.parts, found)
        return self.read[row]

    def learnt(self, request: Request, rows: np.ndarray) -> Learnt:
        """From some rows, whose targets the request may see."""
        if len(rows) > MOST:
            rows = np.sort(np.random.default_rng(request.seed).choice(rows, MOST, replace=False))
        items = [self.item(row) for row in rows.tolist()]
        return WAYS[self.part].fit(
            [item for item, _ in items],
            [features for _, features in items],
            request.dataset.targets[rows].tolist(),
            request.seed,
        )

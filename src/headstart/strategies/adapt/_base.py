"""What every adapter shares: the rows of both domains, folds over the source, and a linear head as it ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import fingerprint
from headstart.core.evidence import Cost
from headstart.core.features import Features, FeatureSpec
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Adapted, NotApplicable, Request, Trial
from headstart.measure.alignment.frame import Alignment, frame
from headstart.strategies.linear._ridge import group_numbers, silenced
from headstart.strategies.shared._folds import empty_trial, run_folds
from headstart.strategies.shared._shipping import taps_model
from headstart.tasks.base import Linear

LEAST = 2
"""Target items without which there is nothing to adapt to."""


@dataclass(frozen=True)
class Domains:
    """The labelled rows of the source and the unlabelled ones of the target, with their stored features."""

    request: Request
    source: np.ndarray
    """int64: rows with a label that may be seen."""
    target: np.ndarray
    features: Features = field(repr=False)

    @classmethod
    def of(cls, request: Request) -> Domains:
        """Raises `NotApplicable` for too few items."""
        target = request.target
        if target is None or len(target) < LEAST:
            raise NotApplicable(f"at least {LEAST} target items are needed")
        source = np.flatnonzero(request.dataset.targets.known)
        features = request.features(request.network, FeatureSpec(taps=request.reads))
        return cls(request, source, np.asarray(target, np.int64), features)

    def x(self, rows: np.ndarray) -> np.ndarray:
        """float64 `[n, D]`: the taps side by side."""
        taps = [np.asarray(self.features.tap(tap)[rows], np.float64) for tap in self.request.reads]
        return np.concatenate(taps, axis=1)

    def fit(self, x: np.ndarray, weights: np.ndarray | None = None) -> Linear:
        """The task's linear model of the source's labels on features `[n, D]` of its rows, wherever these were
        brought; `weights` come on top of those that the metric asks for."""
        return self.fit_on(x, self.source, self.request.dataset.targets[self.source], weights)

    def fit_on(
        self, x: np.ndarray, rows: np.ndarray, y: np.ndarray, weights: np.ndarray | None = None
    ) -> Linear:
        """The same of other rows, with labels `y` that are given."""
        request, methods = self.request, tasks.for_task(self.request.task)
        own = methods.weights(request.task, y)
        heft = weights if own is None else own if weights is None else own * weights
        return methods.fit_linear(
            silenced(x),
            y,
            outputs=request.task.outputs,
            groups=group_numbers(request, rows),
            penalties=None if request.penalty is None else [request.penalty],
            seed=request.seed,
            weights=heft,
        )


@dataclass(frozen=True)
class Headed:
    """`Adapted` that ends in a linear head on stored features."""

    domains: Domains = field(repr=False)
    weight: np.ndarray = field(repr=False)
    """float64 `[K, D]`, on features of the target as they are."""
    bias: np.ndarray = field(repr=False)
    source_logits: Callable[[np.ndarray], np.ndarray] = field(repr=False)
    """Of features `[n, D]` of the source as they are."""
    choices: Mapping[str, Any] = field(default_factory=dict)

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self._activated(self.domains.x(rows) @ self.weight.T + self.bias)

    def of_source(self, rows: np.ndarray) -> np.ndarray:
        return self._activated(self.source_logits(self.domains.x(rows)))

    def _activated(self, logits: np.ndarray) -> np.ndarray:
        return tasks.for_task(self.domains.request.task).activate(logits).astype(np.float32)

    def model(self) -> Model:
        request = self.domains.request
        return taps_model(request.task, request.network, request.reads, self.weight, self.bias)


class Adapts(ABC):
    """An adapter by what it learns: folds, resuming and the model follow. See `core.strategy.Adapter`."""

    name: str

    @abstractmethod
    def adapt(self, request: Request) -> Adapted:
        """See `core.strategy.Adapter`."""

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """One pass over both domains, and a fit for each fold of the first repeat and one of all rows."""
        rows = len(request.split.development) + len(request.target if request.target is not None else ())
        fits = 1 + sum(fold.repeat == 0 for fold in request.split.folds)
        return Cost(1.0, seconds_per_pass + fits * (0.02 + 1e-4 * rows))

    def fit(self, request: Request) -> Trial:
        """Out-of-fold predictions of the source in the first repeat; "not applicable" with the reason where
        the adapter cannot be used."""
        arm = request.arm(self.name)

        def fit_fold(view: Request, fold: Fold, number: int) -> tuple[np.ndarray, Mapping[str, Any]]:  # noqa: ARG001
            found = self.adapt(view)
            return found.of_source(fold.test), found.choices

        target = np.zeros(0, np.int64) if request.target is None else request.target
        about = "|".join((fingerprint.of_array(target), *map(str, request.reads), str(request.penalty)))
        first = [number for number, fold in enumerate(request.split.folds) if fold.repeat == 0]
        try:
            return run_folds(request, arm, fit_fold, folds=first, about=about)
        except NotApplicable as error:
            return empty_trial(request, arm, "not applicable", str(error))

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """On all development rows and all of the target."""
        return self.adapt(request).model()


class Aligned(Adapts):
    """An adapter that brings the source to the target and fits the head there."""

    @abstractmethod
    def align(self, xs: np.ndarray, xt: np.ndarray, weights: np.ndarray | None) -> Alignment:
        """See `measure.alignment`."""

    def adapt(self, request: Request) -> Headed:
        domains = Domains.of(request)
        raw = domains.x(domains.source)
        xs, xt = silenced(raw), domains.x(domains.target)
        seen = frame(xs, xt)
        way = self.align(seen(xs), seen(xt), None)
        linear = domains.fit(way.source(seen(xs)))
        weight, bias = seen.fold(*way.target.fold(linear.weight, linear.bias))
        return Headed(
            domains,
            weight,
            bias,
            lambda x: linear.logits(way.source(seen(x))),
            {"columns": seen.matrix.shape[1], "C": linear.penalty, "ridge": linear.ridge},
        )

"""What every adapter shares: the rows of both domains, folds over the source, and a linear head as it
ends."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import fingerprint
from headstart.core.evidence import Cost
from headstart.core.features import Features, FeatureSpec
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Adapted, NotApplicable, Request, Trial
from headstart.measure.alignment.frame import Affine, Alignment, frame
from headstart.measure.shift.label_shift import Calibration, bbse, calibrated, mlls
from headstart.measure.shift.separation import domain_auc
from headstart.strategies.linear._ridge import group_numbers, silenced
from headstart.strategies.shared._folds import empty_trial, run_folds
from headstart.strategies.shared._shipping import taps_model
from headstart.tasks.base.fits import Linear
from headstart.tasks.linear import inner_folds

LEAST = 2
"""Target items without which there is nothing to adapt to."""
PARTS = 3
"""Parts of the source that are held out in turn for probabilities by which class shares are estimated."""
TOLD = 0.10
"""Total variation between the class shares of source and target from which the source is balanced."""
MOST = 10.0
"""How often a row of one class counts at most, against those of another."""
EXPLAINED = 0.5
"""Share of the domain AUC above chance that may be left once the classes are as frequent in both."""
ROUNDS = 2
"""Alignments; the second by the class shares that the first one's head finds in the target."""


@dataclass(frozen=True)
class Domains:
    """The labelled rows of the source and the unlabelled ones of the target, with their stored features."""

    request: Request
    source: np.ndarray
    """int64: rows with a label that may be seen."""
    target: np.ndarray
    features: Features = field(repr=False)

    @classmethod
    def of(cls, request: Request, *, least: int = LEAST) -> Domains:
        """Raises `NotApplicable` for fewer target items than that."""
        target = np.zeros(0, np.int64) if request.target is None else request.target
        if len(target) < least:
            raise NotApplicable(f"at least {least} target items are needed")
        source = np.flatnonzero(request.dataset.targets.known)
        features = request.features(request.network, FeatureSpec(taps=request.reads))
        return cls(request, source, np.asarray(target, np.int64), features)

    def x(self, rows: np.ndarray) -> np.ndarray:
        """float64 `[n, D]`: the taps side by side."""
        taps = [np.asarray(self.features.tap(tap)[rows], np.float64) for tap in self.request.reads]
        return shown(np.concatenate(taps, axis=1), self.request)

    def fit(self, x: np.ndarray, weights: np.ndarray | None = None) -> Linear:
        """The task's linear model of the source's labels on features `[n, D]` of its rows, wherever these
        were brought; `weights` come on top of those that the metric asks for."""
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
            rough=True,
        )

    @cached_property
    def seen(self) -> Affine:
        """The frame in which both domains are looked at."""
        return frame(silenced(self.x(self.source)), self.x(self.target))

    @cached_property
    def xs(self) -> np.ndarray:
        """float64 `[n, d]`: the source's rows in the frame."""
        return self.seen(self.x(self.source))

    @cached_property
    def xt(self) -> np.ndarray:
        """float64 `[m, d]`: the target's."""
        return self.seen(self.x(self.target))

    @cached_property
    def held_out(self) -> tuple[Calibration, np.ndarray, np.ndarray]:
        """Of an unadapted head: its calibration by rows held out from it, their probabilities and labels."""
        x, methods = self.xs, tasks.for_task(self.request.task)
        groups = self.request.split.groups[self.source]
        y = self.request.dataset.targets[self.source]
        held = ~inner_folds(y, groups, folds=PARTS, seed=self.request.seed)  # [F, n]
        p = np.zeros((len(x), self.request.task.outputs))
        for part in held:
            p[part] = methods.activate(self.fit_on(x[~part], self.source[~part], y[~part]).logits(x[part]))
        seen = held.any(axis=0)
        return calibrated(p[seen], y[seen]), p[seen], y[seen]

    def shares(self, logits: np.ndarray, heft: np.ndarray) -> np.ndarray:
        """float64 `[K]`: the classes' shares in the target, from logits `[m, K]` of a head to which classes
        are as frequent as `heft` `[K]`; those of the source where the two are not told apart, or where BBSE
        finds others."""
        calibration, p_val, y_val = self.held_out
        p = tasks.for_task(self.request.task).activate(logits)
        found, own = mlls(calibration(p), heft), self.frequencies
        other = bbse(p_val, y_val, p)[1]
        if other is None or np.abs(found - other).sum() / 2 > TOLD:
            return own
        return found if np.abs(found - own).sum() / 2 > TOLD else own

    @cached_property
    def begun(self) -> np.ndarray:
        """The shares that an unadapted head finds, where they explain most of what tells the domains apart;
        else those of the source: what such a head says of a target that looks different is no estimate."""
        own = self.frequencies
        found = self.shares(self.fit(self.xs).logits(self.xt), own)
        weights = self.balanced(found)
        if weights is None:
            return own
        plain, alike = (
            domain_auc(self.xs, self.xt, weights_s=w, seed=self.request.seed) for w in (None, weights)
        )
        return found if alike.value - 0.5 <= EXPLAINED * (plain.value - 0.5) else own

    @cached_property
    def frequencies(self) -> np.ndarray:
        """float64 `[K]`: the classes' shares in the source."""
        y = self.request.dataset.targets[self.source]
        return np.bincount(y, minlength=self.request.task.outputs) / len(y)

    def balanced(self, shares: np.ndarray) -> np.ndarray | None:
        """float64 `[n]`: weights of the source's rows that give its classes these shares; None where they
        have them."""
        if np.array_equal(shares, self.frequencies):
            return None
        y = self.request.dataset.targets[self.source]
        ratio = shares / np.maximum(self.frequencies, 1e-12)
        weights = np.maximum(ratio, ratio.max() / MOST)[y]
        return np.asarray(weights / weights.mean())


def shown(x: np.ndarray, request: Request) -> np.ndarray:
    """Of features `[n, D]` what may be looked at."""
    return x if request.columns is None else np.where(request.columns, x, 0.0)


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
    brought: Brought | None = field(default=None, repr=False)
    """Where the domains were brought to; None where their items stay in place."""

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

    def of_fold(self, request: Request, number: int) -> Adapted:  # noqa: ARG002
        """The same of the training part of a fold."""
        return self.adapt(request)

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """One pass over both domains, and a fit for each fold of the first repeat and one of all rows."""
        rows = len(request.split.development) + len(request.target if request.target is not None else ())
        fits = 1 + sum(fold.repeat == 0 for fold in request.split.folds)
        return Cost(1.0, seconds_per_pass + fits * (0.02 + 1e-4 * rows))

    def fit(self, request: Request) -> Trial:
        """Out-of-fold predictions of the source in the first repeat; "not applicable" with the reason where
        the adapter cannot be used."""
        arm = request.arm(self.name)

        def fit_fold(view: Request, fold: Fold, number: int) -> tuple[np.ndarray, Mapping[str, Any]]:
            found = self.of_fold(view, number)
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


Align = Callable[[np.ndarray, np.ndarray, np.ndarray | None], Alignment]
"""(source rows, target rows, weights of the source's) -> where both are brought; see `measure.alignment`."""


@dataclass(frozen=True)
class Brought:
    """The source where the target is, and the head that was fitted there."""

    seen: Affine
    """The frame in which the domains were aligned."""
    way: Alignment
    linear: Linear
    """On aligned rows."""
    shares: np.ndarray
    """float64 `[K]`: of the classes, to which the source was balanced."""

    def source(self, x: np.ndarray) -> np.ndarray:
        """Features `[n, D]` of the source as they are -> aligned rows."""
        return self.way.source(self.seen(x))

    def target(self, x: np.ndarray) -> np.ndarray:
        """The same of the target."""
        return self.way.target(self.seen(x))

    def headed(self, domains: Domains, linear: Linear, **choices: Any) -> Headed:
        """What a head on aligned rows makes."""
        weight, bias = self.seen.fold(*self.way.target.fold(linear.weight, linear.bias))
        told = {"C": linear.penalty, "shares": self.shares.tolist()}
        return Headed(
            domains, weight, bias, lambda x: linear.logits(self.source(x)), {**told, **choices}, self
        )


def bring(domains: Domains, align: Align) -> Brought:
    """The source brought to the target within pseudo-balancing.

    A map of means and covariances mixes the classes up where these are not as frequent in both domains, so
    the source counts as if they were; and the head is that of such classes (Garg et al., "RLSbench: Domain
    Adaptation Under Relaxed Label Shift", ICML 2023).
    """
    xs, xt, shares = domains.xs, domains.xt, domains.begun
    for left in reversed(range(ROUNDS)):
        weights = domains.balanced(shares)
        way = align(xs, xt, weights)
        linear = domains.fit(way.source(xs), weights)
        again = domains.shares(linear.logits(way.target(xt)), shares) if left else shares
        if np.abs(again - shares).max() < TOLD / 10:
            break
        shares = again
    return Brought(domains.seen, way, linear, shares)


class Aligned(Adapts):
    """An adapter that brings the source to the target and fits the head there."""

    align: Align

    def adapt(self, request: Request) -> Headed:
        domains = Domains.of(request)
        brought = bring(domains, self.align)
        return brought.headed(domains, brought.linear)

"""What is known of an adapter without a label of the target: circular validation, validators, held-out
source rows.

Circular validation goes there and back: what an adapter says of the target is taken for its labels, the
domains change roles, and the answers for the source are held against the labels that it has (Bruzzone and
Marconcini, "Domain Adaptation Problems: A DASVM Classification Technique and a Circular Validation
Strategy", IEEE TPAMI 2010).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from headstart.core.features import FeatureSpec
from headstart.core.strategy import Adapted, Adapter, NotApplicable, Request, Trial
from headstart.measure import validators
from headstart.measure.shift.label_shift import LabelShift, label_shift
from headstart.measure.shift.separation import domain_auc

AGAIN = 5
"""Fifths of the target that are left out in turn: what holds must hold without any of them."""


@dataclass(frozen=True)
class Assessed:
    """An adapter by what can be measured without labels of the target."""

    adapter: str
    refused: str = ""
    """Why it cannot be used here; nothing else is known then."""
    circular: float = float("nan")
    """Balanced accuracy on the source, there and back, 0 to 1."""
    again: tuple[float, ...] = ()
    """The same without each fifth of the target."""
    source: float = float("nan")
    """Accuracy on held-out source rows, mapped as those learnt from were."""
    held: int = 0
    """How many these are."""
    surer: float = float("nan")
    """Standard deviations by which the answers for the target are surer than those for noise would be."""
    said: tuple[float, ...] = ()
    """Share of the target that is said to be of each class."""
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    """95 % intervals of the classes' shares in the target by calibrated MLLS on the same answers."""
    reweighted: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """What answers that take these shares into account gain in accuracy (value, low, high), on held-out
    source rows that count as often as their class is common in the target: right where nothing but the
    shares has changed."""
    bnm: float = float("nan")
    im: float = float("nan")
    snd: float = float("nan")
    """See `measure.validators`; the last two decide nothing."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Assessed:
        """Raises `TypeError` for what is none."""
        given: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in data.items()}
        return cls(**given)


@dataclass(frozen=True)
class Shift:
    """What is known of the two domains."""

    auc: float
    auc_low: float
    variation: float
    """Total variation between the shares of the classes."""
    variation_low: float
    source: tuple[float, ...]
    """Shares of the classes in the source."""
    shares: tuple[float, ...]
    """Those in the target by MLLS on the unadapted model's answers."""
    alike: float
    """Domain AUC once the source's classes are as frequent as the target's."""
    apart: float = 0.0
    """Total variation between the shares by MLLS and those by BBSE: two ways that should agree."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def diagnosed(request: Request, trial: Trial, found: Adapted) -> Shift:
    """How the domains differ, by the features and the answers of the unadapted head."""
    target = request.target
    assert target is not None
    held = np.flatnonzero(trial.covered[0])
    xs, xt, y = stored(request, held), stored(request, target), request.dataset.targets[held]
    shares = label_shift(trial.predictions.take(0, held), y, found.predict(target), seed=request.seed)
    groups = request.split.groups
    auc, alike = (
        domain_auc(xs, xt, groups_s=groups[held], groups_t=groups[target], weights_s=w, seed=request.seed)
        for w in (None, shares.weights[y])
    )
    return Shift(
        auc.value, auc.low, shares.total_variation, shares.tv_low, tuple(shares.source), tuple(shares.prior),
        alike.value, 1.0 if shares.bbse is None else float(np.abs(shares.bbse - shares.prior).sum() / 2),
    )  # fmt: skip


def stored(request: Request, rows: np.ndarray) -> np.ndarray:
    """float64 `[n, D]`: what the head reads of these rows."""
    features = request.features(request.network, FeatureSpec(taps=request.reads))
    taps = [np.asarray(features.tap(tap)[rows], np.float64) for tap in request.reads]
    return np.concatenate(taps, axis=1)


def assess(adapter: Adapter, request: Request) -> tuple[Trial, Assessed, Adapted | None]:
    """Its trial on the source, what is known of it, and what it learnt from all rows; None where it cannot
    be used."""
    trial = adapter.fit(request)
    if not trial.covered.any():
        return trial, Assessed(adapter.name, trial.reason or "it has no result"), None
    try:
        found = adapter.adapt(request)
        target = request.target
        assert target is not None
        p = found.predict(target).astype(np.float64)
        there = circular(adapter, request, p)
        again = [_without(adapter, request, part) for part in _fifths(len(target), request.seed)]
    except NotApplicable as error:
        return trial, Assessed(adapter.name, str(error)), None
    held = np.flatnonzero(trial.covered[0])
    y, q = request.dataset.targets[held], trial.predictions.take(0, held)
    shares = label_shift(q, y, p, seed=request.seed)
    seen = Assessed(
        adapter.name,
        circular=there,
        again=tuple(again),
        source=float((q.argmax(axis=1) == y).mean()),
        held=len(held),
        surer=validators.surer_than_noise(p, seed=request.seed),
        said=tuple(np.bincount(p.argmax(axis=1), minlength=p.shape[1]) / len(p)),
        low=tuple(shares.low),
        high=tuple(shares.high),
        reweighted=_reweighted(q, y, shares),
        bnm=validators.bnm(p),
        im=validators.information(p),
        snd=validators.snd(p),
    )
    return trial, seen, found


def circular(adapter: Adapter, request: Request, predictions: np.ndarray) -> float:
    """Balanced accuracy on the source's labels, 0 to 1, from `predictions` float `[m, K]` of
    `request.target`.

    Where all of the target gets one class, the balanced accuracy of that constant answer. Raises
    `NotApplicable` where the adapter cannot be turned round.
    """
    source = np.flatnonzero(request.dataset.targets.known)
    y, target, said = request.dataset.targets[source], request.target, predictions.argmax(axis=1)
    assert target is not None
    outputs = request.task.outputs
    if len(np.unique(said)) < 2:
        return validators.balanced(y, np.full(len(y), said[0]), outputs)
    labels = np.full(len(request.dataset), -1, np.int64)
    labels[target] = said
    turned = replace(request, dataset=replace(request.dataset, targets=labels), target=source)
    return validators.balanced(y, adapter.adapt(turned).predict(source).argmax(axis=1), outputs)


def _reweighted(p: np.ndarray, y: np.ndarray, shares: LabelShift) -> tuple[float, float, float]:
    calibration = shares.calibration
    tilted = (p if calibration is None else calibration(p)) * shares.weights
    won = (tilted.argmax(axis=1) == y) * 1.0 - (p.argmax(axis=1) == y)
    w = shares.weights[y] / shares.weights[y].mean()
    value = float((w * won).mean())
    reach = 1.96 * float((w * (won - value)).std()) / np.sqrt(len(y))
    return value, value - reach, value + reach


def _without(adapter: Adapter, request: Request, kept: np.ndarray) -> float:
    """`circular` of the target's rows at these places."""
    assert request.target is not None
    part = replace(request, target=request.target[kept])
    return circular(adapter, part, adapter.adapt(part).predict(request.target[kept]))


def _fifths(rows: int, seed: int) -> list[np.ndarray]:
    """The places that are left when each fifth is taken out."""
    place = np.random.default_rng(seed).permutation(rows) % AGAIN
    return [np.flatnonzero(place != number) for number in range(AGAIN)]

"""What is known of an adapter without a label of the target: circular validation, validators, held-out
source rows.

Circular validation goes there and back: what an adapter says of the target is taken for its labels, the
domains change roles, and the answers for the source are held against the labels that it has (Bruzzone and
Marconcini, "Domain Adaptation Problems: A DASVM Classification Technique and a Circular Validation
Strategy", IEEE TPAMI 2010).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from headstart.core.features import FeatureSpec
from headstart.core.strategy import Adapted, Adapter, NotApplicable, Request, Trial
from headstart.measure import validators
from headstart.measure.shift.label_shift import LabelShift, label_shift
from headstart.measure.shift.separation import domain_auc
from headstart.measure.shift.structure import clustered
from headstart.strategies import adapt
from headstart.strategies.shared._folds import OutOfTime

SPLITS = 3
"""Ways in which the columns of the features are halved."""
CLOSE = 0.01
"""Circular scores as near as this are the same: the nuclear norm of the answers (BNM) is the second voice."""
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
    base: tuple[float, ...] = ()
    """What no adaptation has there and back by the same way, and without each fifth; empty where the way
    back is each one's own."""
    source: float = float("nan")
    """Accuracy on held-out source rows, mapped as those learnt from were."""
    itself: bool = False
    """Whether these were found as a target's would be, in the source as its own target."""
    held: int = 0
    """How many these are."""
    agreement: tuple[float, ...] = ()
    """Cohen's kappa, on the target, of what is learnt and answered by one half of the columns of the features
    and by the other, and without each fifth of the answers: the classes are what both halves see, and where
    there are none they agree by chance. Where a network was trained, of its answers and those of a
    witness."""
    beside: tuple[float, ...] = ()
    """What the answers of no adaptation have of the latter; empty where no network was trained."""
    items: int = 0
    """How many the target has."""
    surer: float = 0.0
    """Of a trained network: standard deviations by which its answers for the target are surer than those for
    noise would be."""
    said: tuple[float, ...] = ()
    """Share of the target that is said to be of each class."""
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    """95 % intervals of the classes' shares in the target by calibrated MLLS on the same answers."""
    checkpoint: int | None = None
    """Of those that a training offers, the one that is meant."""
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
    clustered: float = 0.0
    """Standard deviations by which the target's items are nearer to as many centres as there are classes than
    noise of the same covariance (`measure.shift.structure`): their features, or the logits of the unadapted
    head, whichever shows it better. In columns that are stretched clusters are not seen, but a head that has
    learnt where the classes lie still finds some of them; noise stays noise in both."""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


def diagnosed(request: Request, trial: Trial, found: Adapted) -> Shift:
    """How the domains differ, by the features and the answers of the unadapted head."""
    target = request.target
    assert target is not None
    held = np.flatnonzero(trial.covered[0])
    xs, xt, y = stored(request, held), stored(request, target), request.dataset.targets[held]
    p = found.predict(target)
    shares = label_shift(trial.predictions.take(0, held), y, p, seed=request.seed)
    groups, logits = request.split.groups, np.log(np.maximum(p.astype(np.float64), 1e-12))
    auc, alike = (
        domain_auc(xs, xt, groups_s=groups[held], groups_t=groups[target], weights_s=w, seed=request.seed)
        for w in (None, shares.weights[y])
    )
    return Shift(
        auc.value, auc.low, shares.total_variation, shares.tv_low, tuple(shares.source), tuple(shares.prior),
        alike.value, 1.0 if shares.bbse is None else float(np.abs(shares.bbse - shares.prior).sum() / 2),
        max(
            clustered(rows, request.task.outputs, groups=groups[target], seed=request.seed)
            for rows in (xt, logits - logits.mean(axis=1, keepdims=True))
        ),
    )  # fmt: skip


def stored(request: Request, rows: np.ndarray) -> np.ndarray:
    """float64 `[n, D]`: what the head reads of these rows."""
    features = request.features(request.network, FeatureSpec(taps=request.reads))
    taps = [np.asarray(features.tap(tap)[rows], np.float64) for tap in request.reads]
    return np.concatenate(taps, axis=1)


def assess(adapter: Adapter, request: Request) -> tuple[Trial, Assessed, Adapted | None]:
    """Its trial on the source, what is known of it, and what it learnt from all rows; None where it cannot
    be used. Raises `OutOfTime` where the request's budget ends before."""
    trial = _fitted(adapter, request)
    if not trial.covered.any():
        return trial, Assessed(adapter.name, trial.reason or "it has no result"), None
    try:
        found = adapter.adapt(request)
        target = request.target
        assert target is not None
        p = found.predict(target).astype(np.float64)
        there = circular(adapter, request, p)
        again = []
        for kept in _fifths(len(target), request.seed):
            _in_time(request)
            part = replace(request, target=target[kept])
            again.append(circular(adapter, part, adapter.adapt(part).predict(target[kept])))
        alike = _agreement(adapter, request)
    except NotApplicable as error:
        return trial, Assessed(adapter.name, str(error)), None
    return trial, replace(_seen(adapter, request, trial, p, there, again), agreement=alike), found


def _agreement(adapter: Adapter, request: Request) -> tuple[float, ...]:
    """See `Assessed.agreement`."""
    target = request.target
    assert target is not None
    x = stored(request, np.concatenate([np.flatnonzero(request.dataset.targets.known), target]))
    alive, parts = np.flatnonzero(x.std(axis=0) > 0), _fifths(len(target), request.seed)
    found = []
    for number in range(SPLITS):
        order, said = np.random.default_rng(request.seed + number).permutation(alive), []
        for half in (order[::2], order[1::2]):
            _in_time(request)
            columns = np.isin(np.arange(x.shape[1]), half)
            learnt = adapter.adapt(replace(request, columns=columns))
            said.append(learnt.predict(target).argmax(axis=1))
        one, other = said
        found.append(
            [
                validators.agreement(one[kept], other[kept], request.task.outputs)
                for kept in (slice(None), *parts)
            ]
        )
    return tuple(float(value) for value in np.mean(found, axis=0))


def _fitted(adapter: Adapter, request: Request) -> Trial:
    """Its trial, whole. Raises `OutOfTime`: what is finished of it is kept in the request's folder."""
    trial = adapter.fit(request)
    if trial.status == "cut off":
        raise OutOfTime
    return trial


def _in_time(request: Request) -> None:
    if request.budget.over:
        raise OutOfTime


WAY_BACK = "linot"
"""How a witness comes back."""


def assess_trained(
    adapter: Adapter, request: Request, witness: Request, unadapted: np.ndarray
) -> tuple[Trial, Assessed, Adapted | None]:
    """The same of an adapter that trains the network, with one fold, and at its best checkpoint: of those
    from which about as much comes back, the one with the surest and most varied answers.

    Where a network has learnt the source's labels, whatever it says of the target leads back to them: there
    and back through itself says nothing. So all go back by a `witness`, the same request with a network that
    has not seen these labels, which learns from the answers for the target, as it does from `unadapted`
    float `[m, K]`, those of no adaptation. What the witness says of the target itself, with a head of the
    source's labels, is held against both. Raises `OutOfTime` as `assess` does.
    """
    first = replace(request.split, folds=request.split.folds[:1])
    trial = _fitted(adapter, replace(request, split=first))
    if not trial.covered.any():
        return trial, Assessed(adapter.name, trial.reason or "it has no result"), None
    target = request.target
    assert target is not None
    judge = adapt.get(WAY_BACK)
    fifths = _fifths(len(target), request.seed)

    def back(p: np.ndarray, kept: np.ndarray) -> float:
        _in_time(request)
        return circular(judge, replace(witness, target=target[kept]), p[kept])

    def alike(p: np.ndarray, other: np.ndarray) -> tuple[float, ...]:
        ours, theirs = p.argmax(axis=1), other.argmax(axis=1)
        parts = (slice(None), *fifths)
        return tuple(validators.agreement(ours[k], theirs[k], request.task.outputs) for k in parts)

    try:
        found = adapter.adapt(request)
        every = np.arange(len(target))
        witnessed = judge.adapt(witness).predict(target)
        base = tuple(back(unadapted, kept) for kept in (every, *fifths))
        offered = [one.predict(target) for one in getattr(found, "checkpoints", (found,))]
        scores = [back(p, every) for p in offered]
        near = [number for number, score in enumerate(scores) if score >= max(scores) - CLOSE]
        number = max(near, key=lambda one: validators.bnm(offered[one].astype(np.float64)))
        again = [back(offered[number], kept) for kept in fifths]
    except NotApplicable as error:
        return trial, Assessed(adapter.name, str(error)), None
    p = offered[number].astype(np.float64)
    seen = _seen(adapter, request, trial, p, scores[number], again)
    surer = validators.surer_than_noise(p, seed=request.seed)
    known = replace(seen, base=base, checkpoint=number, surer=surer)
    known = replace(known, agreement=alike(p, witnessed), beside=alike(unadapted, witnessed))
    return trial, known, at(found, number)


def at(found: Adapted, checkpoint: int | None) -> Adapted:
    """What was learnt, at that checkpoint."""
    chosen: Adapted = found if checkpoint is None else getattr(found, "checkpoints", (found,))[checkpoint]
    return chosen


def _seen(
    adapter: Adapter, request: Request, trial: Trial, p: np.ndarray, there: float, again: Sequence[float]
) -> Assessed:  # fmt: skip
    held = np.flatnonzero(trial.covered[0])
    y, q = request.dataset.targets[held], trial.predictions.take(0, held)
    shares = label_shift(q, y, p, seed=request.seed)
    return Assessed(
        adapter.name,
        circular=there,
        again=tuple(again),
        source=float((q.argmax(axis=1) == y).mean()),
        held=len(held),
        itself=getattr(adapter, "itself", False),
        items=len(p),
        said=tuple(np.bincount(p.argmax(axis=1), minlength=p.shape[1]) / len(p)),
        low=tuple(shares.low),
        high=tuple(shares.high),
        reweighted=_reweighted(q, y, shares),
        bnm=validators.bnm(p),
        im=validators.information(p),
        snd=validators.snd(p),
    )


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


def _fifths(rows: int, seed: int) -> list[np.ndarray]:
    """The places that are left when each fifth is taken out."""
    place = np.random.default_rng(seed).permutation(rows) % AGAIN
    return [np.flatnonzero(place != number) for number in range(AGAIN)]

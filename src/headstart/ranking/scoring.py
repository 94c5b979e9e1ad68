"""What the stored features of one source tell of its use, in closed form: nothing is trained."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart import strategies, tasks
from headstart.core import fingerprint
from headstart.core.backbone import Backbone
from headstart.core.cells import column
from headstart.core.features import FeatureSpec
from headstart.core.source import Source
from headstart.core.split import Split
from headstart.core.strategy import Request
from headstart.core.task import Task
from headstart.errors import UnknownName
from headstart.measure import threads
from headstart.measure.spectral import basis, standardise
from headstart.measure.transferability import knn, logme, loo
from headstart.measure.transferability.gbc import gbc
from headstart.measure.transferability.hscore import hscore
from headstart.measure.transferability.leep import leep
from headstart.measure.transferability.nce import nce
from headstart.measure.transferability.nleep import nleep
from headstart.measure.transferability.parc import parc
from headstart.measure.transferability.transrate import transrate
from headstart.strategies import direct, probe
from headstart.strategies.linear._ridge import group_numbers, silenced
from headstart.tasks.base import Confidence, Labels, Places

DECIDERS = ("logme", "ridge", "knn")
"""Scores whose ranks are added: evidence, minus the squared error of ridge regression, nearest neighbours."""
CLOSED_FROM = 400
"""Labelled items from which on the closed form over all of them is as honest as folds are: with 400 of
CIFAR-10 it was 0.4 points above the accuracy on new items, over four sources, and folds were 1.0 below."""
REPEATS = ((100, 4), (CLOSED_FROM, 2))
"""Fewer labelled items than the first number: at most so many repeats of the folds."""
STEEP = 10.0
"""Logits of one in the output of a ridge regression, before they are calibrated."""


@dataclass(frozen=True)
class Scored:
    """One source, measured on N labelled items."""

    source: Source
    digest: str
    """Of its weights."""
    items: str
    """Fingerprint of items, labels, groups, metric and seed: sources are compared where it is the same."""
    predictions: np.ndarray = field(repr=False)
    """float64 `[R, M, K]`: what each item that is held out at all is told when it is, in every repeat; object
    array `[1, M]` of places or boxes."""
    scores: Mapping[str, float]
    left_out: Mapping[str, str]
    """Scores that do not apply, with the reason."""
    taps: tuple[str, ...]
    """What of the network the linear model reads."""
    seconds: float = 0.0
    passes: float = 0.0
    """Passes over the items that were made now; 0 where all was stored."""


@dataclass(frozen=True)
class _Given:
    """What a further score may look at."""

    features: np.ndarray = field(repr=False)
    """float64 `[N, D]`, z-scored."""
    targets: np.ndarray = field(repr=False)
    y: np.ndarray = field(repr=False)
    theta: np.ndarray | None = field(repr=False)
    """float64 `[N, Z]`: what the source's own classifier says."""
    seed: int


NO_HEAD = "the source comes without a classifier"
NO_CLASSES = "it is of classes, one an item"
FURTHER: Mapping[str, tuple[Callable[[_Given], float], bool, bool]] = {
    "hscore": (lambda g: hscore(g.features, g.y), True, False),
    "transrate": (lambda g: transrate(g.features, g.y, scale=True), True, False),
    "gbc": (lambda g: gbc(g.features, g.y), True, False),
    "parc": (lambda g: parc(g.features, g.targets, seed=g.seed), True, False),
    "nleep": (lambda g: nleep(g.features, g.y, seed=g.seed), True, False),
    "leep": (lambda g: leep(_head(g), g.y), True, True),
    "nce": (lambda g: nce(_head(g).argmax(axis=1), g.y), True, True),
}
"""Scores that decide nothing, by name: (how, of classes alone, of the source's classifier)."""


def _head(given: _Given) -> np.ndarray:
    assert given.theta is not None
    return given.theta


def wanted(names: Sequence[str]) -> tuple[str, ...]:
    """The further scores of these names, "all" for every one. Raises `UnknownName`."""
    for name in names:
        if name != "all" and name not in FURTHER:
            raise UnknownName("further score", name, ["all", *FURTHER])
    return tuple(name for name in FURTHER if name in names or "all" in names)


def score(request: Request, also: Sequence[str] = (), *, few: bool = False) -> Scored:
    """Measure the request's source on all development rows.

    The pass stores every tap, as that of a probe does; which of them the linear model reads is chosen as a
    probe chooses, in each fold of the split anew while there are fewer than `CLOSED_FROM` rows. `also` are
    names in `FURTHER`. With `few` the linear model reads the embedding alone, whatever is stored. `seconds`
    and `passes` are left to the caller.

    Raises what the pass and `loo` raise.
    """
    if isinstance(tasks.for_task(request.task), Places):
        return _of_places(request, also)
    backbone, rows = request.network, request.split.development
    methods = tasks.for_task(request.task)
    taps = tuple(dict.fromkeys((*backbone.taps(), backbone.embedding)))
    head = any(FURTHER[name][2] for name in also) and methods.exclusive and backbone.classifier is not None
    theta = None
    if head:  # the states come out of the same pass
        stored = request.features(backbone, FeatureSpec(taps=taps, cut=backbone.cuts[-1]))
        logits = direct.source_logits(backbone, stored.state(), rows)
        theta = np.exp(logits - logits.max(axis=1, keepdims=True))
        theta /= theta.sum(axis=1, keepdims=True)
    if few:  # all taps come out of the one pass, and are there when they are looked at
        request.features(backbone, FeatureSpec(taps=taps))
    reading = probe.read(request, backbone, (backbone.embedding,) if few else ())
    with threads.suited_to(len(rows)):
        y = np.asarray(request.dataset.targets[rows])
        chosen, targets = reading.choose(rows), _targets(request)
        x = standardise(silenced(reading.matrix(chosen, rows)))[0]
        spectral, groups = basis(x), group_numbers(request, rows)
        if len(rows) < CLOSED_FROM:
            outputs = _by_folds(reading, targets)
        else:
            left = loo.of_basis(spectral, targets, groups=groups)
            # of classes: without its own row each is a little rarer, and would never be voted for
            tilt = probe.left_out_tilt(targets, groups) if methods.exclusive else 0.0
            outputs = (left.predictions + tilt)[None]
        held = held_out(request.split, request.task)
        near = knn.knn(
            reading.matrix((backbone.embedding,), rows), targets,
            k=knn.neighbours(len(y), request.task.outputs), groups=groups,
        )  # fmt: skip
        scores = {
            "logme": logme.of_basis(spectral, targets),
            "ridge": -float(((outputs - targets[held]) ** 2).sum(axis=2).mean()),
            "knn": _agreement(near, targets, exclusive=methods.exclusive),
        }
        left_out = _unfit(also, backbone, exclusive=methods.exclusive)
        given = _Given(x, targets, y, theta, request.seed)
        scores |= {name: float(FURTHER[name][0](given)) for name in also if name not in left_out}
    return Scored(
        backbone.source,
        backbone.digest,
        items_of(request),
        np.stack([_as_answers(request, one, y[held]) for one in outputs]),
        scores,
        left_out,
        tuple(map(str, chosen)),
    )


def _of_places(request: Request, also: Sequence[str]) -> Scored:
    """Ridge regression at every place, on the stored maps, in each fold of the split."""
    probe: Any = strategies.get(strategies.ranking(), request.task)
    learnt = probe.closed(request)
    found: dict[int, Any] = {}
    for fold in request.split.folds:
        if fold.repeat == 0:
            with threads.suited_to(len(fold.train)):
                found.update(zip(fold.test.tolist(), learnt(fold.train, fold.test), strict=True))
    held = request.split.development[held_out(request.split, request.task)]
    return Scored(
        request.network.source,
        request.digest,
        items_of(request),
        column(found[row] for row in held.tolist())[None],
        {"ridge": -learnt.error()},
        dict.fromkeys(also, NO_CLASSES),
        tuple(map(str, learnt.taps)),
    )


def held_out(split: Split, task: Task) -> np.ndarray:
    """int64 `[M]`: the places among the development rows of those that are held out at all."""
    if len(split.development) >= CLOSED_FROM and not isinstance(tasks.for_task(task), Places):
        return np.arange(len(split.development))
    return np.flatnonzero(np.isin(split.development, np.concatenate([fold.test for fold in split.folds])))


def _by_folds(reading: probe.Reading, targets: np.ndarray) -> np.ndarray:
    """float64 `[R, M, K]`: ridge outputs for the rows that each fold holds out, all chosen without these.

    `targets` `[N, K]` are those of the development rows. With few rows the best of many taps looks better by
    leave-one-out than it is: by 20 points with 10 labels, 3 with 200.
    """
    request, rows = reading.request, reading.request.split.development
    held = rows[held_out(request.split, request.task)]
    most = next(count for limit, count in REPEATS if len(rows) < limit)
    outputs = np.full((min(most, request.split.repeats), len(held), targets.shape[1]), np.nan)
    weights = tasks.for_task(request.task).weights(request.task, np.asarray(request.dataset.targets[rows]))
    for fold in request.split.folds:
        if fold.repeat < len(outputs):
            taps, train = reading.choose(fold.train), np.searchsorted(rows, fold.train)
            x = silenced(reading.matrix(taps, fold.train))
            groups = group_numbers(request, fold.train)
            own = None if weights is None else weights[train]
            predict = loo.fitted(x, targets[train], groups=groups, weights=own)
            outputs[fold.repeat, np.searchsorted(held, fold.test)] = predict(reading.matrix(taps, fold.test))
    return outputs


def items_of(request: Request) -> str:
    """What must be the same for sources to be compared; see `Scored.items`."""
    split = request.split
    return fingerprint.of_parts(
        [
            request.dataset.fingerprint,
            split.fingerprint(),
            fingerprint.of_array(split.groups),
            request.task.metric,
        ]
    )


def _unfit(also: Sequence[str], backbone: Backbone, *, exclusive: bool) -> dict[str, str]:
    found = {}
    for name in also:
        _, classes, head = FURTHER[name]
        if classes and not exclusive:
            found[name] = NO_CLASSES
        elif head and backbone.classifier is None:
            found[name] = NO_HEAD
    return found


def _targets(request: Request) -> np.ndarray:
    """float64 `[N, K]`: 0 and 1 for each class or label, whatever their number; numbers standardised."""
    methods, y = tasks.for_task(request.task), request.dataset.targets[request.split.development]
    if isinstance(methods, Labels):
        return methods.membership(np.asarray(y), request.task.outputs).astype(np.float64)
    return methods.ridge_targets(np.asarray(y), request.task.outputs)


def _agreement(predictions: np.ndarray, targets: np.ndarray, *, exclusive: bool) -> float:
    """The share of right votes of classes, else minus the mean squared error."""
    if exclusive:
        return float(np.mean(predictions.argmax(axis=1) == targets.argmax(axis=1)))
    return -float(((predictions - targets) ** 2).sum(axis=1).mean())


def _as_answers(request: Request, outputs: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Ridge outputs `[N, K]` as predictions of the task: probabilities at the temperature that suits them, or
    values in their own unit."""
    methods = tasks.for_task(request.task)
    if isinstance(methods, Confidence):
        rough = methods.activate(STEEP * (outputs - 0.5))
        return np.asarray(methods.softened(rough, methods.temperature(y, rough)))
    offset, scale = methods.scaling(y, request.task.outputs)
    return np.asarray(outputs * scale + offset)

"""Labels of the target: the one step that may read them, when everything else is decided."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from headstart import data, tasks
from headstart.core.dataset import Dataset
from headstart.core.strategy import Adapted, Request
from headstart.errors import DataError, UnknownName
from headstart.measure.paired import PairedGain, paired_gain
from headstart.planning.adaptation import Decision, overridden
from headstart.strategies import adapt as adapters
from headstart.strategies.adapt.assess import stored
from headstart.strategies.linear._ridge import silenced
from headstart.tasks.base import Labels
from headstart.tasks.linear import inner_folds

OVERRIDES = 50
"""Labels from which the paired test decides, whatever was found without any."""
RACES = 20
"""Labels from which models that learn from them are tried."""
PARTS = 5
UNSUPPORTED = "a target with fewer classes (partial) or with others (open-set) is not supported"


@dataclass(frozen=True)
class Arm:
    """One way to use the labels, by held-out labelled items."""

    name: str
    accuracy: float
    error: float
    """Standard error of its difference to the best."""


@dataclass(frozen=True)
class Verdict:
    """What the labels say."""

    decision: Decision
    items: int
    gain: PairedGain
    """Of the adapter held against no adaptation, in the run's metric."""
    adapter: str
    race: tuple[Arm, ...] = ()
    suffices: str = ""
    """The simplest arm that is not worse than the best by more than one standard error."""

    def to_json(self) -> dict[str, Any]:
        gain = {"value": self.gain.gain, "low": self.gain.low, "high": self.gain.high, "p": self.gain.p_value}
        return {
            "items": self.items,
            "adapter": self.adapter,
            "gain": gain,
            "race": [asdict(arm) for arm in self.race],
            "suffices": self.suffices,
        }


@dataclass(frozen=True)
class Labelled:
    """Rows of the target with their labels."""

    rows: np.ndarray
    """int64, of the request's data set."""
    y: np.ndarray = field(repr=False)


def read_labels(given: Any, request: Request, column: Any = None) -> Labelled:
    """The target's rows that have a label in `given`, which is read here and nowhere before; items are told
    by their content. `column` is that of the run's own labels, if it was named. Raises `DataError`."""
    kind = request.task.kind
    try:
        found = given if isinstance(given, Dataset) else data.load(given, task=kind, label_column=column)
    except UnknownName:  # that of the target is called otherwise
        found = data.load(given, task=kind)
    where, labels, methods = found.origin or found.name, request.task.labels, tasks.for_task(request.task)
    if found.task is None or found.task.kind != request.task.kind:
        raise DataError(
            where, f"its labels are not those of {request.task.kind}", "label the items as the run's are"
        )
    strange = sorted(set(found.task.labels) - set(labels))
    if strange and isinstance(methods, Labels):
        raise DataError(
            where, f"it has the label {strange[0]!r}, which the run does not know; {UNSUPPORTED}",
            f"the run's labels are {', '.join(map(repr, labels[:8]))}",
        )  # fmt: skip
    whole = np.flatnonzero(found.labelled)
    places = {n: [labels.index(name)] for n, name in enumerate(found.task.labels) if name in labels}
    given_y = methods.renumbered(found.targets[whole], places, request.task.outputs)
    of_all = found.digests()
    known = {of_all[row]: y for row, y in zip(whole, given_y, strict=True)}
    digests, target = request.dataset.digests(), request.target
    assert target is not None
    rows = np.array([row for row in target if digests[row] in known], np.int64)
    if not len(rows):
        raise DataError(where, "none of its items is among the unlabelled ones", "label some of these")
    return Labelled(rows, np.array([known[digests[row]] for row in rows], given_y.dtype))


def judged(
    request: Request, labelled: Labelled, base: Adapted, found: Adapted, adapter: str, decision: Decision
) -> Verdict:
    """The paired test of an adapter against no adaptation; with `OVERRIDES` labels it decides."""
    rows, y = labelled.rows, labelled.y
    ours, theirs = found.predict(rows)[None], base.predict(rows)[None]
    gain = paired_gain(y, ours, theirs, scoring=tasks.score_of(request.task))
    if len(rows) >= OVERRIDES and adapter != adapters.NONE:
        decision = overridden(decision, adapter, len(rows), (gain.gain, gain.low, gain.high))
    race, suffices = _race(request, labelled, base, found, adapter) if len(rows) >= RACES else ((), "")
    return Verdict(decision, len(rows), gain, adapter, race, suffices)


def _race(
    request: Request, labelled: Labelled, base: Adapted, found: Adapted, adapter: str
) -> tuple[tuple[Arm, ...], str]:
    """Every way to use the labels on held-out parts of them, the simplest first."""
    rows, y = labelled.rows, labelled.y
    said = {"source-only": base.predict(rows).argmax(axis=1)}
    if adapter != adapters.NONE:
        said[adapter] = found.predict(rows).argmax(axis=1)
    learns = ("source model as prior", "target-only", "both")
    said |= {name: np.zeros(len(y), np.int64) for name in learns}
    source = np.flatnonzero(request.dataset.targets.known)
    xs, xt = stored(request, source), stored(request, rows)
    ys = request.dataset.targets[source]
    logs = np.log(np.maximum(base.predict(rows), 1e-6)).astype(np.float64)
    for train in inner_folds(y, None, folds=PARTS, seed=request.seed):
        heft = np.concatenate([np.full(len(xs), train.sum() / len(xs)), np.ones(int(train.sum()))])
        # the labels count as much as the whole source does
        both = np.concatenate([xs, xt[train]]), np.concatenate([ys, y[train]])
        for name, x, wanted, weights, held in (
            (learns[0], logs[train], y[train], None, logs[~train]),
            (learns[1], xt[train], y[train], None, xt[~train]),
            (learns[2], *both, heft / heft.mean(), xt[~train]),
        ):
            said[name][~train] = _fitted(request, x, wanted, weights, held)
    right = {name: (answer == y) * 1.0 for name, answer in said.items()}
    best = max(right.values(), key=lambda one: float(one.mean()))
    arms = tuple(
        Arm(name, float(one.mean()), float((best - one).std() / np.sqrt(len(y))))
        for name, one in right.items()
    )
    top = float(best.mean())
    return arms, next(arm.name for arm in arms if arm.accuracy >= top - arm.error)


def _fitted(
    request: Request, x: np.ndarray, y: np.ndarray, weights: np.ndarray | None, held: np.ndarray
) -> np.ndarray:
    """int64 `[h]`: what a linear model of these rows says of the rows held out."""
    methods = tasks.for_task(request.task)
    model = methods.fit_linear(
        silenced(x), y, outputs=request.task.outputs, seed=request.seed, weights=weights, rough=True
    )
    return np.asarray(model.logits(held).argmax(axis=1))

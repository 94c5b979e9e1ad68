"""What labels of the target decide of a model whose answers are numbers or sets of labels: without any, no
adapter could be chosen for it.

Every way to use them is held against the model as it is on labels that it has not seen, in the task's metric.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.metric import named
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.errors import DataError
from headstart.measure.paired import PairedGain, Resampling, paired_gain
from headstart.planning.adaptation import Decision
from headstart.strategies import adapt as adapters
from headstart.strategies.adapt._base import Adapts, Domains, Headed
from headstart.strategies.linear._ridge import silenced
from headstart.tasks.base.fits import Linear
from headstart.tasks.linear import inner_folds
from headstart.workflows.target_labels import OVERRIDES, PARTS, RACES, Labelled

SOURCE, PRIOR, TARGET, BOTH = "source-only", "source model as prior", "target-only", "both"
LEARN = (PRIOR, TARGET, BOTH)
"""The simplest first."""
LEVEL = 1 - 0.05 / len(LEARN)
"""Of the intervals: the best of three is taken, and all must hold together (Bonferroni)."""


@dataclass(frozen=True)
class Arm:
    """One way to use the labels, by those held out."""

    name: str
    score: float
    """In the task's metric."""
    gain: PairedGain | None
    """Over the model as it is; None of this itself."""
    behind: PairedGain | None
    """What the best has over it; None of the best itself."""

    def to_json(self) -> dict[str, Any]:
        gain = self.gain
        shown = None if gain is None else {"value": gain.gain, "low": gain.low, "high": gain.high}
        return {"name": self.name, "score": self.score, "gain": shown}


@dataclass(frozen=True)
class Raced:
    """What the labels say."""

    decision: Decision
    learned: Headed | None
    """What ships; None where the model stays."""
    trial: Trial | None
    """Of what ships, on the source's folds."""
    items: int
    metric: str
    race: tuple[Arm, ...]
    suffices: str
    """The simplest arm that is not worse than the best by more than one standard error."""

    def to_json(self) -> dict[str, Any]:
        return {
            "items": self.items,
            "metric": self.metric,
            "race": [arm.to_json() for arm in self.race],
            "suffices": self.suffices,
        }


def race(request: Request, labelled: Labelled, unadapted: np.ndarray) -> Raced:
    """The model as it is (`unadapted` `[n, K]`: what it says of the labelled rows) against heads that learn
    from the labels, on parts of these held out in turn.

    With `OVERRIDES` labels, the arm whose gain is the greatest of those that are shown ships, refitted on all
    of them. Raises `DataError` for fewer than `RACES`.
    """
    rows, y, task = labelled.rows, labelled.y, request.task
    if len(rows) < RACES:
        found = f"it has labels of {len(rows):,} of the target's items"
        raise DataError("--labels", found, f"label at least {RACES}, and {OVERRIDES} to decide by them")
    methods, score, heads = tasks.for_task(task), tasks.score_of(task), _Heads(request, labelled)
    strata = np.array([stratum[-1] for stratum in methods.strata(y)])
    parts = inner_folds(strata, None, folds=PARTS, seed=request.seed)
    said = {SOURCE: unadapted.astype(np.float64)}
    for name in LEARN:
        said[name] = np.empty_like(said[SOURCE])
        for train in parts:
            said[name][~train] = methods.activate(heads.learnt(name, train).logits(heads.x[~train]))
    folds = [Fold(0, np.flatnonzero(train), np.flatnonzero(~train)) for train in parts]

    def over(ours: str, theirs: str) -> PairedGain:
        drawn = Resampling(level=LEVEL, seed=request.seed)
        pair = (said[ours][None], said[theirs][None])
        return paired_gain(y, *pair, scoring=score, folds=folds, resampling=drawn)

    values = {name: score.value(y, p) for name, p in said.items()}
    best = max(values, key=lambda name: values[name] if task.higher_is_better else -values[name])
    arms = tuple(
        Arm(
            name,
            values[name],
            None if name == SOURCE else over(name, SOURCE),
            None if name == best else over(best, name),
        )
        for name in said
    )
    suffices = next(arm.name for arm in arms if arm.behind is None or arm.behind.gain <= arm.behind.error)
    decision = _decided(arms, len(rows), task.metric)
    learned, trial = None, None
    if decision.adapter != adapters.NONE:
        learned, trial = heads.headed(decision.adapter), _Arm(decision.adapter, labelled).fit(request)
    return Raced(decision, learned, trial, len(rows), task.metric, arms, suffices)


class _Heads:
    """Linear heads on what the run's head reads, by the labels of both domains."""

    def __init__(self, request: Request, labelled: Labelled) -> None:
        self.domains, self.y = Domains.of(request), labelled.y
        self.x = self.domains.x(labelled.rows)
        self.xs, self.ys = self.domains.x(self.domains.source), request.dataset.targets[self.domains.source]
        self.source = self.domains.fit(self.xs)

    def learnt(self, name: str, train: np.ndarray) -> Linear:
        """The head of an arm on features as they are, from these rows of the labelled ones (bool)."""
        x, y = self.x[train], self.y[train]
        if name == PRIOR:  # the source's answers, recalibrated
            own, source = self._fitted(self.source.logits(x), y), self.source
            return Linear(own.weight @ source.weight, own.weight @ source.bias + own.bias, own.penalty)
        if name == TARGET:
            return self._fitted(silenced(x), y)
        # the labels count as much as the whole source does
        heft = np.concatenate([np.full(len(self.xs), len(x) / len(self.xs)), np.ones(len(x))])
        both = silenced(np.concatenate([self.xs, x])), np.concatenate([self.ys, y])
        return self._fitted(*both, heft / heft.mean())

    def _fitted(self, x: np.ndarray, y: np.ndarray, heft: np.ndarray | None = None) -> Linear:
        request = self.domains.request
        methods = tasks.for_task(request.task)
        return methods.fit_linear(
            x, y, outputs=request.task.outputs, seed=request.seed, weights=heft, rough=True
        )

    def headed(self, name: str) -> Headed:
        """An arm, refitted on all labels."""
        linear = self.learnt(name, np.ones(len(self.y), bool))
        return Headed(self.domains, linear.weight, linear.bias, linear.logits, {"C": linear.penalty})


@dataclass(frozen=True)
class _Arm(Adapts):
    """An arm as an adapter: what it says of held-out items of the source follows."""

    name: str
    labelled: Labelled

    def adapt(self, request: Request) -> Headed:
        return _Heads(request, self.labelled).headed(self.name)


def _decided(arms: tuple[Arm, ...], items: int, metric: str) -> Decision:
    raced = [(arm, arm.gain) for arm in arms if arm.gain is not None]
    shown = [(arm, gain) for arm, gain in raced if gain.low > 0 and items >= OVERRIDES]
    arm, gain = max(shown or raced, key=lambda pair: pair[1].gain)
    unit, points = (100, " points") if named(metric).percent else (1, "")
    won = (gain.gain, gain.low, gain.high)
    value, low, high = (f"{unit * one:+.3g}" for one in won)
    text = (
        f"on {items:,} labelled items of the target, held out, {arm.name!r} has {metric} {arm.score:.3g} "
        f"instead of {arms[0].score:.3g} and gains {value}{points} ({low} to {high})"
    )
    if shown:
        return Decision("adapted", arm.name, f"{text}; labels of the target decide", won)
    why = "labels of the target decide" if items >= OVERRIDES else f"{OVERRIDES} labels are needed to decide"
    return Decision("kept", adapters.NONE, f"do not adapt: {text}; {why}")

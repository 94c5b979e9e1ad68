"""Paired gains of one arm over another, as evidence."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import numpy as np

from headstart import tasks
from headstart.core.evidence import Comparison, Evidence
from headstart.core.experiment import Experiment
from headstart.core.metric import named
from headstart.core.strategy import Trial, both, common
from headstart.core.task import differ
from headstart.evidence import leaderboard
from headstart.measure.paired import PairedGain, Resampling, paired_gain

OBVIOUS = 0.25
"""A gain that few items can show, where the metric is no fraction: in parts of what the rival has, or of what
it lacks where the metric has a best value (R2)."""


def gain(ours: Trial, theirs: Trial, experiment: Experiment, *, count: int = 5000) -> PairedGain | None:
    """The paired gain of one arm over another; None when no item was held out from both, or only items of one
    class, which tell no arm from a constant; or but one unit where the metric is no fraction: how far such a
    number could be off is not known.

    What was asked before is remembered on the experiment: a verdict is formed several times in a run.
    """
    key = (_content(ours), _content(theirs), count)
    if key not in experiment.gains:
        experiment.gains[key] = _gain(ours, theirs, experiment, count)
    found: PairedGain | None = experiment.gains[key]
    return found


def _content(trial: Trial) -> bytes:
    return hashlib.blake2b(trial.predictions.tobytes(), digest_size=16).digest()


def _gain(ours: Trial, theirs: Trial, experiment: Experiment, count: int) -> PairedGain | None:
    cells = both(ours, theirs)
    if not cells[:1].any() or not differ(experiment.y[cells.any(axis=0)]):
        return None
    found = paired_gain(
        experiment.y,
        ours.predictions,
        theirs.predictions,
        scoring=tasks.score_of(experiment.task),
        folds=experiment.split.folds,
        groups=experiment.split.groups,
        resampling=Resampling(count, seed=experiment.seed),
    )
    if named(experiment.task.metric).percent:
        return replace(found, low=max(-1.0, found.low), high=min(1.0, found.high))
    if found.n < 2:
        return None
    _, there = common(ours, theirs)
    has, best = leaderboard.score(there, experiment) or 0.0, named(experiment.task.metric).high
    return replace(found, obvious=OBVIOUS * (abs(has) if np.isinf(best) else best - has))


def compared(ours: Trial, theirs: Trial, found: PairedGain, experiment: Experiment) -> Comparison:
    """A paired gain as evidence."""
    evidence = Evidence(
        metric=experiment.task.metric,
        value=found.gain,
        low=found.low,
        high=found.high,
        n=found.items,
        seed=experiment.seed,
        level=found.level,
        method=found.method,
        data=experiment.dataset.fingerprint,
        model=ours.arm,
    )
    return Comparison(ours.arm, theirs.arm, evidence, found.p_value, found.smallest_visible)

"""Paired gains of one arm over another, as evidence."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from headstart import tasks
from headstart.core import words
from headstart.core.evidence import Comparison, Evidence
from headstart.core.strategy import Trial
from headstart.core.task import differ
from headstart.measure.paired import PairedGain, Resampling, holm, paired_gain
from headstart.run import board
from headstart.run.bench import Bench

OBVIOUS = 0.25
"""A gain that few items can show, where the metric is no fraction: in parts of what the rival has."""


def gain(ours: Trial, theirs: Trial, bench: Bench, *, count: int = 5000) -> PairedGain | None:
    """The paired gain of one arm over another; None when no item was held out from both, or only items of one
    class, which tell no arm from a constant; or but one unit where the metric is no fraction: how far such a
    number could be off is not known.

    What was asked before is remembered on the bench: a verdict is formed several times in a run.
    """
    known: dict[Any, PairedGain | None] = getattr(bench, "gains", {})
    key = (_content(ours), _content(theirs), count)
    if key not in known:
        known[key] = _gain(ours, theirs, bench, count)
    return known[key]


def _content(trial: Trial) -> bytes:
    return hashlib.blake2b(trial.predictions.tobytes(), digest_size=16).digest()


def _gain(ours: Trial, theirs: Trial, bench: Bench, count: int) -> PairedGain | None:
    assert bench.dataset.y is not None
    both = board.both(ours, theirs)
    if not both[:1].any() or not differ(bench.dataset.y[both.any(axis=0)]):
        return None
    found = paired_gain(
        bench.dataset.y,
        ours.predictions,
        theirs.predictions,
        scoring=tasks.for_task(bench.task),
        folds=bench.split.folds,
        groups=bench.split.groups,
        resampling=Resampling(count, seed=bench.seed),
    )
    if bench.task.metric in words.FRACTIONS:
        return replace(found, low=max(-1.0, found.low), high=min(1.0, found.high))
    if found.n < 2:
        return None
    _, there = board.common(ours, theirs)
    return replace(found, obvious=OBVIOUS * abs(board.score(there, bench.dataset, bench.task) or 0.0))


def compared(ours: Trial, theirs: Trial, found: PairedGain, bench: Bench) -> Comparison:
    """A paired gain as evidence."""
    evidence = Evidence(
        metric=bench.task.metric,
        value=found.gain,
        low=found.low,
        high=found.high,
        n=found.items,
        seed=bench.seed,
        level=found.level,
        method=found.method,
        data=bench.dataset.fingerprint,
        model=ours.arm,
    )
    return Comparison(ours.arm, theirs.arm, evidence, found.p_value, found.smallest_visible)


def adjusted(comparisons: Iterable[Comparison]) -> tuple[Comparison, ...]:
    """The same with p-values adjusted for their number (Holm)."""
    given = list(comparisons)
    tested = [number for number, c in enumerate(given) if c.p_value is not None]
    for number, p in zip(tested, holm([given[n].p_value or 0.0 for n in tested]), strict=True):
        given[number] = replace(given[number], p_value=p)
    return tuple(given)

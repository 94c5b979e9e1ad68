"""How many epochs and folds fit into a time. Coarse steps, so that results seldom depend on timing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

EPOCHS = (2, 3, 5, 8, 12, 20, 30, 50, 80, 120)
"""The only numbers of epochs that are ever chosen."""
ENOUGH = 20
"""Epochs down to which all folds are kept."""
LEAST_SHARE = 0.25
"""Of the epochs aimed at, what new weights are trained for at the least: less says nothing of them."""
MARGIN = 1.15
"""What a training really takes, against the time of its first steps."""


@dataclass(frozen=True)
class Pace:
    """What was measured in the first steps, and what there is to do."""

    seconds_per_step: float
    per_epoch: int
    """Steps in an epoch."""
    extra: float = 0.0
    """Seconds a fold takes besides its steps: the probe that starts the head, held-out predictions."""

    def seconds(self, epochs: int, trainings: float) -> float:
        """What so many trainings of so many epochs take, with the margin."""
        return MARGIN * trainings * (epochs * self.per_epoch * self.seconds_per_step + self.extra)


@dataclass(frozen=True)
class Plan:
    """What fits."""

    epochs: int
    folds: int


def wanted(per_epoch: int, *, steps: int, most: int) -> int:
    """Epochs of the ladder that come nearest to `steps` from below; at most `most`."""
    fitting = [e for e in EPOCHS if e <= most and e * per_epoch <= steps]
    return max(fitting, default=EPOCHS[0])


def rungs(folds: int) -> tuple[int, ...]:
    """The only numbers of folds that are ever run, most first: 5, 3, 2, 1 of five."""
    found = [folds]
    while found[-1] > 1:
        found.append(-(-found[-1] // 2))
    return tuple(found)


def options(epochs: int, folds: int, *, warm: bool = False) -> Iterator[Plan]:
    """What would be done, best first: all folds with up to half of the epochs given up (more where
    `ENOUGH` are left: few held-out items prove nothing), then fewer folds, then a single fold with
    fewer epochs still, but of new weights never less than `LEAST_SHARE` of them. What begins `warm`, as a
    converged probe, would rather have two folds of fewer epochs: twice the held-out items for one step of the
    ladder."""
    steps = sorted({e for e in (*EPOCHS, epochs) if e <= epochs}, reverse=True)
    halved = [e for e in steps if 2 * e >= epochs or e >= ENOUGH]
    for e in halved:
        yield Plan(e, folds)
    fewer = steps[len(halved) :]
    for f in rungs(folds)[1:]:
        if warm and f == 1:
            yield from (Plan(e, 2) for e in fewer)
        yield Plan(halved[-1], f)
    yield from (Plan(e, 1) for e in fewer if warm or e >= LEAST_SHARE * epochs)


def fitting(
    pace: Pace,
    left: float,
    *,
    epochs: int,
    folds: int,
    fixed: bool = False,
    reserve: float = 0.0,
    plans: Iterable[Plan] | None = None,
) -> Plan | float:
    """The best plan that fits into `left` seconds, or the seconds that the last and smallest one lacks.
    `plans` are to be tried instead of `options`.

    The model on all rows comes after the folds: it may use the `reserve` as well. With `fixed` the
    epochs are as given, and only the folds vary.
    """
    if fixed:
        plans = (Plan(epochs, f) for f in rungs(folds))
    elif plans is None:
        plans = options(epochs, folds)
    lacking = math.inf
    for plan in plans:
        alone = pace.seconds(plan.epochs, plan.folds) - left
        lacking = max(alone, pace.seconds(plan.epochs, plan.folds + 1) - left - reserve)
        if lacking <= 0:
            return plan
    return lacking

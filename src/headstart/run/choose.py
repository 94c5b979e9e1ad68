"""Which arm to ship, and what that choice is worth when it is made anew in every fold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import partial

import numpy as np

from headstart import strategies
from headstart.core.strategy import Trial
from headstart.core.task import MULTILABEL, REGRESSION, Task, differ
from headstart.measure.intervals import units
from headstart.measure.paired import PairedGain
from headstart.run import board, plan
from headstart.run.bench import Bench
from headstart.run.gains import gain

BASELINES = {
    "scratch": "the same architecture from scratch",
    "pixels": "a simple model on raw pixels",
    "tfidf": "a simple model on words",
    "majority": "the majority class",
    "random-frozen": "the same architecture, random and frozen",
}
"""What transfer is compared with, in the order in which a sentence names them."""
ENOUGH = 30
"""Held-out items (or groups) on which an arm that trains the trunk must have shown that it is better."""
EXPECTED = ("contrastive",)
"""Arms that are known to be worth more than a frozen probe where labels are few (`plan.CONTRASTIVE`): a few
held-out items cannot show it, and need not (docs/measured.md, few labelled texts)."""
PRIOR_GAIN, PRIOR_SPREAD = 0.06, 0.07
"""What they gain in accuracy before anything was seen, and how much that differs between data sets: 0 to 0.2
on validation parts of four text sets, with 8 and with 64 labels a class."""
SURPRISE = 2.0
"""Standard deviations from what was to be expected at which that is not believed any more."""
ROUGH = 400
"""Resamples where only a standard error is asked for."""

PARTS = 5
"""Parts of whole groups that stand in for folds where an arm was only held out once."""

Chooser = Callable[..., str | None]
"""(names, trials, bench, *, enough=ENOUGH) -> the name of one of them, or None."""


def baselines(modality: str) -> tuple[str, ...]:
    """The baselines of one modality: there is one simple model on raw input for each."""
    known = plan.strategies_of(modality)
    return tuple(name for name in BASELINES if name in known)


def called(strategy: str, task: Task) -> str:
    """A baseline in words."""
    return (
        "the median"
        if strategy == "majority" and task.kind == REGRESSION
        else BASELINES.get(strategy, strategy)
    )


def heavy(trial: Trial) -> bool:
    """Whether the arm trains a trunk, or averages with one that does."""
    return trial.strategy == "stack" or strategies.get(trial.strategy).trains_trunk


def best(
    names: Iterable[str], trials: Mapping[str, Trial], bench: Bench, *, enough: float = ENOUGH
) -> str | None:
    """The arm to prefer among some; None when none of them has a score.

    The first of `ranked`, except that an arm that trains the trunk must beat whatever arm that does not is
    best on the same items by more than one standard error of their paired difference, on `enough` items or
    all of them: simpler is safer when equal, and a single small fold is luck. One that is `EXPECTED` to be
    better is preferred while it is still `likely` to be.
    """
    order = ranked(trials, names, bench)
    if order and not _telling([trials[name] for name in order], bench):
        return min(order, key=lambda name: _untold(trials[name]))
    simple = [name for name in order if not heavy(trials[name])]
    for name in order:
        if not heavy(trials[name]):
            continue
        there = {other: board.common(trials[other], trials[name])[0] for other in simple}
        rivals = ranked(there, simple, bench)
        found = gain(trials[name], trials[rivals[0]], bench, count=ROUGH) if rivals else None
        if not simple or (found is not None and convincing(found, bench, enough)):
            return name
        if found is not None and expected(trials[name], bench) and likely(found):
            return name
    return simple[0] if simple else None


def ranked(trials: Mapping[str, Trial], names: Iterable[str], bench: Bench) -> list[str]:
    """Arms that have a score, best first; of equals, the arm that ran first.

    Arms that were held out from other items than each other are ranked on those that they have in common: one
    that was cut off after a few easy items stands behind those that do better on them.
    """
    known = {name: cells for name in names if (cells := board.evaluated(trials[name])).any()}
    own = {name: _scored(trials[name], bench) for name in known}
    order: list[str] = []
    for name in sorted(known, key=lambda name: -int(known[name].sum())):

        def beats(other: str, name: str = name) -> bool:
            if not np.array_equal(known[name], known[other]):
                pair = board.common(trials[name], trials[other])
                if board.evaluated(pair[0]).any():
                    return _scored(pair[0], bench) > _scored(pair[1], bench)
            return own[name] > own[other]

        order.insert(next((i for i, other in enumerate(order) if beats(other)), len(order)), name)
    return order


def _scored(trial: Trial, bench: Bench) -> float:
    value = board.signed_score(trial, bench.dataset, bench.task)
    return float("-inf") if value is None or np.isnan(value) else value


UNTOLD = ("probe", *plan.RAW.values())
"""What is preferred, in this order, where only items of one class were held out: on these the best score is
that of an arm that always says the same."""


def _untold(trial: Trial) -> int:
    return UNTOLD.index(trial.strategy) if trial.strategy in UNTOLD else len(UNTOLD)


def _telling(arms: Iterable[Trial], bench: Bench) -> bool:
    """Whether the items that some arm was held out from are not all of one class."""
    assert bench.dataset.y is not None
    held = np.any([board.evaluated(trial).any(axis=0) for trial in arms], axis=0)
    return differ(bench.dataset.y[held])


def convincing(found: PairedGain, bench: Bench, enough: float = ENOUGH) -> bool:
    """Whether a gain is more than one standard error, on enough items (or groups)."""
    units = len(np.unique(bench.split.groups[bench.split.development]))
    return found.n >= min(enough, units) and found.gain > _standard_error(found)


def _standard_error(found: PairedGain) -> float:
    return (found.high - found.low) / (2 * 1.96)


def likely(found: PairedGain) -> bool:
    """Whether what was known beforehand and what was seen, each weighted by how sure it is, make a gain.

    The mean of the posterior of a normal prior (`PRIOR_GAIN`, `PRIOR_SPREAD`) is above 0, and what was seen
    is no `SURPRISE`: with a standard error of 12 points unless the arm is worse by 18, with one of 5 by 3.
    """
    error = _standard_error(found)
    even = -PRIOR_GAIN * (error / PRIOR_SPREAD) ** 2
    odd = PRIOR_GAIN - SURPRISE * float(np.hypot(error, PRIOR_SPREAD))
    return found.gain > max(even, odd)


def expected(trial: Trial, bench: Bench) -> bool:
    """Whether an arm is better than frozen ones by what is known beforehand: see `EXPECTED`."""
    least, most = plan.CONTRASTIVE
    return trial.strategy in EXPECTED and bench.per_class is not None and least <= bench.per_class < most


def shipped(
    names: Iterable[str],
    trials: Mapping[str, Trial],
    bench: Bench,
    *,
    enough: float = ENOUGH,
    count: int = 5000,
) -> str | None:
    """The arm to ship: the best of all, scratch among them.

    The source's random twin, a control, only where it is better than that beyond the interval. Whatever was
    preferred for its simplicity makes way for a baseline that is better beyond the interval: what is shipped
    is never shown to be worse than doing without the source.
    """
    known = list(names)
    twins = [name for name in known if trials[name].strategy == "random-frozen"]
    chosen = best((name for name in known if name not in twins), trials, bench, enough=enough)
    if chosen is None:
        return best(twins, trials, bench, enough=enough)
    rivals = [name for name in known if trials[name].strategy in BASELINES and name != chosen]
    while True:
        worse = {
            name: found.gain
            for name in rivals
            if (found := gain(trials[chosen], trials[name], bench, count=count)) and found.high < 0
        }
        if not worse:
            return chosen
        chosen = min(worse, key=lambda name: worse[name])
        rivals = [name for name in worse if name != chosen]


def winner(trials: Mapping[str, Trial], bench: Bench) -> str | None:
    """The arm to ship among all; None when none has a score."""
    return shipped(trials, trials, bench)


def winner_again(arm: str, trials: Mapping[str, Trial], bench: Bench) -> Trial:
    """What the choice of `arm`, which ships, is worth, made anew in every fold.

    Where the metric must be computed anew on every resample, without the control and the last guard.
    """
    names: list[str] = [*trials]
    chooser: Chooser = partial(shipped, count=ROUGH)
    if bench.task.kind == MULTILABEL:
        names = [n for n, t in trials.items() if t.strategy != "random-frozen" or n == arm]
        chooser = best
    return nested(names, trials, bench, chooser, overall=arm) or trials[arm]


def nested(
    names: Iterable[str],
    trials: Mapping[str, Trial],
    bench: Bench,
    chooser: Chooser = best,
    *,
    overall: str | None = None,
) -> Trial | None:
    """The choice among arms as an arm of its own: in every fold, the arm chosen by all other rows predicts.

    The best of several scores is too good by the luck that made it the best; what the choice is worth shows
    on rows that had no part in it (Varma and Simon, BMC Bioinformatics 2006). It bears the name of the arm
    chosen by all rows (`overall`, where it is known), and covers the cells in which that has predictions.
    """
    known = list(names)
    overall = overall or chooser(known, trials, bench)
    scored = [n for n in known if board.evaluated(trials[n]).any()]
    if overall is None or len(scored) < 2:
        return None if overall is None else trials[overall]
    own = trials[overall]
    covered = board.evaluated(own)
    predictions = np.full_like(own.predictions, np.nan)
    for repeat, cells, hidden in held_out_parts(bench, covered):
        able = [n for n in scored if _has(trials[n], repeat, cells)]
        seen = {n: _without(trials[n], hidden) for n in able}
        # fewer items are seen than the choice was made by: it must not fail for their number
        enough = ENOUGH * board.evaluated(seen[overall]).any(axis=0).sum() / covered.any(axis=0).sum()
        chosen = chooser(able, seen, bench, enough=enough) or overall
        predictions[repeat, cells] = trials[chosen].predictions[repeat, cells]
    return replace(own, predictions=predictions)


def held_out_parts(bench: Bench, covered: np.ndarray) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """(repeat, rows with a prediction there, all rows to hide while they are looked at).

    The folds of `covered` bool `[R, N]`; where a single fold is, `PARTS` parts of it, groups together.
    """
    folds = [
        (fold.repeat, fold.test[covered[fold.repeat, fold.test]], fold.test)
        for fold in bench.split.folds
        if fold.repeat < len(covered)
    ]
    folds = [entry for entry in folds if len(entry[1])]
    if len(folds) != 1:
        return folds
    repeat, rows, _ = folds[0]
    unit, n = units(len(rows), bench.split.groups[rows])
    part = np.random.default_rng(bench.seed).permutation(n)[unit] % min(PARTS, n)
    return [(repeat, rows[part == k], rows[part == k]) for k in range(min(PARTS, n))]


def _has(trial: Trial, repeat: int, rows: np.ndarray) -> bool:
    known = board.evaluated(trial)
    return repeat < len(known) and bool(known[repeat, rows].all())


def _without(trial: Trial, rows: np.ndarray) -> Trial:
    """The trial as if these rows had never been predicted, in any repeat."""
    predictions = trial.predictions.copy()
    predictions[:, rows] = np.nan
    return replace(trial, predictions=predictions)

"""Which arm to ship, and what that choice is worth when it is repeated in every fold."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial

import numpy as np

from headstart import strategies, tasks
from headstart.core.experiment import Experiment
from headstart.core.facts import Role
from headstart.core.metric import named
from headstart.core.predictions import both
from headstart.core.strategy import Trial, common
from headstart.core.task import Task
from headstart.evidence import leaderboard
from headstart.evidence.leaderboard import gain
from headstart.measure.paired import PairedGain
from headstart.measure.partition import held_out_parts

COMPARED: tuple[Role, ...] = ("scratch", "simple", "floor", "random")
"""Roles of what transfer is compared with, in the order in which a sentence names them."""
ENOUGH = 30
"""Held-out items (or groups) on which an arm that trains the trunk must have shown that it is better."""
SURPRISE = 2.0
"""Standard deviations from what was to be expected at which that is not believed any more."""
ROUGH = 400
"""Resamples where only a standard error is asked for."""

ERRORS, FEW = 0.3, 4
"""Of the items, those that are wrong with the labels alone, and labels a class, for which it is known what
learning from items without a label gains (`benchmarks/unlabelled.py`, other draws)."""

Prior = tuple[float, float]
"""Mean and standard deviation of a gain before it was seen."""
Chooser = Callable[..., str | None]
"""(names, trials, experiment, *, enough=ENOUGH) -> the name of one of them, or None."""


def baselines(experiment: Experiment) -> tuple[str, ...]:
    """The baselines of a kind of data: there is one simple model on raw input for each. Those that are not
    made for the kind of task are among them: the verdict says that they were not run."""
    modality, form = experiment.dataset.modality, tasks.for_task(experiment.task).form
    return tuple(
        one.name
        for role in COMPARED
        for one in strategies.every(role)
        if one.knows(modality) or one.knows(modality, form=form)
    )


def called(strategy: str, task: Task) -> str:
    """A baseline in words."""
    constant = strategy in strategies.STRATEGIES and strategies.facts(strategy).role == "floor"
    return tasks.for_task(task).constant_name if constant else strategies.called(strategy)


def guarded(trial: Trial) -> bool:
    """Whether the arm must show that it is better than what takes less: it trains a trunk, or learns from
    items without a label."""
    return heavy(trial) or strategies.facts(trial.strategy).unlabelled


def heavy(trial: Trial) -> bool:
    """Whether the arm trains a trunk, or averages with one that does."""
    return strategies.facts(trial.strategy).trains


def best(
    names: Iterable[str], trials: Mapping[str, Trial], experiment: Experiment, *, enough: float = ENOUGH
) -> str | None:
    """The arm to prefer among some; None when none of them has a score.

    The first of `ranked`, except that an arm that is `guarded` must beat whatever arm that is not is
    preferred (`_frozen`) on the same items by more than one standard error of their paired difference, on
    `enough` items or all of them: simpler is safer when equal, and a single small fold is luck. One that is
    `expected` to be better is preferred while it is still `likely` to be. Of those that learn from items
    without a label only the one that most is to be hoped of is considered (`_hopeful`).
    """
    order = ranked(trials, names, experiment)
    if order and not _telling([trials[name] for name in order], experiment):
        return min(order, key=lambda name: _untold(trials[name]))
    simple = [name for name in order if not guarded(trials[name])]

    def over(name: str) -> tuple[PairedGain, Prior] | None:
        there = {other: common(trials[other], trials[name])[0] for other in simple}
        rival = _frozen(ranked(there, simple, experiment), there, experiment, enough)
        found = None if rival is None else gain(trials[name], trials[rival], experiment, count=ROUGH)
        if rival is None or found is None:
            return None
        return found, hoped(trials[name], there[rival], experiment)

    for name in _hopeful([name for name in order if guarded(trials[name])], trials, over):
        found = over(name)
        if not simple or (found is not None and convincing(found[0], experiment, enough)):
            return name
        if found is not None and expected(trials[name], experiment) and likely(*found):
            return name
    return _frozen(simple, trials, experiment, enough)


def _hopeful(
    names: Sequence[str],
    trials: Mapping[str, Trial],
    over: Callable[[str], tuple[PairedGain, Prior] | None],
) -> list[str]:
    """The arms, of those that learn from items without a label the one alone whose gain `over` what does not,
    by what was known beforehand and what was seen, is the largest: the best of several scores on few labels
    is luck."""
    both = [name for name in names if strategies.facts(trials[name].strategy).unlabelled]
    hopes = {name: posterior(found[0], trials[name]) for name in both if (found := over(name)) is not None}
    first = max(hopes, key=lambda name: hopes[name], default=None)
    return [name for name in names if name not in hopes or name == first]


def _frozen(
    order: Sequence[str], trials: Mapping[str, Trial], experiment: Experiment, enough: float
) -> str | None:
    """Of arms that train no trunk, best first, the one to prefer; None of none.

    One with a source makes way for a baseline that is better by more than one standard error, not for one
    that merely stands before it: on few items that is luck as often as not.
    """
    ours = next((name for name in order if role(trials[name]) not in ("simple", "floor")), None)
    if ours is None:
        return next(iter(order), None)
    for name in order[: order.index(ours)]:
        found = gain(trials[name], trials[ours], experiment, count=ROUGH)
        if found is not None and convincing(found, experiment, enough):
            return name
    return ours


def ranked(trials: Mapping[str, Trial], names: Iterable[str], experiment: Experiment) -> list[str]:
    """Arms that have a score, best first; of equals, the arm that ran first.

    Arms that were held out from other items than each other are ranked on those that they have in common: one
    that was cut off after a few easy items stands behind those that do better on them.
    """
    known = {name: cells for name in names if (cells := trials[name].covered).any()}
    own = {name: _scored(trials[name], experiment) for name in known}
    order: list[str] = []
    for name in sorted(known, key=lambda name: -int(known[name].sum())):

        def beats(other: str, name: str = name) -> bool:
            if not np.array_equal(known[name], known[other]):
                pair = common(trials[name], trials[other])
                if pair[0].covered.any():
                    return _scored(pair[0], experiment) > _scored(pair[1], experiment)
            return own[name] > own[other]

        order.insert(next((i for i, other in enumerate(order) if beats(other)), len(order)), name)
    return order


def rows(trials: Mapping[str, Trial], experiment: Experiment, shipped: str) -> list[leaderboard.Row]:
    """The rows of the leaderboard: scored arms first, best on top (`ranked`), with their gain.

    One that was held out from none of the first one's items has no place.
    """
    against = leaderboard.reference(trials)
    found = []
    for trial in trials.values():
        row = leaderboard.row(trial, experiment)
        if row.score is not None and against is not None and trial.arm != against.arm:
            gained = gain(trial, against, experiment)
            if gained is not None:
                row = replace(row, gain=gained.gain, gain_low=gained.low, gain_high=gained.high)
        found.append(replace(row, shipped=trial.arm == shipped))
    order = ranked(trials, trials, experiment)
    scored = sorted((r for r in found if r.score is not None), key=lambda r: order.index(r.arm))
    alike = [r for r in scored if both(trials[r.arm].predictions, trials[order[0]].predictions).any()]
    numbered = [replace(r, place=place) for place, r in enumerate(alike, start=1)]
    return [*numbered, *(r for r in scored if r not in alike), *(r for r in found if r.score is None)]


def _scored(trial: Trial, experiment: Experiment) -> float:
    value = leaderboard.signed_score(trial, experiment)
    return float("-inf") if value is None or np.isnan(value) else value


def _untold(trial: Trial) -> int:
    """What is preferred where only items of one class were held out: there the best score is that of an arm
    which always says the same."""
    one = strategies.facts(trial.strategy)
    return 0 if one.ranks else 1 if one.role == "simple" else 2


def _telling(arms: Iterable[Trial], experiment: Experiment) -> bool:
    """Whether the items that some arm was held out from are not all of one class."""
    held = np.any([trial.covered.any(axis=0) for trial in arms], axis=0)
    return tasks.for_task(experiment.task).differ(experiment.targets[held])


def convincing(found: PairedGain, experiment: Experiment, enough: float = ENOUGH) -> bool:
    """Whether a gain is more than one standard error, on enough items (or groups)."""
    units = len(np.unique(experiment.split.groups[experiment.split.development]))
    return found.n >= min(enough, units) and found.gain > found.error


def hoped(trial: Trial, rival: Trial, experiment: Experiment) -> Prior:
    """What an arm gains over another before its score was seen, and how much that differs (`Facts.prior`).

    What learns from items without a label can mend only the errors that are left, and has ever less to add
    to more labels: its gain is known of `FEW` labels a class and `ERRORS` of the items, and is less than in
    proportion with less of the one, or more of the other. What it can spoil is not: the spread stays.
    """
    one = strategies.facts(trial.strategy)
    mean, spread = one.prior or (0.0, np.inf)
    each, score = per_class(experiment), leaderboard.signed_score(rival, experiment)
    if not one.unlabelled or each is None or score is None:
        return mean, spread
    left = max(0.0, named(experiment.task.metric).range[1] - score)
    return mean * min(1.0, left / ERRORS) * min(1.0, FEW / each), spread


def posterior(found: PairedGain, trial: Trial) -> float:
    """By what arms are told apart that learn from items without a label: what was known beforehand of each
    (`Facts.prior`) and what was seen, each weighted by how sure it is. Which of them is the better one does
    not hang on how much there is to gain."""
    mean, spread = strategies.facts(trial.strategy).prior or (0.0, np.inf)
    weights = 1 / spread**2, 1 / max(found.error, 1e-9) ** 2
    return float(np.average([mean, found.gain], weights=weights))


def likely(found: PairedGain, prior: Prior) -> bool:
    """Whether what was known beforehand and what was seen, each weighted by how sure it is, make a gain.

    The mean of the posterior of a normal prior (`hoped`) is above 0, and what was seen is no `SURPRISE`: of
    `contrastive` with a standard error of 12 points unless it is worse by 18, with one of 5 by 3.
    """
    mean, spread = prior
    error = found.error
    even = -mean * (error / spread) ** 2
    odd = mean - SURPRISE * float(np.hypot(error, spread))
    return found.gain > max(even, odd)


def expected(trial: Trial, experiment: Experiment) -> bool:
    """Whether an arm is better than simpler ones by what is known beforehand, which is known in points."""
    one = strategies.facts(trial.strategy)
    least, most = one.expert or (0, np.inf)
    each = per_class(experiment)
    known = one.prior is not None and named(experiment.task.metric).percent
    return known and each is not None and least <= each < most


def per_class(experiment: Experiment) -> float | None:
    """Labels a class to learn from, on average; None where there are no classes, one an item."""
    if not tasks.for_task(experiment.task).exclusive:
        return None
    return len(experiment.split.development) / experiment.task.outputs


def role(trial: Trial) -> str:
    """That of an arm's strategy."""
    return strategies.facts(trial.strategy).role


def shipped(
    names: Iterable[str],
    trials: Mapping[str, Trial],
    experiment: Experiment,
    *,
    enough: float = ENOUGH,
    count: int = 5000,
) -> str | None:
    """The arm to ship: the best of all, scratch among them.

    The source's random twin, a control, only where it is better than that beyond the interval. Whatever was
    preferred for its simplicity makes way for a baseline that is better beyond the interval: what is shipped
    is never shown to be worse than doing without the source. Where it cannot be told from the other member
    of an average that it is in, the average ships (`_hedged`).
    """
    known = list(names)
    twins = [name for name in known if role(trials[name]) == "random"]
    chosen = best((name for name in known if name not in twins), trials, experiment, enough=enough)
    if chosen is None:
        return best(twins, trials, experiment, enough=enough)
    rivals = [name for name in known if role(trials[name]) in COMPARED and name != chosen]
    while True:
        worse = {
            name: found.gain
            for name in rivals
            if (found := gain(trials[chosen], trials[name], experiment, count=count)) and found.high < 0
        }
        if not worse:
            return _hedged(chosen, known, trials, experiment, count)
        chosen = min(worse, key=lambda name: worse[name])
        rivals = [name for name in worse if name != chosen]


def _hedged(
    chosen: str, names: Sequence[str], trials: Mapping[str, Trial], experiment: Experiment, count: int
) -> str:
    """The average of what was chosen and an arm not told from it, unless it is worse by more than one
    standard error; what was chosen where there is none.

    With few items either of the two may be the worse one by much, and which is luck; their average seldom is.
    """
    for name in names:
        members = [other for other in trials[name].choices.get("members", ()) if other in trials]
        others = [other for other in members if other != chosen]
        if not others or len(others) == len(members):
            continue
        mean = gain(trials[name], trials[chosen], experiment, count=count)
        apart = (gain(trials[chosen], trials[other], experiment, count=count) for other in others)
        if mean is not None and mean.gain > -mean.error and not any(g and g.low > 0 for g in apart):
            return name
    return chosen


def winner(trials: Mapping[str, Trial], experiment: Experiment) -> str | None:
    """The arm to ship among all; None when none has a score."""
    return shipped(trials, trials, experiment)


def winner_again(arm: str, trials: Mapping[str, Trial], experiment: Experiment) -> Trial:
    """What the choice of `arm`, which ships, is worth, repeated in every fold.

    Where the metric must be recomputed on every resample, without the control and the last guard.
    """
    names: list[str] = [*trials]
    chooser: Chooser = partial(shipped, count=ROUGH)
    nothing = trials[arm].predictions.take(0, slice(0))
    if tasks.score_of(experiment.task).per_item(experiment.targets[:0], nothing) is None:
        names = [n for n, t in trials.items() if role(t) != "random" or n == arm]
        chooser = best
    return nested(names, trials, experiment, chooser, overall=arm) or trials[arm]


def nested(
    names: Iterable[str],
    trials: Mapping[str, Trial],
    experiment: Experiment,
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
    overall = overall or chooser(known, trials, experiment)
    scored = [n for n in known if trials[n].covered.any()]
    if overall is None or len(scored) < 2:
        return None if overall is None else trials[overall]
    own = trials[overall]
    covered = own.covered
    taken: dict[str, np.ndarray] = {}
    for repeat, cells, hidden in held_out_parts(experiment.split, covered, seed=experiment.seed):
        known_there = {n: trials[n].covered[repeat : repeat + 1, cells] for n in scored}
        able = [n for n, there in known_there.items() if len(there) and there.all()]
        seen = {n: _without(trials[n], hidden) for n in able}
        # fewer items are seen than the choice was made by: it must not fail for their number
        enough = ENOUGH * seen[overall].covered.any(axis=0).sum() / covered.any(axis=0).sum()
        chosen = chooser(able, seen, experiment, enough=enough) or overall
        taken.setdefault(chosen, np.zeros_like(covered))[repeat, cells] = True
    parts = [(trials[name].predictions, cells) for name, cells in taken.items()]
    return replace(own, predictions=own.predictions.of_parts(parts))


def _without(trial: Trial, rows: np.ndarray) -> Trial:
    """The trial as if these rows had never been predicted, in any repeat."""
    cells = np.zeros_like(trial.covered)
    cells[:, rows] = True
    return replace(trial, predictions=trial.predictions.hide(cells))

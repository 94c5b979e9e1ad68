"""What next, once arms have run: those that were cut off go on while there is time. A pure function.

A verdict that rests on one fold of eight items is little worth while half of the time is left. Folds are
added in whole rungs (1, 2, 3, 5 of five; whole repeats of a simple model), so that the clock seldom has a say
in how many there are. They come first to the arms on which the verdict hangs, even before arms that were not
begun where a baseline with few folds is all that keeps it open; then to those that score best. What is
clearly worse than an arm that trains nothing gets no more.
"""

from __future__ import annotations

from dataclasses import replace

from headstart.core import words
from headstart.core.evidence import DOUBTS
from headstart.planning import policy
from headstart.planning.seen import Known, Outcome, Step
from headstart.strategies import facts

OPEN = 0.5
"""Share of the time left that a rung of what alone keeps the verdict open may take before new arms begin."""
CHEAP = 0.1
"""Share of the time left that the rest of a baseline may take to be finished before anything dear begins."""


def next_step(known: Known) -> Step | None:
    """The arm to run, or to go on with, now; None when the plan is at its end or the time is."""
    if known.reached:
        return policy.next_step(known)
    return (
        _more(known, [a for a, o in known.outcomes.items() if _baseline(o)], CHEAP * known.left)
        or _more(known, list(known.open), OPEN * known.left)
        or policy.next_step(known)
        or _heat(known)
        or _more(known, [arm for arm in known.hangs if arm in known.outcomes], known.spare)
        or (_more(known, _undecided(known), _left(known)) if known.doubt else None)
        or (_repeat(known) if known.doubt else None)
    )


def _repeat(known: Known) -> Step | None:
    """One more repeat of what alone keeps the verdict open, held out as often as what it is compared with."""
    own = {arm: replace(known.outcomes[arm], rungs=known.outcomes[arm].again[:1]) for arm in known.open}
    return _more(replace(known, outcomes={**known.outcomes, **own}), list(own), _left(known))


def _undecided(known: Known) -> list[str]:
    """Arms of which more folds can change something: the verdict, or what ships."""
    return [arm for arm, outcome in known.outcomes.items() if arm in known.hangs or not outcome.behind]


def _heat(known: Known) -> Step | None:
    """The next part of the first fold of an arm that races: of those with the smallest part the best."""
    racing = [(o.heat, arm, o) for arm, o in known.outcomes.items() if o.heat is not None and not o.behind]
    for heat, arm, outcome in sorted(racing, key=lambda one: (one[0].part, -one[0].score)):
        takes = policy.MARGIN * outcome.fold * ((heat.next or 1.0) - heat.part)
        if takes <= known.spare:
            seconds, folds = max(known.spare, known.left), 0 if heat.next else 1
            reason = f"it can still win after {heat.trained}"
            return Step(
                arm,
                outcome.strategy,
                outcome.source,
                seconds,
                takes / policy.MARGIN,
                reason,
                folds=folds,
                part=heat.next,
            )
    return None


def _left(known: Known) -> float:
    """Seconds for more folds. What training on all rows takes of arms that will not ship is not kept back."""
    return known.spare if known.doubt in DOUBTS else max(known.spare, known.settled)


def _baseline(outcome: Outcome) -> bool:
    return facts(outcome.strategy).role in ("floor", "simple")


def _more(known: Known, arms: list[str], seconds: float) -> Step | None:
    """The next rung of the first of these arms that has one that fits into the seconds.

    Baselines come first, then the arms on which the verdict hangs, then those that score best; of equals the
    one with fewer folds, for arms are compared on the folds that they have in common.
    """

    def order(arm: str) -> tuple[bool, bool, float, float]:
        outcome = known.outcomes[arm]
        if arm in known.hangs:
            return not _baseline(outcome), False, outcome.folds, known.hangs.index(arm)
        score = outcome.score if outcome.score is not None else float("-inf")
        return not _baseline(outcome), True, 0, -score

    for arm in sorted(arms, key=order):
        outcome = known.outcomes[arm]
        fitting = [rung for rung in outcome.rungs if _takes(outcome, rung) <= seconds]
        if fitting:
            # what trains goes on rung by rung, for another arm may need the time more
            rung = fitting[0] if outcome.trains else fitting[-1]
            hangs = arm in known.hangs or arm in known.open
            why = "the verdict hangs on it" if hangs else _why(known, outcome)
            added = words.count(rung - outcome.folds, "more fold")
            reason = f"time is left, and {why}: {added}, {rung} of {max(outcome.rungs)}"
            given, takes = max(seconds, known.left), _takes(outcome, rung)
            expected = takes / policy.MARGIN
            return Step(arm, outcome.strategy, outcome.source, given, expected, reason, folds=rung)
    return None


def _why(known: Known, outcome: Outcome) -> str:
    frozen = [o.score for o in known.outcomes.values() if not o.trains and o.score is not None]
    ahead = outcome.trains and outcome.score is not None and frozen and outcome.score > max(frozen)
    return "it scores higher than what trains nothing" if ahead else "it was cut off"


def _takes(outcome: Outcome, rung: int) -> float:
    """Seconds until it has so many folds."""
    return policy.MARGIN * (outcome.begin + outcome.fold * (rung - outcome.folds))

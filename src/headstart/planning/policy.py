"""What next? A pure function of what is known: no clock, no disk, no model.

The order of things: baselines that cost nothing; one pass and a probe for every source; then, for the best
of them, the two controls (it random and frozen, and from scratch) and deeper training. Controls come before
deeper training: without them nothing can be proved (few labelled texts are the exception: contrastive
fine-tuning goes before training from scratch). Where transfer then hurts, or is not shown to help, come
the answers to that, from the one that takes nothing of the last layers to the one that leans on it in part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import chain

from headstart.core.budget import words
from headstart.core.evidence import DOUBTS
from headstart.core.facts import Facts
from headstart.core.strategy import arm_name
from headstart.core.words import few
from headstart.planning.seen import BEST, FAST, Candidate, Known, Outcome, Skipped, Step, race
from headstart.strategies import every, facts

FURTHER = "finetune"
"""Of the arms that train further the one that every kind of data has: another source is tried with it."""
MANY = 2_000
"""Labelled items from which training from scratch comes first again, though there be few a class."""
CHEAP = ("floor", "simple", "random")
"""Roles of what is compared with first: a verdict without training from scratch says that it lacks that."""
LEAST = 3.0
"""Seconds under which no arm with a trunk is started, and that what is run in any case gets at the least."""
KEPT_FOR_PROOF = 0.25
"""Share of the time left that a further source's probe must leave for training from scratch: one more
source without it would be a better model that nothing is known about."""
READ_SHARE = 0.5
"""Of the time left, what a probe may take that trains in each fold: the others must have their turn."""
MARGIN = 1.1
"""What an arm that is tried once more may need beyond what it said."""
AT_LEAST = 0.6
"""Part of the time that an arm through all layers needs which another such arm needs at the least: without
gradients of the weights a step takes two thirds."""
NAMED = 12
"""Arms that a sentence names at most."""
CONTROL_SHARE = 0.2
"""A random-frozen control is dropped rather than take more than this share of what is left."""


def best_source(known: Known) -> Candidate | None:
    """The source of which a reader scored best, the earlier one on a tie. Without scores, the first."""
    scored = [
        (outcome.score, -index, candidate)
        for index, candidate in enumerate(known.sources)
        for one in every("transfer")
        if one.reads
        and (outcome := known.outcomes.get(arm_name(one.name, candidate.name)))
        and outcome.score is not None
    ]
    if scored:
        return max(scored, key=lambda entry: entry[:2])[2]
    return known.sources[0] if known.sources else None


Arm = tuple[Facts, Candidate | None, str]
"""(strategy, source, why it is tried)."""


def agenda(known: Known) -> list[Arm]:
    """All arms in order with the reason for each."""
    arms: list[Arm] = [(one, None, one.reason) for one in every("floor", "simple")]
    readers = sorted((one for one in every("transfer") if one.reads), key=lambda one: not one.ranks)
    for source in known.sources:
        arms += [(one, source, one.reason) for one in readers if source.classifies or not one.classifies]
    best = best_source(known)
    if best is not None:
        first, further = (found := deeper(known))[:1], found[1:]
        random, scratch = every("random"), every("scratch")
        second = (first, scratch) if expert_first(known) else (scratch, first)
        order = (random, [one for one in every("transfer") if one.unlabelled], *second)
        writer = best_source(replace(known, sources=tuple(c for c in known.sources if c.writes))) or best
        for one in (*chain(*order), *further):
            own = writer if one.needs_writer(known.form) else best
            arms += [(one, own, one.reason.format(source=own.name))]
        arms += answers(known, best)
    return [arm for arm in arms if possible(known, *arm[:2])]


def possible(known: Known, one: Facts, source: Candidate | None = None) -> bool:
    """Whether a strategy belongs to this run, with that source."""
    able = one.knows(known.modality, form=known.form)
    if able and one.needs_writer(known.form):
        able = any(c.writes for c in (known.sources if source is None else (source,)))
    if not able or (one.unlabelled and not known.unlabelled):
        return False
    if known.allowed is not None or known.quality == BEST:
        return known.allowed is None or one.name in known.allowed
    return not (one.trains if known.quality == FAST else known.modality in one.by_hand)


def expert_first(known: Known) -> bool:
    """Whether the `expert` for few labels comes even before training from scratch, which cannot use few."""
    return any(one.expert and _few(known, one) and possible(known, one) for one in every("transfer")) and (
        known.labelled < MANY
    )


def _few(known: Known, one: Facts) -> bool:
    """Whether there are as many labels a class as an expert is for."""
    least, most = one.expert or (0, 0)
    return one.knows(known.modality) and known.per_class is not None and least <= known.per_class < most


def deeper(known: Known) -> list[Facts]:
    """The strategies that train the network further, most promising first."""
    found = [one for one in every("transfer") if not (one.reads or one.unlabelled)]
    found = [one for one in found if one.knows(known.modality, form=known.form)]
    experts = [one.expert for one in found if one.expert is not None]
    column = 0
    if any(_few(known, one) for one in found):
        column = 1
    elif known.per_class is not None and any(known.per_class >= most for _, most in experts):
        column = 2
    return sorted(found, key=lambda one: one.turn[column])


def answers(known: Known, best: Candidate) -> list[Arm]:
    """What to try when the verdict so far is in doubt: all of it when transfer hurts, else what is cheap."""
    if known.doubt not in DOUBTS:
        return []
    so_far = DOUBTS[known.doubt]
    hurts = known.doubt == "hurts"
    found: list[Arm] = [
        (one, best, f"{so_far}: {one.reason}") for one in every("fallback") if hurts or not one.trains
    ]
    last: list[Arm] = [(one, None, f"{so_far}: {one.reason}") for one in every("ensemble")]
    others = [c for c in known.sources if c != best and _score(known, c) is not None]
    second = max(others, key=lambda c: _score(known, c) or 0.0, default=None) if hurts else None
    if second is None:
        return [*found, *last]
    reason = f"{so_far}: {second.name} has the next best probe"
    controls = every("scratch")
    scores = [known.outcomes.get(arm_name(one.name, second.name)) for one in controls if possible(known, one)]
    found += [(one, second, reason) for one in controls]
    if all(outcome is not None and outcome.score is not None for outcome in scores):
        found.append((facts(FURTHER), second, reason))  # it would hide the verdict otherwise
    return [*found, *last]


def _score(known: Known, source: Candidate) -> float | None:
    for one in every("transfer"):
        if one.ranks and (outcome := known.outcomes.get(arm_name(one.name, source.name))):
            return outcome.score
    return None


def next_step(known: Known) -> Step | None:
    """The arm to run now, or None when the plan is at its end."""
    for one, source, reason in agenda(known):
        name = source.name if source else None
        arm = arm_name(one.name, name)
        ran = known.outcomes.get(arm)
        # its share of the time was too small for it, but it fits into all that is left
        again = ran is not None and ran.needs is not None and MARGIN * ran.needs <= known.left
        if (ran is not None and not again) or _obstacle(known, one, source):
            continue
        few = one.share_of_few if expert_first(known) else None
        share = READ_SHARE if known.form and one.ranks else one.share if few is None else few
        seconds = max(0.0, known.left) * (1.0 if again else share)
        if _due(known, one):
            seconds = max(seconds, LEAST)
        answer = bool(known.doubt) and reason.startswith(tuple(DOUBTS.values()))
        estimate = estimate_of(known, one, source)
        # what was named is run in any case
        races = one.races and known.allowed is None and (estimate or 0.0) >= race.FROM
        part = race.PARTS[0] if races else 0.0
        return Step(arm, one.name, name, seconds, estimate, reason, answer, part=part)
    return None


def opened(known: Known) -> bool:
    """Whether a first verdict can be given: a source is measured, and no baseline, reader of a source or
    random control comes next."""
    if not any(facts(o.strategy).ranks and o.score is not None for o in known.outcomes.values()):
        return False
    step = next_step(known)
    return step is None or not (facts(step.strategy).reads or facts(step.strategy).role in CHEAP)


def skipped(known: Known) -> list[Skipped]:
    """The arms that the plan leaves out at this point for want of time."""
    out = []
    for one, source, _ in agenda(known):
        arm = arm_name(one.name, source.name if source else None)
        if arm not in known.outcomes and (obstacle := _obstacle(known, one, source)):
            out.append(Skipped(arm, one.name, obstacle, estimate_of(known, one, source)))
    return out


def untried(left_out: Sequence[Skipped]) -> str:
    """The arms left out, in a sentence that gives each reason once; empty for none."""
    by_reason: dict[str, list[str]] = {}
    for arm in left_out:
        by_reason.setdefault(arm.reason, []).append(arm.arm)
    told = "; ".join(f"{few(arms, NAMED)} ({reason})" for reason, arms in by_reason.items())
    return f"Not tried: {told}." if told else ""


def estimate_of(known: Known, one: Facts, source: Candidate | None) -> float | None:
    """Seconds that an arm is expected to take now: a pass that was made is not made again. None where nothing
    is known."""
    found = known.estimates.get(arm_name(one.name, source.name if source else None))
    if found is None or source is None or not one.reads or one.own_pass or source.name not in known.read:
        return found
    return max(0.0, found - known.passes.get(source.name, 0.0))


def _due(known: Known, one: Facts) -> bool:
    """Whether an arm is run in any case: a run ends with the baselines and one source measured at least."""
    ranked = any(facts(o.strategy).ranks and o.score is not None for o in known.outcomes.values())
    return one.role in ("floor", "simple") or (one.ranks and not ranked)


def _obstacle(known: Known, one: Facts, source: Candidate | None) -> str:
    """Why an arm cannot be started now; empty when it can."""
    left_out = source.left_out if source is not None and one.reads else ""
    if left_out or _due(known, one):
        return left_out
    estimate = estimate_of(known, one, source) or 0.0
    reached = known.reached if one.role != "random" else ""  # which is run for the verdict
    if reached or known.left < LEAST:
        return reached or "no time left"
    took = f"would take about {words(estimate)} of the {words(known.left)} left"
    if one.transfers and not one.trains and estimate > known.left:
        return took
    second_way = source is not None and source.second_way
    proof = any(possible(known, control) for control in every("scratch"))
    kept = KEPT_FOR_PROOF if proof and not second_way else 0.0
    if one.reads and estimate > (1 - kept) * known.left:
        return f"{took}, and leave no time to compare with training from scratch"
    # what a control would take time from
    others = {other.name for other in (*every("scratch"), facts(FURTHER)) if possible(known, other)}
    had_theirs = others <= {outcome.strategy for outcome in known.outcomes.values()}
    if one.role == "random" and estimate > (1.0 if had_theirs else CONTROL_SHARE) * known.left:
        return f"{took}, too much for a control"
    return _too_slow(known, one, source) if one.all_layers else ""


def _too_slow(known: Known, one: Facts, source: Candidate | None) -> str:
    """That another arm has shown how long training all layers takes, if that is too long: no time is spent on
    measuring it once more. Empty when it is not."""
    name = source.name if source is not None else None
    needed = [
        (outcome.needs, outcome.strategy)
        for outcome in known.outcomes.values()
        if outcome.needs is not None
        and outcome.source == name
        and facts(outcome.strategy).all_layers
        and outcome.strategy != one.name
    ]
    most, other = max(needed, default=(0.0, ""))
    if AT_LEAST * most <= known.left:
        return ""
    return f"trains all layers, as {other} does, which would have taken about {words(most)}"


def outline(known: Known) -> tuple[list[Step], list[Skipped]]:
    """The whole plan as it looks now, assuming every estimate comes true.

    Sources not probed yet are taken to score in the order given.
    """
    steps: list[Step] = []
    while (step := next_step(known)) is not None:
        steps.append(step)
        took = min(step.seconds, step.estimate if step.estimate is not None else 0.0)
        ranks = facts(step.strategy).ranks
        outcome = Outcome(step.strategy, step.source, -float(len(steps)) if ranks else None)
        made = {step.source} if ranks and step.source is not None else set()
        outcomes = {**known.outcomes, step.arm: outcome}
        known = replace(known, left=known.left - took, outcomes=outcomes, read=known.read | made)
    return steps, skipped(known)

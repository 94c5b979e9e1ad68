"""Arm against arm on the same held-out items: which to ship, and what may be said about transfer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from headstart import strategies, tasks
from headstart.core import words
from headstart.core.evidence import Comparison, Evidence, Outcome, Verdict
from headstart.core.strategy import Trial
from headstart.measure.paired import PairedGain, holm, paired_gain, too_few
from headstart.run import board
from headstart.run.bench import Bench

TRANSFER = ("direct", "probe", "finetune", "full")
"""Strategies that use what a source has learnt."""
BASELINES = {
    "scratch": "the same architecture from scratch",
    "pixels": "a simple model on raw pixels",
    "majority": "the majority class",
    "random-frozen": "the same architecture, random and frozen",
}
"""What transfer is compared with, in the order in which a sentence names them."""
ENOUGH = 30
"""Held-out items on which an arm that trains the trunk must have shown that it is better."""
NEEDED = ("scratch", "pixels", "majority")
"""Without these no claim is made that transfer helps. The random and frozen network only counts where it was
run: it is dropped first when time is short."""


def gain(ours: Trial, theirs: Trial, bench: Bench) -> PairedGain | None:
    """The paired gain of one arm over another; None when no item was held out from both."""
    assert bench.dataset.y is not None
    if not (board.evaluated(ours)[:1] & board.evaluated(theirs)[:1]).any():
        return None
    return paired_gain(
        bench.dataset.y,
        ours.predictions,
        theirs.predictions,
        scoring=tasks.for_task(bench.task),
        folds=bench.split.folds,
        groups=bench.split.groups,
        seed=bench.seed,
    )


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


def best(names: Iterable[str], trials: Mapping[str, Trial], bench: Bench) -> str | None:
    """The arm to prefer among some; None when none of them has a score.

    The best-scoring one, except that an arm that trains the trunk must beat the best arm that does
    not by more than one standard error of their paired difference, on `ENOUGH` items or all of them:
    simpler is safer when equal, and a single small fold is luck.
    """
    scored = {
        name: score
        for name in names
        if (score := board.signed_score(trials[name], bench.dataset, bench.task)) is not None
    }
    order = sorted(scored, key=lambda name: -scored[name])  # stable: of equals, the arm that ran first
    heavy = [name for name in order if strategies.get(trials[name].strategy).trains_trunk]
    simple = next((name for name in order if name not in heavy), None)
    for name in heavy:
        found = None if simple is None else gain(trials[name], trials[simple], bench)
        if simple is None or (found is not None and convincing(found, bench)):
            return name
    return simple


def convincing(found: PairedGain, bench: Bench) -> bool:
    """Whether a gain is more than one standard error, on enough items."""
    enough = found.items >= min(ENOUGH, len(bench.split.development))
    return enough and found.gain > (found.high - found.low) / (2 * 1.96)


def winner(trials: Mapping[str, Trial], bench: Bench) -> str | None:
    """The arm to ship: the best of all, scratch among them. The source's random twin, a control, is shipped
    only where it is better than that beyond the interval."""
    chosen = best((n for n, t in trials.items() if t.strategy != "random-frozen"), trials, bench)
    twin = best((n for n, t in trials.items() if t.strategy == "random-frozen"), trials, bench)
    if twin is None or chosen is None:
        return chosen or twin
    found = gain(trials[twin], trials[chosen], bench)
    return twin if found is not None and found.low > 0 else chosen


def verdict(trials: Mapping[str, Trial], bench: Bench) -> Verdict:
    """What the evidence says about transfer, in the four outcomes of `Verdict`."""
    arm = best((n for n, t in trials.items() if t.strategy in TRANSFER), trials, bench)
    if arm is None:
        return Verdict("not compared", "Not compared: no arm with a source could be measured.")
    rivals = {strategy: _rivals(strategy, trials[arm], trials) for strategy in BASELINES}
    found: dict[str, tuple[Trial, PairedGain]] = {}
    for strategy, names in rivals.items():
        rival = best(names, trials, bench)
        result = None if rival is None else gain(trials[arm], trials[rival], bench)
        if rival is not None and result is not None:
            found[strategy] = (trials[rival], result)
    missing = tuple(
        _missing(strategy, [trials[name] for name in names])
        for strategy, names in rivals.items()
        if strategy not in found
    )
    outcome = judge({name: result for name, (_, result) in found.items()})
    return Verdict(
        outcome,
        _sentence(outcome, trials[arm], found, bench),
        arm,
        adjusted(compared(trials[arm], rival, result, bench) for rival, result in found.values()),
        missing,
        notes=_notes(outcome, found, missing, bench.task.metric),
    )


def judge(gains: Mapping[str, PairedGain]) -> Outcome:
    """The outcome from the paired gains over each baseline that was run, by strategy."""
    if any(g.high < 0 and not too_few(g.n, g.gain) for g in gains.values()):
        return "hurts"
    if any(name not in gains for name in NEEDED):
        return "not compared"
    if all(g.low > 0 and not too_few(g.n, g.gain) for g in gains.values()):
        return "helps"
    return "no evidence"


def adjusted(comparisons: Iterable[Comparison]) -> tuple[Comparison, ...]:
    """The same with p-values adjusted for their number (Holm)."""
    given = list(comparisons)
    tested = [number for number, c in enumerate(given) if c.p_value is not None]
    for number, p in zip(tested, holm([given[n].p_value or 0.0 for n in tested]), strict=True):
        given[number] = replace(given[number], p_value=p)
    return tuple(given)


def _rivals(strategy: str, arm: Trial, trials: Mapping[str, Trial]) -> list[str]:
    """Arms of a baseline: those that have a source count only for its own architecture."""
    return [name for name, t in trials.items() if t.strategy == strategy and t.source in (None, arm.source)]


def _missing(strategy: str, rivals: Sequence[Trial]) -> str:
    """Why a baseline is absent."""
    reasons = [t.reason for t in rivals if t.reason]
    return f"Not compared with {BASELINES[strategy]}: {reasons[0] if reasons else 'it was not run'}."


def _sentence(
    outcome: Outcome, arm: Trial, found: Mapping[str, tuple[Trial, PairedGain]], bench: Bench
) -> str:
    """The verdict's one sentence, beginning with one of the four phrases."""
    start = {
        "helps": "Transfer helps",
        "hurts": "Transfer hurts",
        "no evidence": "No evidence that transfer helps",
        "not compared": "Not compared",
    }[outcome]
    if not found:
        metric = bench.task.metric
        ours = f"{words.value(metric, board.score(arm, bench.dataset, bench.task))} {metric} with {arm.arm}"
        return f"{start}: {ours}, and no baseline could be run on the same items."
    if outcome == "not compared":
        without = " and ".join(BASELINES[name] for name in NEEDED if name not in found)
        start = f"{start} with {without}"
    name = _decisive(outcome, found)
    return f"{start}: {_against(arm, name, *found[name], bench)}"


def _decisive(outcome: Outcome, found: Mapping[str, tuple[Trial, PairedGain]]) -> str:
    """The baseline on which the outcome hangs: the one that transfer is least sure to beat."""
    return min(found, key=lambda n: found[n][1].low if outcome != "hurts" else found[n][1].high)


def _against(arm: Trial, name: str, rival: Trial, result: PairedGain, bench: Bench) -> str:
    """Both scores on the items that both arms were held out from, and the gain."""
    metric = bench.task.metric
    ours, theirs = (
        words.value(metric, board.score(t, bench.dataset, bench.task)) for t in board.common(arm, rival)
    )
    interval = words.gain_interval(metric, result.low, result.high)
    return (
        f"{ours} {metric} with {arm.arm} against {theirs} for {BASELINES[name]}: "
        f"{words.gain(metric, result.gain)} {interval}, n = {result.items:,}."
    )


def _notes(
    outcome: Outcome, found: Mapping[str, tuple[Trial, PairedGain]], missing: tuple[str, ...], metric: str
) -> tuple[str, ...]:
    """What must be read with the sentence."""
    notes = [text for text in missing if "random" not in text]
    if outcome == "no evidence" and found:
        rival = found[_decisive(outcome, found)][1]
        text = (
            f"The smallest gain that {rival.n:,} held-out items could have shown there is about "
            f"{words.gain(metric, rival.smallest_visible).lstrip('+')}"
        )
        notes.append(text + (": label more to know more." if rival.n < 1000 else "."))
    control = found.get("random-frozen")
    if control is not None and control[1].low <= 0:
        notes.append(
            "The same architecture with random weights cannot be told from it on these items: "
            "what the source has learnt is not shown to matter."
        )
    return tuple(notes)

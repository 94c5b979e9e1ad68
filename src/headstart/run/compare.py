"""Arm against arm on the same held-out items: which to ship, and what may be said about transfer."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from headstart import strategies, tasks
from headstart.core import words
from headstart.core.evidence import Comparison, Evidence, Outcome, Verdict
from headstart.core.strategy import Trial
from headstart.measure.paired import PairedGain, paired_gain, too_few
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
"""Without these no claim is made that transfer helps."""


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
    heavy = {name for name in scored if strategies.get(trials[name].strategy).trains_trunk}
    light = [name for name in scored if name not in heavy]
    chosen = max(light, key=lambda name: scored[name], default=None)
    for name in sorted(heavy, key=lambda name: scored[name]):
        found = None if chosen is None else gain(trials[name], trials[chosen], bench)
        if chosen is None or (found is not None and convincing(found, bench)):
            chosen = name
    return chosen


def convincing(found: PairedGain, bench: Bench) -> bool:
    """Whether a gain is more than one standard error, on enough items."""
    enough = found.items >= min(ENOUGH, len(bench.split.development))
    return enough and found.gain > (found.high - found.low) / (2 * 1.96)


def winner(trials: Mapping[str, Trial], bench: Bench) -> str | None:
    """The arm to ship: the best of all. Scratch is shipped when it is better; its random twin never."""
    return best((n for n, t in trials.items() if t.strategy != "random-frozen"), trials, bench)


def verdict(trials: Mapping[str, Trial], bench: Bench) -> Verdict:
    """What the evidence says about transfer, in the four outcomes of `Verdict`."""
    arm = best((n for n, t in trials.items() if t.strategy in TRANSFER), trials, bench)
    if arm is None:
        return Verdict("not compared", "Not compared: no arm with a source could be measured.")
    found: dict[str, tuple[Trial, PairedGain]] = {}
    for strategy in BASELINES:
        rivals = [n for n, t in trials.items() if t.strategy == strategy]
        rival = best(rivals, trials, bench)
        result = None if rival is None else gain(trials[arm], trials[rival], bench)
        if rival is not None and result is not None:
            found[strategy] = (trials[rival], result)
    missing = tuple(_missing(strategy, trials) for strategy in BASELINES if strategy not in found)
    outcome = judge({name: result for name, (_, result) in found.items()})
    sentence = _sentence(outcome, trials[arm], found, bench)
    comparisons = tuple(compared(trials[arm], rival, result, bench) for rival, result in found.values())
    return Verdict(
        outcome, sentence, arm, comparisons, missing, notes=_notes(outcome, found, missing, bench.task.metric)
    )


def judge(gains: Mapping[str, PairedGain]) -> Outcome:
    """The outcome from the paired gains over each baseline that was run, by strategy."""
    counted = {name: g for name, g in gains.items() if name in NEEDED}
    if any(g.high < 0 and not too_few(g.n, g.gain) for g in counted.values()):
        return "hurts"
    if any(name not in counted for name in NEEDED):
        return "not compared"
    if all(g.low > 0 and not too_few(g.n, g.gain) for g in counted.values()):
        return "helps"
    return "no evidence"


def _missing(strategy: str, trials: Mapping[str, Trial]) -> str:
    """Why a baseline is absent."""
    reasons = [t.reason for t in trials.values() if t.strategy == strategy and t.reason]
    return f"Not compared with {BASELINES[strategy]}: {reasons[0] if reasons else 'it was not run'}."


def _sentence(
    outcome: Outcome, arm: Trial, found: Mapping[str, tuple[Trial, PairedGain]], bench: Bench
) -> str:
    """The verdict's one sentence, beginning with one of the four phrases."""
    metric = bench.task.metric
    start = {
        "helps": "Transfer helps",
        "hurts": "Transfer hurts",
        "no evidence": "No evidence that transfer helps",
        "not compared": "Not compared",
    }[outcome]
    score = board.score(arm, bench.dataset, bench.task)
    ours = f"{words.value(metric, score)} {metric} with {arm.arm}"
    decisive = {name: pair for name, pair in found.items() if name in NEEDED}
    if not decisive:
        return f"{start}: {ours}, and no baseline could be run on the same items."
    if outcome == "not compared":
        without = " and ".join(BASELINES[name] for name in NEEDED if name not in decisive)
        start = f"{start} with {without}"
    name = min(decisive, key=lambda n: decisive[n][1].low if outcome != "hurts" else decisive[n][1].high)
    rival, result = decisive[name]
    theirs = words.value(metric, board.score(rival, bench.dataset, bench.task))
    interval = words.gain_interval(metric, result.low, result.high)
    return (
        f"{start}: {ours} against {theirs} for {BASELINES[name]}: "
        f"{words.gain(metric, result.gain)} {interval}, n = {result.items:,}."
    )


def _notes(
    outcome: Outcome, found: Mapping[str, tuple[Trial, PairedGain]], missing: tuple[str, ...], metric: str
) -> tuple[str, ...]:
    """What must be read with the sentence."""
    notes = [text for text in missing if "random" not in text]
    counted = [g for name, (_, g) in found.items() if name in NEEDED]
    if outcome == "no evidence" and counted:
        few = min(g.n for g in counted)
        visible = max(g.smallest_visible for g in counted)
        text = (
            f"The smallest gain that {few:,} held-out items could have shown is about "
            f"{words.gain(metric, visible).lstrip('+')}"
        )
        notes.append(text + (": label more to know more." if few < 1000 else "."))
    control = found.get("random-frozen")
    if control is not None and control[1].low <= 0:
        notes.append(
            "The same architecture with random weights cannot be told from it on these items: "
            "what the source has learnt is not shown to matter."
        )
    return tuple(notes)

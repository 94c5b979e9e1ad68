"""The verdict: what may be said about transfer, against every baseline on the same held-out items."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from headstart import strategies
from headstart.core import words
from headstart.core.evidence import Outcome, Verdict
from headstart.core.experiment import Experiment
from headstart.core.facts import Role
from headstart.core.metric import named
from headstart.core.strategy import Trial, common
from headstart.data.checks.findings.held_out import Coverage
from headstart.evidence import leaderboard
from headstart.evidence.leaderboard import compared, gain
from headstart.evidence.selection import baselines, best, called, expected, guarded, nested
from headstart.measure.paired import ENOUGH_UNITS, FEWEST_UNITS, PairedGain, adjusted

NEEDED: tuple[Role, ...] = ("scratch", "simple", "floor")
"""Roles: without one of each of these no claim is made that transfer helps. The random and frozen network
only counts where it was run: it is dropped first when time is short."""


NOT_RUN = "it was not run"
TOO_LITTLE = "too few items were held out from both"
UNTOLD = (
    "An arm that always says the same would look best on these items: which arm ships was not decided by the "
    "scores."
)


def verdict_of(trials: Mapping[str, Trial], experiment: Experiment) -> Verdict:
    """What the evidence says about transfer, in the four outcomes of `Verdict`.

    It is about the best arm that uses a source, its choice among them repeated in every fold.
    """
    ours = nested([n for n, t in trials.items() if transfers(t)], trials, experiment)
    if ours is None:
        return Verdict("not compared", "Not compared: no arm with a source could be measured.")
    covered = Coverage.of(experiment.dataset, experiment.split)
    if not covered.differ:
        sentence = f"Not compared: {covered.sentence[0].lower()}{covered.sentence[1:]}"
        return Verdict("not compared", sentence, ours.arm, notes=(UNTOLD,))
    rivals = _rivals(ours, trials, experiment)
    found = _gains(ours, rivals, trials, experiment)
    missing = tuple(
        _missing(called(strategy, experiment.task), [trials[name] for name in names])
        for strategy, names in rivals.items()
        if strategy not in found
    )
    outcome = judge({name: result for name, (_, result) in found.items()})
    return Verdict(
        outcome,
        _sentence(outcome, ours, found, experiment),
        ours.arm,
        tuple(adjusted(compared(ours, rival, result, experiment) for rival, result in found.values())),
        missing,
        notes=(
            *filter(None, [covered.sentence]),
            *_notes(outcome, found, missing, experiment),
            *filter(None, [_luck(ours, trials, experiment), _prior(ours, trials, experiment), _cut(trials)]),
        ),
    )


def _rivals(ours: Trial, trials: Mapping[str, Trial], experiment: Experiment) -> dict[str, list[str]]:
    """The arms of each baseline, of what is trained the untouched source among them; of those that have a
    source only those of the arm's own architecture."""
    rivals = {
        strategy: [n for n, t in trials.items() if t.strategy == strategy and t.source in (None, ours.source)]
        for strategy in baselines(experiment)
    }
    if not strategies.facts(ours.strategy).untouched:
        for one in strategies.every("transfer"):
            names = [n for n, t in trials.items() if t.strategy == one.name and t.source == ours.source]
            rivals |= {one.name: names} if one.untouched and names else {}
    return rivals


def _gains(
    ours: Trial, rivals: Mapping[str, list[str]], trials: Mapping[str, Trial], experiment: Experiment
) -> dict[str, tuple[Trial, PairedGain]]:
    """The best arm of each baseline that has one, with the gain over it."""
    found: dict[str, tuple[Trial, PairedGain]] = {}
    for strategy, names in rivals.items():
        rival = best(names, trials, experiment)
        result = None if rival is None else gain(ours, trials[rival], experiment)
        if rival is not None and result is not None:
            found[strategy] = (trials[rival], result)
    return found


def hangs_on(trials: Mapping[str, Trial], experiment: Experiment) -> list[str]:
    """The arms that transfer is not shown to beat, where nothing else keeps the verdict from saying that it
    helps; none where it says something, or a baseline was not run."""
    ours = nested([n for n, t in trials.items() if transfers(t)], trials, experiment)
    if ours is None:
        return []
    found = _gains(ours, _rivals(ours, trials, experiment), trials, experiment)
    if judge({name: result for name, (_, result) in found.items()}) != "no evidence":
        return []
    return [rival.arm for rival, result in found.values() if result.low <= 0 or result.too_few]


def transfers(trial: Trial) -> bool:
    """Whether an arm uses what a source has learnt, by itself."""
    return strategies.facts(trial.strategy).transfers


def judge(gains: Mapping[str, PairedGain]) -> Outcome:
    """The outcome from the paired gains over each baseline that was run, by strategy."""
    if any(g.high < 0 and not g.too_few for g in gains.values()):
        return "hurts"
    if any(not any(one.name in gains for one in strategies.every(role)) for role in NEEDED):
        return "not compared"
    if all(g.low > 0 and not g.too_few for g in gains.values()):
        return "helps"
    return "no evidence"


def _missing(baseline: str, rivals: Sequence[Trial]) -> str:
    """Why a baseline is absent."""
    told = [t for t in rivals if t.reason or t.status == "done"]
    reasons = [TOO_LITTLE if t.status == "done" else t.reason for t in told]
    return f"Not compared with {baseline}: {reasons[0] if reasons else NOT_RUN}."


def _sentence(
    outcome: Outcome, arm: Trial, found: Mapping[str, tuple[Trial, PairedGain]], experiment: Experiment
) -> str:
    """The verdict's one sentence, beginning with one of the four phrases."""
    start = {
        "helps": "Transfer helps",
        "hurts": "Transfer hurts",
        "no evidence": "No evidence that transfer helps",
        "not compared": "Not compared",
    }[outcome]
    if not found:
        metric = experiment.task.metric
        ours = f"{words.value(metric, leaderboard.score(arm, experiment))} {metric} with {arm.arm}"
        return f"{start}: {ours}, and no baseline could be run on the same items."
    if outcome == "not compared":
        there = baselines(experiment)
        needed = [one.name for one in strategies.every(*NEEDED) if one.name in there]
        without = " and ".join(called(name, experiment.task) for name in needed if name not in found)
        start = f"{start} with {without}"
    name = _decisive(outcome, found)
    return f"{start}: {_against(arm, name, *found[name], experiment)}"


def _decisive(outcome: Outcome, found: Mapping[str, tuple[Trial, PairedGain]]) -> str:
    """The baseline on which the outcome hangs: the one that transfer is least sure to beat."""
    gains = {name: gained for name, (_, gained) in found.items()}
    if outcome == "hurts":
        return min(gains, key=lambda name: gains[name].high)
    return min(gains, key=lambda name: (gains[name].low > 0 and not gains[name].too_few, gains[name].low))


def _against(arm: Trial, name: str, rival: Trial, result: PairedGain, experiment: Experiment) -> str:
    """Both scores on the items that both arms were held out from, and the gain."""
    metric = experiment.task.metric
    ours, theirs = (words.value(metric, leaderboard.score(t, experiment)) for t in common(arm, rival))
    interval = words.gain_interval(metric, result.low, result.high)
    error = "" if experiment.task.higher_is_better else " (a positive gain is a smaller error)"
    whole = words.value(metric, leaderboard.score(arm, experiment))
    both = "" if whole == ours else f" held out from both ({whole} on all that {arm.arm} was held out from)"
    groups = f" in {words.count(result.n, 'group')}" if _grouped(result) else ""
    return (
        f"{ours} {metric} with {arm.arm} against {theirs} for {called(name, experiment.task)}: "
        f"{words.gain(metric, result.gain)} {interval}, n = {result.items:,}{groups}{both}{error}."
    )


def _grouped(gain: PairedGain) -> bool:
    """Whether groups are worth a word: a pair of near-duplicates among hundreds of items is not."""
    return gain.n < 0.9 * gain.items


def _luck(ours: Trial, trials: Mapping[str, Trial], experiment: Experiment) -> str:
    """What the arm scored by itself, where choosing it among others made a difference; else empty."""
    metric = experiment.task.metric
    again, alone = (words.value(metric, leaderboard.score(t, experiment)) for t in (ours, trials[ours.arm]))
    if again == alone:
        return ""
    return (
        f"{ours.arm} was chosen among several arms with a source. By itself it has {alone} {metric} on all "
        f"held-out items; with the choice repeated in every fold, as the comparison counts it, {again}: the "
        "difference is the luck of being best."
    )


def _prior(ours: Trial, trials: Mapping[str, Trial], experiment: Experiment) -> str:
    """That an arm was preferred by what is known beforehand, where a frozen one scores higher; else empty."""
    arm = trials[ours.arm]
    if not expected(arm, experiment):
        return ""
    frozen = best([n for n, t in trials.items() if transfers(t) and not guarded(t)], trials, experiment)
    if frozen is None:
        return ""
    metric = experiment.task.metric
    pair = common(arm, trials[frozen])
    own, other = (leaderboard.signed_score(t, experiment) for t in pair)
    if own is None or other is None or own >= other:
        return ""
    mine, theirs = (words.value(metric, leaderboard.score(t, experiment)) for t in pair)
    return (
        f"{arm.arm} has {mine} {metric} where {frozen} has {theirs}, on so few labels. It was preferred "
        f"because {strategies.facts(arm.strategy).known_for}, not because these"
        " items show it: they are too few to outweigh that."
    )


def _cut(trials: Mapping[str, Trial]) -> str:
    """Which arms were trained for less than was aimed at, for want of time; empty for none."""
    cut = [
        f"{name} at {trial.choices[unit]:,} of {trial.choices['aimed']:,} {unit}"
        for name, trial in trials.items()
        if trial.choices.get("aimed") and trial.covered.any()
        for unit in ("epochs" if "epochs" in trial.choices else "steps",)
    ]
    if not cut:
        return ""
    return f"The budget cut training short: {words.few(cut)}. With more time these may score otherwise."


def _notes(
    outcome: Outcome,
    found: Mapping[str, tuple[Trial, PairedGain]],
    missing: tuple[str, ...],
    experiment: Experiment,
) -> tuple[str, ...]:
    """What must be read with the sentence."""
    said = outcome == "not compared"  # by the sentence itself: only a reason adds to it
    notes = [text for text in missing if "random" not in text and not (said and NOT_RUN in text)]
    if outcome == "no evidence" and found:
        against, rival = found[_decisive(outcome, found)]
        notes.append(_unseen(against, rival, experiment))
    control = next((found[one.name] for one in strategies.every("random") if one.name in found), None)
    if control is not None and control[1].high < 0:
        notes.append(
            "The same architecture with random weights does better: what the source has learnt harms."
        )
    elif control is not None and control[1].low <= 0:
        notes.append(
            "The same architecture with random weights cannot be told from it on these items: "
            "what the source has learnt is not shown to matter."
        )
    return tuple(notes)


def _unseen(against: Trial, gain: PairedGain, experiment: Experiment) -> str:
    """Why a gain is not claimed: so few units, or how much they could have shown."""
    metric = experiment.task.metric
    n, units = (gain.n, "groups") if _grouped(gain) else (gain.items, "items")
    if gain.low > 0 and gain.n < FEWEST_UNITS:
        return (
            f"Its interval rests on {n:,} {units}, and fewer than {FEWEST_UNITS} prove nothing: "
            f"label more {units} to know more."
        )
    if gain.low > 0:
        least = words.gain(metric, gain.obvious).lstrip("+")
        return (
            f"From fewer than {ENOUGH_UNITS} {units} (here {n:,}) no gain under {least} is claimed: "
            "label more to know more."
        )
    score = leaderboard.score(against, experiment) or 0.0
    room = not named(metric).percent or score + gain.smallest_visible < 1
    text = (
        f"The smallest gain that {n:,} held-out {units} could have shown there is about "
        f"{words.gain(metric, gain.smallest_visible).lstrip('+')}"
    )
    return text + (": label more to know more." if room and gain.n < 1000 else ".")

"""What items without a label brought, beside what their labelled fellows say by themselves."""

from __future__ import annotations

from collections.abc import Mapping

from headstart import strategies
from headstart.core import words
from headstart.core.experiment import Experiment
from headstart.core.strategy import Trial, common
from headstart.evidence import leaderboard
from headstart.evidence.selection import best, guarded, heavy, nested


def brought(trials: Mapping[str, Trial], experiment: Experiment) -> str:
    """One sentence: the arm that learns from both, its choice among such arms repeated in every fold,
    against the best frozen arm and the best that trains, which know the labels alone; or why there is none.
    Empty where no such arm was tried."""
    both = {name: t for name, t in trials.items() if strategies.facts(t.strategy).unlabelled}
    ours = nested(both, trials, experiment)
    if ours is None:
        why = next((t.reason for t in both.values() if t.reason), "")
        return f"Items without a label were not used: {why}." if why else ""
    alone = {name: t for name, t in trials.items() if strategies.facts(t.strategy).transfers}
    frozen = best([name for name, t in alone.items() if not guarded(t)], trials, experiment)
    trained = best([name for name, t in alone.items() if heavy(t)], trials, experiment)
    told = [_against(ours, trials[name], experiment) for name in (frozen, trained) if name is not None]
    said = "; ".join(text for text in told if text)
    if trained is None:
        said += "; fine-tuning with the labels alone was not run"
    return f"With the items without a label, {said.removeprefix('; ')}."


def _against(ours: Trial, rival: Trial, experiment: Experiment) -> str:
    """Both scores on the items that both were held out from, and the gain; empty where there are none."""
    found = leaderboard.gain(ours, rival, experiment)
    if found is None:
        return ""
    metric = experiment.task.metric
    mine, theirs = (words.value(metric, leaderboard.score(t, experiment)) for t in common(ours, rival))
    interval = words.gain_interval(metric, found.low, found.high)
    return (
        f"{ours.arm} has {mine} {metric} against {theirs} with the labels alone ({rival.arm}): "
        f"{words.gain(metric, found.gain)} {interval}, n = {found.items:,}"
    )

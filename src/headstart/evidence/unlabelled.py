"""What items without a label brought, beside what their labelled fellows say by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
    ours, frozen, trained = _three(trials, experiment)
    if ours is None:
        why = _refused(trials)
        return f"Items without a label were not used: {why}." if why else ""
    told = [_against(ours, trials[name], experiment) for name in (frozen, trained) if name is not None]
    said = "; ".join(text for text in told if text)
    if trained is None:
        said += "; fine-tuning with the labels alone was not run"
    return f"With the items without a label, {said.removeprefix('; ')}."


def panel(trials: Mapping[str, Trial], experiment: Experiment) -> list[dict[str, Any]]:
    """The three that belong beside one another, always: the best frozen arm and the best that trains, by the
    labels alone, and the best by items without a label, too, its choice repeated in every fold. Each has
    `what`, `arm`, `score`, `low`, `high` and `n`; without a score `reason` says why. Empty where there was
    nothing to learn from beside labels."""
    ours, frozen, trained = _three(trials, experiment)
    if ours is None and not _refused(trials):
        return []
    found = {
        "labels alone, frozen": None if frozen is None else trials[frozen],
        "labels alone, fine-tuned": None if trained is None else trials[trained],
        "with items without a label": ours,
    }
    out = []
    for what, trial in found.items():
        row = None if trial is None else leaderboard.row(trial, experiment)
        reason = "" if row else _refused(trials) if what.startswith("with") else "it was not run"
        numbers = {name: getattr(row, name, None) for name in ("arm", "score", "low", "high", "n")}
        out.append({"what": what, **numbers, "reason": reason})
    return out


def _three(
    trials: Mapping[str, Trial], experiment: Experiment
) -> tuple[Trial | None, str | None, str | None]:
    """The choice among arms that learn from both as an arm of its own, and the names of the best frozen arm
    and the best that trains."""
    ours = nested(_both(trials), trials, experiment)
    alone = {name: t for name, t in trials.items() if strategies.facts(t.strategy).transfers}
    frozen = best([name for name, t in alone.items() if not guarded(t)], trials, experiment)
    trained = best([name for name, t in alone.items() if heavy(t)], trials, experiment)
    return ours, frozen, trained


def _both(trials: Mapping[str, Trial]) -> dict[str, Trial]:
    return {name: t for name, t in trials.items() if strategies.facts(t.strategy).unlabelled}


def _refused(trials: Mapping[str, Trial]) -> str:
    return next((t.reason for t in _both(trials).values() if t.reason), "")


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

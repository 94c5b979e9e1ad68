"""What was tried because transfer hurt, or was not shown to help, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart import strategies
from headstart.core import words
from headstart.core.evidence import DOUBTS
from headstart.core.experiment import Experiment
from headstart.core.strategy import Trial, common
from headstart.evidence import leaderboard
from headstart.evidence.leaderboard import gain
from headstart.evidence.selection import winner


def response(trials: Mapping[str, Trial], experiment: Experiment) -> list[dict[str, Any]]:
    """Each answer that was tried: {"step", "arm", "because", "text"}; empty when none was needed.

    Its gain is over the arm that would have been shipped without any of them.
    """
    answers = [t for t in trials.values() if "answers" in t.choices and t.covered.any()]
    answers.sort(key=_order)
    before = winner({n: t for n, t in trials.items() if "answers" not in t.choices}, experiment)
    if not answers or before is None:
        return []
    return [
        {
            "step": strategies.facts(t.strategy).step,
            "arm": t.arm,
            "because": t.choices["answers"],
            "text": _came_of(t, trials[before], experiment),
        }
        for t in answers
    ]


def _order(trial: Trial) -> tuple[int, int]:
    """Fallbacks first, another source then, the average last."""
    one = strategies.facts(trial.strategy)
    known = [other.name for other in strategies.every()]
    return (0 if one.role == "fallback" else 2 if one.role == "ensemble" else 1), known.index(one.name)


def _came_of(answer: Trial, before: Trial, experiment: Experiment) -> str:
    metric, found = experiment.task.metric, gain(answer, before, experiment)
    if found is None:
        return f"{answer.status}: {answer.reason}"
    judged = "better" if found.low > 0 else "worse" if found.high < 0 else "no evidence of a difference"
    own, theirs = (leaderboard.score(t, experiment) for t in common(answer, before))
    return (
        f"{words.value(metric, own)} against {words.value(metric, theirs)} with {before.arm}: "
        f"{words.gain_estimate(metric, found.gain, found.low, found.high)}, {judged}"
    )


def note(tried: list[dict[str, Any]], shipped: str) -> str:
    """The same in one sentence to stand under the verdict; empty when nothing was tried."""
    if not tried:
        return ""
    arms = [entry["arm"] for entry in tried]
    steps = "; ".join(f"{entry['step']} ({entry['text']})" for entry in tried)
    hurt = any(entry["because"].startswith(DOUBTS["hurts"]) for entry in tried)
    because = "it hurt" if hurt else "it was not shown to help"
    end = f"and {shipped} is shipped" if shipped in arms else f"but {shipped} is shipped without them"
    return f"Because {because}, these were tried, {end}: {steps}."

"""How an arm does on each domain when it was held out, and whether a model holds on a domain not seen."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import words
from headstart.core.experiment import Experiment
from headstart.core.metric import named
from headstart.core.strategy import Trial
from headstart.evidence import leaderboard

MARGIN = 0.05
"""Of a metric that is a fraction: a drop smaller than this counts as none."""
UNTOLD = "Whether the model holds on a domain not seen is not told"
TRANSFER = "domain generalisation: no item of the domain was seen, not even without its label"


def held_out(shipped: Trial, experiment: Experiment) -> list[dict[str, Any]]:
    """One entry a domain, in the order of the folds: its score when the arm had not seen it, with interval.

    `score` is None where the arm has not run that fold; `classes` is how many of the classes are there, None
    where items have not one class each.
    """
    methods, out = tasks.for_task(experiment.task), []
    for name, fold in zip(experiment.split.domains, experiment.split.folds, strict=True):
        row = leaderboard.row(only(shipped, fold.test), experiment)
        y = experiment.targets[fold.test]
        classes = int(methods.occurring(y, experiment.task.outputs).sum()) if methods.exclusive else None
        found = {"score": row.score, "low": row.low, "high": row.high}
        out.append({"domain": name, "items": len(fold.test), "classes": classes, **found})
    return out


def only(trial: Trial, rows: np.ndarray) -> Trial:
    """The trial with the predictions of some rows (int64) alone."""
    hidden = np.ones_like(trial.covered)
    hidden[:, rows] = False
    return Trial(trial.arm, trial.strategy, trial.source, trial.predictions.hide(hidden))


def drops(unseen: Trial, seen: Trial, experiment: Experiment, ordinary: Experiment) -> list[dict[str, Any]]:
    """One entry a domain: the score of the same kind of model with the domain held out (`unseen`), and with
    other items of it to learn from (`seen`, over the folds of `ordinary`), and the gain of the first over the
    second on the same items, with its interval; None where only one class was held out."""
    out = []
    for fold in experiment.split.folds:
        pair = only(unseen, fold.test), only(seen, fold.test)
        found = leaderboard.gain(*pair, ordinary)
        scores = [leaderboard.score(one, experiment) for one in pair]
        told = dict.fromkeys(("gain", "gain_low", "gain_high"))
        if found is not None:
            told = {"gain": found.gain, "gain_low": found.low, "gain_high": found.high}
        out.append({"unseen": scores[0], "seen": scores[1], **told})
    return out


def outcome(rows: list[dict[str, Any]], metric: str) -> tuple[str, str]:
    """("holds", "does not hold" or "not told", the sentence that says it) of rows as `held_out` and `drops`
    make them."""
    known = [row for row in rows if row.get("gain") is not None]
    if not known:
        return "not told", f"{UNTOLD}: no drop could be measured."

    def told(row: dict[str, Any]) -> str:
        interval = words.gain_interval(metric, row["gain_low"], row["gain_high"])
        values = [words.value(metric, row[name]) for name in ("unseen", "seen")]
        return (
            f"on {row['domain']!r} the probe has {values[0]} {metric} when it is held out, and {values[1]} "
            f"when other items of it were learnt from: {words.gain(metric, row['gain'])} {interval}, "
            f"n = {row['items']:,}"
        )

    worst = min(known, key=lambda row: row["gain_high"])
    if worst["gain_high"] < 0:
        return "does not hold", f"The model does not hold on a domain not seen: {told(worst)}."
    least = min(known, key=lambda row: row["gain_low"])
    if named(metric).percent and least["gain_low"] > -MARGIN and len(known) == len(rows):
        text = f"The model holds on domains not seen, to {words.gain(metric, MARGIN).lstrip('+')}"
        return "holds", f"{text}: {told(least)}."
    return "not told", f"{UNTOLD} by so few items: {told(least)}."

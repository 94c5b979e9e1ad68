"""How each layer of the network of the shipped arm does by itself."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart import strategies, tasks
from headstart.core import words
from headstart.core.backbone import Backbone, Networks
from headstart.core.experiment import Experiment
from headstart.core.features import Tap
from headstart.core.strategy import Trial
from headstart.evidence import leaderboard
from headstart.measure.intervals import units, wilson
from headstart.strategies.probe import selection_rows


def probe_of(experiment: Experiment, trials: Mapping[str, Trial], shipped: Trial) -> Trial | None:
    """The probe that speaks for the run's networks: that of the shipped arm's source, else the best one."""
    probes = [t for t in trials.values() if strategies.facts(t.strategy).ranks and "profile" in t.choices]
    own = [trial for trial in probes if trial.source == shipped.source]
    scored = {trial.arm: leaderboard.signed_score(trial, experiment) for trial in own or probes}
    return max(own or probes, key=lambda trial: scored[trial.arm] or -np.inf, default=None)


def depth(experiment: Experiment, networks: Networks, trial: Trial) -> dict[str, Any] | None:
    """The leave-one-out ridge profile of a probe, its taps in the network's order; None without one.

    Accuracy with its Wilson interval over items (or groups); where there is none, the skill 1 - squared
    error / variance, with 1.96 standard errors of the squared error.
    """
    profile, source = trial.choices.get("profile"), str(trial.source)
    if not profile:
        return None
    # of a trial that was read back: what is not finite has no word in JSON
    profile = {tap: {k: np.nan if v is None else v for k, v in of.items()} for tap, of in profile.items()}
    metric = "accuracy" if all("accuracy" in errors for errors in profile.values()) else "skill"
    rows = selection_rows(experiment.split, experiment.seed)
    _, n = units(len(rows), leaderboard.groups_of(rows, experiment.split.groups))
    chance, variance = tasks.for_task(experiment.task).chance(experiment.targets[rows])
    found = []
    for name, errors in profile.items():
        value, low, high = _accuracy(errors, n) if metric == "accuracy" else _skill(errors, variance)
        tap = Tap.parse(name)
        found.append(
            {
                "tap": name,
                "stage": tap.stage,
                "grid": tap.grid,
                "value": value,
                "low": low,
                "high": high,
                "chosen": name in trial.choices["taps"],
            }
        )
    return {
        "source": source,
        "metric": metric,
        "chance": chance if metric == "accuracy" else 0.0,
        "rows": found,
        "sentence": _depth_sentence(found, metric, networks.backbone(source), source),
    }


def _accuracy(errors: Mapping[str, float], n: int) -> tuple[float, float, float]:
    interval = wilson(errors["accuracy"] * n, n)
    return errors["accuracy"], interval.low, interval.high


def _skill(errors: Mapping[str, float], variance: float) -> tuple[float, float | None, float | None]:
    if not variance:
        return 0.0, None, None
    value = 1 - errors["mse"] / variance
    if "mse_error" not in errors:  # a trial of an older Headstart
        return value, None, None
    half = 1.96 * errors["mse_error"] / variance
    return value, value - half, value + half


def _depth_sentence(found: list[dict[str, Any]], metric: str, backbone: Backbone, source: str) -> str:
    """Where in the network the best single layer lies, and how its own embedding (the last layer, where it is
    not among them) compares."""
    best = max(found, key=lambda row: row["value"])
    own = next((row for row in found if row["tap"] == str(backbone.embedding)), None)

    def said(row: Mapping[str, Any]) -> str:
        return words.value("accuracy", row["value"]) if metric == "accuracy" else f"{row['value']:.2f}"

    text = f"Of single layers of {source}, {best['tap']} does best: {said(best)} {metric}, leave-one-out"
    if own is best:
        return f"{text}: its own embedding."
    if own is not None:
        return f"{text}, against {said(own)} of its own embedding."
    last = found[-1]
    return text + (f", against {said(last)} at the end of the network." if best is not last else ".")

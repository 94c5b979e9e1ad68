"""The table of domains: each held out, and what not having seen it costs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headstart.core.experiment import Experiment
from headstart.core.predictions import Dense
from headstart.core.split import Fold, Split
from headstart.core.strategy import Trial
from headstart.evidence import domains
from made.simulated import experiment


def by_domain(n: int, parts: int) -> tuple[Experiment, Experiment]:
    """The same items with a domain in each of `parts` folds, and over ordinary folds."""
    ordinary = experiment(n=n, repeats=1)
    places = np.array_split(ordinary.split.development, parts)
    folds = tuple(Fold(0, np.setdiff1d(ordinary.split.development, rows), rows) for rows in places)
    names = tuple(f"d{number}" for number in range(parts))
    split = Split(
        ordinary.split.development, ordinary.split.test, folds, ordinary.split.groups, 0, "by domain", names
    )
    return replace(ordinary, split=split, gains={}), ordinary


def right(setting: Experiment, wrong: np.ndarray) -> Trial:
    """An arm that is wrong on these rows alone."""
    y = setting.targets[:].copy()
    y[wrong] = (y[wrong] + 1) % setting.task.outputs
    predictions = np.full((1, len(y), setting.task.outputs), 0.01, np.float32)
    predictions[0, np.arange(len(y)), y] = 1.0
    return Trial("net: probe", "probe", "net", Dense(predictions))


def test_a_domain_on_which_it_fails_is_named() -> None:
    setting, ordinary = by_domain(120, 3)
    of_one = setting.split.folds[1].test
    unseen, seen = right(setting, of_one[::2]), right(setting, np.zeros(0, np.int64))
    rows = domains.held_out(unseen, setting)
    assert [(row["domain"], row["items"], row["classes"]) for row in rows] == [
        (name, 40, setting.task.outputs) for name in ("d0", "d1", "d2")
    ]
    assert [row["score"] for row in rows] == [1.0, 0.5, 1.0]
    assert rows[1]["low"] < 0.5 < rows[1]["high"]
    costs = domains.drops(unseen, seen, setting, ordinary)
    assert [cost["gain"] for cost in costs] == [0.0, -0.5, 0.0]
    told, sentence = domains.outcome(
        [{**row, **cost} for row, cost in zip(rows, costs, strict=True)], "accuracy"
    )
    assert told == "does not hold"
    assert "does not hold on a domain not seen: on 'd1' the probe has 50.0 % accuracy" in sentence
    assert "100.0 % when other items of it were learnt from: -50.0 points [" in sentence


def test_it_holds_where_no_drop_of_the_margin_is_left() -> None:
    setting, ordinary = by_domain(900, 3)
    arm = right(setting, setting.split.development[::10])
    rows = domains.held_out(arm, setting)
    costs = domains.drops(arm, arm, setting, ordinary)
    both = [{**row, **cost} for row, cost in zip(rows, costs, strict=True)]
    told, sentence = domains.outcome(both, "accuracy")
    assert (told, sentence.partition(":")[0]) == (
        "holds",
        "The model holds on domains not seen, to 5.0 points",
    )
    both[2] |= dict.fromkeys(("gain", "gain_low", "gain_high"))  # only one class was there
    assert domains.outcome(both, "accuracy")[0] == "not told"
    assert domains.outcome(both, "mae")[0] == "not told", "what five points are is not known of every metric"


def test_few_items_tell_nothing() -> None:
    setting, ordinary = by_domain(18, 3)
    arm = right(setting, setting.split.development[::3])
    rows = [{**row, **cost} for row, cost in zip(
        domains.held_out(arm, setting), domains.drops(arm, arm, setting, ordinary), strict=True)]  # fmt: skip
    assert domains.outcome(rows, "accuracy") == ("not told", domains.outcome(rows, "accuracy")[1])
    assert domains.outcome([], "accuracy")[0] == "not told"


def test_a_fold_that_was_not_run_has_no_score() -> None:
    setting, _ = by_domain(30, 3)
    arm = right(setting, np.zeros(0, np.int64))
    hidden = np.zeros_like(arm.covered)
    hidden[:, setting.split.folds[2].test] = True
    rows = domains.held_out(replace(arm, predictions=arm.predictions.hide(hidden)), setting)
    assert [row["score"] for row in rows] == [1.0, 1.0, None]

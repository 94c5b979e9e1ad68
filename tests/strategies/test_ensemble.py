"""Averaging with the network trained from scratch: as far as it pays, and never blindly."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from headstart.core.budget import Budget
from headstart.core.dataset import Dataset
from headstart.core.experiment import Experiment
from headstart.core.strategy import Peer, Request, Trial
from headstart.core.task import Task
from headstart.evidence import leaderboard
from headstart.evidence.verdict import verdict_of
from headstart.measure.metrics import log_loss
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.run.known import outcome_of
from headstart.run.state.folder import RunFolder
from headstart.strategies import ensemble
from headstart.strategies.ensemble import Ensemble
from made.simulated import arm, experiment


def setting(n: int = 200) -> Experiment:
    return experiment(n=n, repeats=1)


def fit(made: Experiment, *members: Trial, seconds: float = 60, crop_mode: str = "center") -> Trial:
    """The trial of their average."""
    source: Any = SimpleNamespace(name="net", input=ImagePreprocessing(crop_mode=crop_mode))
    request = Request(
        made.dataset,
        made.task,
        made.split,
        features=None,  # type: ignore[arg-type]
        budget=Budget(seconds),
        peers=tuple(Peer(trial, source, refit=lambda: None) for trial in members),  # type: ignore[arg-type, return-value]
    )
    return Ensemble().fit(request)


def noisy(made: Any, name: str, strength: float, seed: int) -> Trial:
    """An arm with calibrated probabilities of its own: the weaker, the nearer to one half."""
    rng = np.random.default_rng(seed)
    score = strength * (2 * made.dataset.y - 1) + rng.normal(size=len(made.dataset))
    p = 1 / (1 + np.exp(-2 * strength * score))
    predictions = np.stack([1 - p, p], axis=1)[None].astype(np.float32)
    return Trial(name, name.rsplit(": ", maxsplit=1)[-1], "net", predictions)


def test_two_that_err_apart_are_better_together() -> None:
    made = setting(n=400)
    arms = {t.arm: t for t in (noisy(made, "net: probe", 1.0, 1), noisy(made, "net: scratch", 1.0, 2))}
    found = fit(made, *arms.values())
    assert found.status == "done"
    assert 0.2 <= found.choices["weights"][0] <= 0.8
    y = made.dataset.y
    losses = {
        n: log_loss(y, t.predictions.array[0].astype(float)) for n, t in {**arms, "stack": found}.items()
    }
    assert losses["stack"] < min(losses["net: probe"], losses["net: scratch"])


def test_a_useless_member_gets_no_weight() -> None:
    made = setting(n=400)
    arms = {t.arm: t for t in (noisy(made, "net: probe", 1.5, 1), noisy(made, "net: scratch", 0.02, 2))}
    found = fit(made, *arms.values())
    assert found.status == "not applicable"
    assert found.reason == "all of the weight belongs to net: probe"


def test_it_is_hardly_ever_worse_than_the_better_member() -> None:
    """Over draws of members of every strength: better on average, and nearly never by much worse."""
    made, excess = setting(n=300), []
    for seed in range(60):
        strengths = np.random.default_rng(seed).uniform(0.1, 1.5, size=2)
        names = ("net: probe", "net: scratch")
        arms = {
            name: noisy(made, name, strength, 2 * seed + number)
            for number, (name, strength) in enumerate(zip(names, strengths, strict=True))
        }
        found = fit(made, *arms.values())
        if found.status == "done":  # else all of the weight belongs to one of them
            own, *each = (
                log_loss(made.dataset.y, t.predictions.array[0].astype(float))
                for t in (found, *arms.values())
            )
            excess.append(own - min(each))
    assert len(excess) > 20
    assert np.mean(excess) < 0
    assert np.quantile(excess, 0.95) <= 0.02


def test_chance_is_not_beaten_on_a_single_fold() -> None:
    """Weights are chosen by other rows even where a member was only held out once."""
    scores = []
    for seed in range(40):
        made = setting(n=100)
        arms = {
            name: arm(made, name, name.split(": ")[-1], 0.5, seed=2 * seed + i, folds=1)
            for i, name in enumerate(("net: probe", "net: scratch"))
        }
        found = ensemble.averaged(arms["net: probe"], arms["net: scratch"], made)[0]
        rows = made.split.folds[0].test
        scores.append(float(np.mean(found[0, rows].argmax(axis=1) == made.dataset.y[rows])))
    assert abs(np.mean(scores) - 0.5) < 0.05


def test_a_stack_of_other_predictions_is_outdated() -> None:
    made = setting(n=400)
    arms = {t.arm: t for t in (noisy(made, "net: probe", 1.0, 1), noisy(made, "net: scratch", 1.0, 2))}
    found = fit(made, *arms.values())
    assert not ensemble.outdated(found, arms)
    assert ensemble.outdated(found, {**arms, "net: scratch": noisy(made, "net: scratch", 1.0, 3)})
    assert ensemble.outdated(found, {"net: probe": arms["net: probe"]})


def test_a_fold_s_rows_have_no_part_in_its_weight() -> None:
    made = setting()
    members = (noisy(made, "net: probe", 1.0, 1), noisy(made, "net: scratch", 1.0, 2))
    fold = made.split.folds[0]
    before, _, _ = ensemble.averaged(*members, made)
    other = made.dataset.y.copy()
    other[fold.test] = 1 - other[fold.test]
    made = replace(made, dataset=replace(made.dataset, targets=other), gains={})
    after, _, _ = ensemble.averaged(*members, made)
    assert np.array_equal(before[0, fold.test], after[0, fold.test])
    assert not np.array_equal(before, after)


@pytest.mark.parametrize(
    ("names", "crop_mode", "seconds", "words"),
    [
        (("net: probe",), "center", 60, "no network trained from scratch"),
        ((), "center", 60, "no arm with a source"),
        (("net: probe", "net: scratch"), "squash", 60, "does not cut its images"),
        (("net: probe", "net: scratch"), "center", -1, "more than the time left"),
    ],
)
def test_why_it_does_not_apply(names: tuple[str, ...], crop_mode: str, seconds: float, words: str) -> None:
    made = setting()
    arms = {name: arm(made, name, name.split(": ")[-1], 0.8, seed=1) for name in names}
    found = fit(made, *arms.values(), seconds=seconds, crop_mode=crop_mode)
    assert found.status == ("cut off" if seconds < 0 else "not applicable")
    assert words in found.reason
    assert not found.covered.any()


@pytest.mark.parametrize("kind", ["multilabel", "regression"])
def test_other_kinds_of_task(kind: str) -> None:
    made = setting(n=300)
    rng = np.random.default_rng(3)
    many = kind == "multilabel"
    made = replace(
        made,
        task=Task(kind, ("a", "b") if many else ("size",), "mAP" if many else "MAE", higher_is_better=many),
        gains={},
    )
    y = (rng.random((300, 2)) < 0.4).astype(np.float32) if many else rng.normal(size=300)
    made = replace(made, dataset=Dataset("sim", "image", made.dataset.items, made.task, y), gains={})

    def member(name: str, seed: int) -> Trial:
        noise = np.random.default_rng(seed).normal(size=(1, 300, made.task.outputs))
        predictions = y.reshape(1, 300, -1) + noise
        if many:
            predictions = 1 / (1 + np.exp(-4 * (predictions - 0.5)))
        return Trial(name, name.rsplit(": ", maxsplit=1)[-1], "net", predictions.astype(np.float32))

    arms = {t.arm: t for t in (member("net: probe", 1), member("net: scratch", 2))}
    found = fit(made, *arms.values())
    scores = {n: leaderboard.signed_score(t, made) for n, t in {**arms, "stack": found}.items()}
    assert scores["stack"] > max(scores["net: probe"], scores["net: scratch"])


def test_arms_of_a_run_with_another_number_of_repeats(tmp_path: Path) -> None:
    """What was read back from a folder of other repeats is compared and averaged where both arms have cells."""
    made = experiment(repeats=2)
    folder = RunFolder(tmp_path)
    folder.save_trial(noisy(made, "net: scratch", 1.0, 2))  # one repeat
    kept = folder.trials()["net: scratch"]
    probe = noisy(made, "net: probe", 1.0, 1)
    probe = replace(probe, predictions=np.concatenate([probe.predictions.array, probe.predictions.array]))
    arms = {t.arm: t for t in (probe, kept)}
    found = fit(made, *arms.values())
    assert found.status == "done"
    assert found.covered.sum() == len(made.dataset)
    context: Any = SimpleNamespace(split=made.split, experiment=made)
    assert outcome_of(kept, context).folds == 5
    verdict = verdict_of({**arms, "stack": found}, made)
    assert [c.gain.n for c in verdict.comparisons if c.against == "net: scratch"] == [len(made.dataset)]

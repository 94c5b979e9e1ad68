"""Which arms a resumed run need not run again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from headstart.run import fit
from headstart.run.state.folder import RunFolder
from headstart.run.state.ledger import Ledger
from headstart.strategies import ensemble
from made.simulated import arm, experiment


def stopped(path: Path, concluded: float | None) -> Any:
    """A run with a whole arm, one that had time for 2 of 5 folds, one that was cut off, and their average."""
    made = experiment(n=100, repeats=1)
    setting = SimpleNamespace(task=made.task, split=made.split, folder=RunFolder(path / "run"))
    setting.folder.begin({"seed": 0})
    if concluded is not None:
        setting.folder.write({"question": {"seed": 0}, "ledger": {"budget": concluded, "spent": 50.0}})
    probe = arm(made, "net: probe", "probe", 0.8, seed=1)
    partial = replace(
        arm(made, "net: scratch", "scratch", 0.8, seed=2, folds=2), choices={"trained_folds": 2}
    )
    cut = replace(arm(made, "net: full", "full", 0.8, seed=3, folds=1), status="cut off")
    average = replace(
        arm(made, "stack", "stack", 0.8, seed=4),
        choices={"members": [probe.arm, partial.arm], "of": ensemble.fingerprints((probe, partial))},
    )
    for trial in (probe, partial, cut, average):
        setting.folder.save_trial(trial)
    (setting.folder.workdir("net: scratch") / "plan.json").write_text("{}")
    return setting


@pytest.mark.parametrize(
    ("concluded", "budget", "kept"),
    [
        (60.0, 60.0, {"net: probe", "net: scratch", "net: full", "stack"}),
        (60.0, 120.0, {"net: probe"}),
        (None, 60.0, {"net: probe", "net: scratch", "stack"}),
    ],
)
def test_more_time_mends_what_time_had_cut(
    concluded: float | None, budget: float, kept: set[str], tmp_path: Path
) -> None:
    setting = stopped(tmp_path, concluded)
    ledger = Ledger(setting.folder, budget, 0.0)
    found = fit.kept_trials(setting, SimpleNamespace(budget=budget), ledger)  # type: ignore[arg-type]
    assert set(found) == kept
    plan = setting.folder.workdir("net: scratch") / "plan.json"
    assert plan.exists() == ("net: scratch" in kept)

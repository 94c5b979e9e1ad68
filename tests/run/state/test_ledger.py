"""The account of a run survives a kill: a resumed run has neither more time nor less."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from headstart.errors import RunError
from headstart.planning.seen import Step
from headstart.run.state.folder import RunFolder
from headstart.run.state.ledger import Ledger


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def step(arm: str, seconds: float, folds: int = 0) -> Step:
    return Step(arm, arm, None, seconds, None, "why", folds=folds)


def test_a_resumed_run_has_as_much_time_as_one_that_was_not_killed(tmp_path: Path) -> None:
    clock = Clock()
    folder = RunFolder(tmp_path / "run")
    folder.begin({"seed": 0})
    clock.now += 7  # reading the data
    first = Ledger(folder, 60.0, 100.0, clock)
    assert (first.budget.spent, first.earlier) == (7.0, None)
    assert first.begin(step("tfidf", 10.0)).seconds == 10.0
    clock.now += 3
    first.end(3.0)
    first.begin(step("scratch", 20.0))
    clock.now += 500  # killed in the middle of it; the machine is off for a while
    second = Ledger(folder, 60.0, 590.0, clock)
    assert second.budget.spent == 10.0
    again = second.begin(step("scratch", 17.3))
    assert again.seconds == 20.0, "what was settled is kept"
    clock.now += 5
    second.end(5.0)
    assert second.budget.left == 45.0
    second.close()
    assert [(s["arm"], s["took"]) for s in folder.read()["ledger"]["steps"]] == [
        ("tfidf", 3.0),
        ("scratch", 5.0),
    ]
    assert Ledger(folder, 60.0, 0.0, clock).ended
    assert not Ledger(folder, 60.0, 0.0, clock, aim="best").ended, "more is wanted"


def test_folds_that_a_killed_step_had_finished_are_on_the_account(tmp_path: Path) -> None:
    clock = Clock()
    folder = RunFolder(tmp_path / "run")
    folder.begin({"seed": 0})
    first = Ledger(folder, 60.0, 100.0, clock)
    first.begin(step("scratch", 20.0))
    clock.now += 500
    second = Ledger(folder, 60.0, 590.0, clock)
    second.begin(step("scratch", 20.0))
    clock.now += 5
    second.end(5.0, worth=12.0)  # three of its folds were read, not trained
    assert second.budget.left == 48.0
    second.begin(step("full", 20.0))
    clock.now += 5
    second.end(5.0, worth=12.0)  # this one had time of its own besides, and was not killed
    assert second.budget.left == 43.0
    assert [entry["took"] for entry in folder.read()["ledger"]["steps"]] == [12.0, 5.0]


def test_a_larger_budget_goes_on_from_what_was_spent(tmp_path: Path) -> None:
    clock = Clock()
    folder = RunFolder(tmp_path / "run")
    folder.begin({"seed": 0})
    ledger = Ledger(folder, 60.0, 100.0, clock)
    clock.now += 40
    ledger.close()
    more = Ledger(folder, 90.0, 140.0, clock)
    assert (more.ended, more.earlier, more.budget.left, more.steps) == (False, 60.0, 50.0, [])


@pytest.mark.parametrize(
    "kept",
    [
        [1],
        {"budget": "an hour", "spent": 1.0},
        {"budget": 60.0},
        {"budget": 60.0, "spent": 1.0, "steps": 5},
        {"budget": 60.0, "spent": 1.0, "steps": ["scratch"]},
        {"budget": 60.0, "spent": 1.0, "steps": [{"arm": "scratch", "seconds": None, "folds": 1}]},
    ],
)
def test_a_damaged_account_is_one_sentence(tmp_path: Path, kept: Any) -> None:
    folder = RunFolder(tmp_path / "run")
    folder.begin({"seed": 0})
    folder.write({**folder.read(), "ledger": kept})
    with pytest.raises(RunError, match=r"run\.json is damaged .*choose another --out"):
        Ledger(folder, 60.0, 0.0)


def test_estimates_follow_what_finished_steps_took(tmp_path: Path) -> None:
    with RunFolder(tmp_path / "run") as folder:
        folder.begin({})
        ledger = Ledger(folder, 100.0, 0.0, lambda: 0.0)

        def finished(estimate: float | None, took: float, said: float | None = None) -> float:
            ledger.begin(Step("a", "probe", None, 50.0, estimate, ""))
            ledger.end(took, predicted=said)
            return ledger.pace

        assert finished(None, 7.0) == finished(0.2, 7.0) == 1.0, "nothing was said, or next to nothing"
        assert finished(4.0, 16.0) == 2.0, "half of what it was off, as factors go"
        assert finished(4.0, 8.0, said=8.0) == 2.0, "what it said itself counts"
        assert finished(1.0, 1000.0) == 3.0
        kept = folder.read()["ledger"]["steps"]
        assert [step["predicted"] for step in kept] == [None, 0.2, 4.0, 8.0, 1.0]
        assert Ledger(folder, 100.0, 0.0, lambda: 0.0).pace == 3.0, "a resumed run goes on with it"

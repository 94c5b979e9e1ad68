from __future__ import annotations

from dataclasses import replace

from headstart.evidence import follow_ups
from headstart.planning.policy import next_step, skipped
from headstart.planning.seen import Candidate, Known, Outcome
from made.simulated import arm, experiment

DONE = {
    name: Outcome(name.split(": ")[-1], name.split(": ")[0] if ":" in name else None, 0.5)
    for name in (
        "majority", "pixels", "a: probe", "b: probe", "a: random-frozen", "a: scratch", "a: finetune", "a: full",
    )
}  # fmt: skip
KNOWN = Known((Candidate("a"), Candidate("b")), left=600.0, outcomes=DONE)


def tried(known: Known) -> list[str]:
    """Every arm the plan asks for, each taken to reach nothing."""
    arms = []
    while (step := next_step(known)) is not None:
        arms.append(step.arm)
        assert step.answer
        outcome = Outcome(step.strategy, step.source, 0.4)
        known = replace(known, outcomes={**known.outcomes, step.arm: outcome})
    return arms


def test_harm_is_answered_step_by_step() -> None:
    assert tried(replace(KNOWN, doubt="hurts")) == [
        "a: early-probe", "a: finetune-slow", "b: scratch", "b: finetune", "stack",
    ]  # fmt: skip
    step = next_step(replace(KNOWN, doubt="hurts"))
    assert step is not None
    assert step.reason.startswith("transfer hurts so far: ")


def test_no_evidence_is_answered_with_what_is_cheap() -> None:
    assert tried(replace(KNOWN, doubt="no evidence")) == ["a: early-probe", "stack"]


def test_good_news_needs_no_answer() -> None:
    assert tried(replace(KNOWN, doubt="helps")) == []
    assert tried(KNOWN) == []


def test_without_time_answers_are_named_as_not_tried() -> None:
    late = replace(KNOWN, doubt="hurts", left=1.0)
    assert next_step(late) is None
    assert {s.arm for s in skipped(late)} >= {"a: early-probe", "stack"}


def test_excluded_strategies_are_no_answers() -> None:
    assert tried(replace(KNOWN, doubt="hurts", allowed=frozenset({"probe", "stack"}))) == ["stack"]


def test_what_came_of_it_is_told_against_what_would_have_been_shipped() -> None:
    setting = experiment()
    arms = {
        name: arm(setting, name, strategy, accuracy, seed=number)
        for number, (name, strategy, accuracy) in enumerate((
            ("majority", "majority", 0.5),
            ("net: probe", "probe", 0.7),
            ("net: scratch", "scratch", 0.8),
            ("net: early-probe", "early-probe", 0.95),
        ))
    }  # fmt: skip
    assert follow_ups.response(arms, setting) == []
    early = arms["net: early-probe"]
    arms["net: early-probe"] = replace(early, choices={"answers": "transfer hurts so far: ..."})
    (entry,) = follow_ups.response(arms, setting)
    assert entry["arm"] == "net: early-probe"
    assert "with net: scratch: +" in entry["text"]
    assert entry["text"].endswith("better")
    assert entry["because"].startswith("transfer hurts so far")
    note = follow_ups.note([entry], "net: early-probe")
    assert note.startswith(
        "Because it hurt, these were tried, and net: early-probe is shipped: earlier layers ("
    )
    assert "but net: scratch is shipped without them" in follow_ups.note([entry], "net: scratch")
    assert follow_ups.note([], "net: scratch") == ""

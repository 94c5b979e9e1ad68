from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from headstart.errors import RunError
from headstart.report import saved, story


def test_a_resumed_run_tells_each_step_once(make: Callable[..., Any]) -> None:
    told = story.tried(make().events)
    assert [(t["arm"], t["why"]) for t in told] == [
        ("a: probe", "one pass pays for it"),
        ("a: scratch", "the same architecture without the source"),
    ]
    assert told[0]["score"] == 0.9


def test_an_arm_that_was_tried_again_counts_as_it_ended() -> None:
    events = [
        {"kind": "step", "arm": "a", "reason": "first"},
        {"kind": "trial", "arm": "a", "status": "cut off", "reason": "too slow", "score": None},
        {"kind": "step", "arm": "b", "reason": "then"},
        {"kind": "trial", "arm": "b", "status": "done", "reason": "", "score": 0.5},
        {"kind": "step", "arm": "a", "reason": "fits after all"},
        {"kind": "trial", "arm": "a", "status": "done", "reason": "", "score": 0.7},
        {"kind": "step", "arm": "c", "reason": "last"},
    ]
    told = story.tried(events)
    assert [(t["arm"], t["why"], t["status"]) for t in told] == [
        ("b", "then", "done"),
        ("a", "fits after all", "done"),
        ("c", "last", "broken off"),
    ]


def test_kept_arms_of_a_lost_log_are_told_too() -> None:
    assert (
        story.tried([{"kind": "trial", "arm": "a", "kept": True, "status": "done", "score": 1.0}])[0]["why"]
        == ""
    )


def test_decisions_are_told_once(make: Callable[..., Any]) -> None:
    events = make().events * 2 + [{"kind": "note", "label": "", "text": "3 pairs of near-duplicates"}]
    assert story.decisions(events) == [
        "The plan: about 33 s of the 55 s: 8 arms.",
        "3 pairs of near-duplicates",
    ]


def test_what_was_not_tried(make: Callable[..., Any]) -> None:
    found = story.untried(make().record["answer"])
    assert [f["arm"] for f in found] == ["a: lora", "a: full"]


def test_what_is_missing_is_empty_and_what_is_damaged_is_named(tmp_path: Path) -> None:
    assert saved.insight(tmp_path) == saved.pictures(tmp_path) == {}
    assert saved.events(tmp_path) == []
    (tmp_path / "insight.json").write_text("[1]")
    (tmp_path / "pictures.json").write_text('{"version": 1')
    (tmp_path / "events.jsonl").write_text(json.dumps({"kind": "plan"}) + '\n"text"\n{"kind": "st')
    for damaged in (saved.insight, saved.pictures):
        with pytest.raises(RunError, match=r"is damaged \(.*\); delete that file"):
            damaged(tmp_path)
    assert saved.events(tmp_path) == [{"kind": "plan"}]

from __future__ import annotations

import io

import pytest
from rich.console import Console

from headstart.core.events import Event
from headstart.report.terminal import Story

ROW = {
    "arm": "strokes: probe", "score": 0.912, "low": 0.89, "n": 1100, "high": 0.931, "gain": 0.278, "gain_low": 0.25,
    "gain_high": 0.306, "seconds": 14.0, "status": "done", "reason": "", "place": 1, "shipped": True,
}  # fmt: skip
EVENTS = [
    Event("data", {"summary": "300 images in 3 classes", "findings": ["HS201 two images are tiny"]}),
    Event("progress", {"arm": "strokes: probe", "what": "fold", "done": 1, "total": 2}),
    Event("progress", {"arm": "strokes: probe", "what": "fold", "done": 2, "total": 2}),
    Event("trial", {**ROW, "metric": "accuracy"}),
    Event("trial", {**ROW, "arm": "x: full", "score": None, "status": "cut off", "reason": "2 min more"}),
    Event(
        "first_verdict", {"outcome": "not compared", "sentence": "Not compared [yet]: 91 %", "seconds": 14.2}
    ),
    Event("leaderboard", {"rows": [ROW], "metric": "accuracy", "reference": "scratch"}),
    Event(
        "verdict",
        {"outcome": "helps", "sentence": "Transfer helps: [89.0, 93.1]", "notes": ["Not tried: full."]},
    ),
    Event("something new", {}),
]


def told(*, terminal: bool) -> str:
    out = io.StringIO()
    story = Story(Console(file=out, force_terminal=terminal, width=100, highlight=False))
    for event in EVENTS:
        story(event)
    story.close()
    return out.getvalue()


def test_plain_lines_where_there_is_no_terminal() -> None:
    text = told(terminal=False)
    assert "\x1b" not in text
    assert "\r" not in text
    lines = text.splitlines()
    assert lines[0] == "data      300 images in 3 classes"
    assert any("91.2 % [89.0, 93.1]" in line and "+27.8 points [25.0, 30.6]" in line for line in lines)
    assert "Transfer helps: [89.0, 93.1]" in lines
    assert any("cut off: 2 min more" in line for line in lines)
    assert "so far    Not compared [yet]: 91 %   (after 14 s)" in lines


def test_brackets_are_not_markup() -> None:
    assert "[89.0, 93.1]" in told(terminal=False)


@pytest.mark.parametrize("terminal", [True, False])
def test_the_same_words_either_way(terminal: bool) -> None:
    assert "Transfer helps" in told(terminal=terminal)

"""What is printed is obeyed by nothing: no terminal, no spreadsheet, no reader of JSON."""

from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from headstart.cli import _rows
from headstart.cli._screen import as_json, csv_line, say
from headstart.core.task import Task
from headstart.core.words import cell, printable
from headstart.data import load
from headstart.predict.predictor import Prediction
from headstart.report.markdown import safe
from headstart.report.terminal import Story

TASK = Task("classification", ("=1+1", "b\x1b[31m"), "accuracy")
EVIL = "a\x1b]0;PWN\x07\x1b[31m\n\u202egnp.png"


@pytest.mark.parametrize(
    "sign", ["\x1b", "\x07", "\x9b", "\u202e", "\u2066", "\u200b", "\ufeff", "\ud800", "\x7f", "\r"]
)
def test_signs_that_a_terminal_obeys(sign: str) -> None:
    for kept in (printable(f"a{sign}b"), cell(f"a{sign}b")):
        assert kept == "a\ufffdb"
    told = as_json({"id": f"a{sign}b"})
    assert sign not in told
    assert json.loads(told) == {"id": f"a{sign}b"}
    told.encode()


def test_joiners_stay_where_they_join() -> None:
    persian, family = "می\u200cخواهم", "\U0001f469\u200d\U0001f467"
    assert printable(f"{persian} {family}") == f"{persian} {family}"
    assert printable("ca\u200dt") == "ca\ufffdt"


def test_a_table_of_predictions(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [Prediction(EVIL, TASK.labels[1], np.array([0.1, 0.9], np.float32)), Prediction("b", error=EVIL)]
    say(_rows.table(rows, TASK))
    told = capsys.readouterr().out
    assert len(told.splitlines()) == 3
    assert not set(told) & set("\x1b\x07\u202e")


def test_the_story_of_a_run(capsys: pytest.CaptureFixture[str]) -> None:
    from headstart.core.events import Event

    row = {"arm": EVIL, "status": "failed", "reason": EVIL, "score": None, "seconds": 1.0}
    story = Story()
    story(Event("leaderboard", {"rows": [row], "metric": "accuracy", "reference": None}))
    story(Event("verdict", {"sentence": EVIL, "outcome": "helps", "notes": [EVIL]}))
    assert not set(capsys.readouterr().out) & set("\x1b\x07\u202e")


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("=cmd|x", "'=cmd|x"), ("+a", "'+a"), ("-a", "'-a"), ("@a", "'@a"), ("\ta", "'\ta"), ("\ra", "'\ra"),
        ("'=a", "''=a"), ("'tis", "'tis"), ("a=b", "a=b"), ("", ""), ("-1.5", "-1.5"), ("+1e-3", "+1e-3"), ("-1", "-1"),
        ("-1+cmd", "'-1+cmd"), (-1.5, "-1.5"), (None, ""),
    ],
)  # fmt: skip
def test_formulas_are_harmless_in_csv(given: object, written: str) -> None:
    assert next(csv.reader(io.StringIO(csv_line([given, "x"]), newline=""))) == [written, "x"]


def test_predictions_in_csv() -> None:
    rows = [Prediction("=x.png", "=1+1", np.array([0.9, 0.1], np.float32)), Prediction("b", error="-e")]
    head, first, second = csv.reader(io.StringIO("".join(_rows.csv_text(rows, TASK))))
    assert head[:3] == ["file", "label", "probability"]
    assert first[:2] == ["'=x.png", "'=1+1"]
    assert second[-1] == "'-e"


def test_numbers_say_what_was_not_read_too() -> None:
    task = Task("regression", ("price",), "MAE", higher_is_better=False)
    row = Prediction("a", 1.5, np.array([1.5], np.float32), unread="the first 8 of 9 tokens are read")
    assert _rows.as_json(row, task) == {"id": "a", "value": 1.5, "unread": row.unread}
    assert next(_rows.table([row], task, _rows.Shown(top=2))).split() == ["file", "value"]


def test_a_marked_name_is_found_again(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from PIL import Image

    lines = [csv_line(["file", "label"])]
    for number, name in enumerate(("=x.png", "-y.png", "@z.png", "w.png")):
        Image.new("RGB", (40, 40), (number * 60, 9, 9)).save(tmp_path / name)
        lines.append(csv_line([name, "ab"[number % 2]]))
    (tmp_path / "t.csv").write_text("".join(lines))
    assert [item.read()[:4] for item in load(tmp_path / "t.csv").items] == [b"\x89PNG"] * 4


def test_markdown_is_escaped() -> None:
    from headstart.report.markdown import _again

    told = _again({"versions": {}, "question": {"seed": "`x`", "data": "`](http://x)*"}})
    assert "`](" not in told
    assert safe("`") in told

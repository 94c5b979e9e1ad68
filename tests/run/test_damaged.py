"""Run folders that a disk has damaged: every reader says in one sentence which file it is, and what to do."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from headstart import api
from headstart.cli.report import report_command
from headstart.core.strategy import Trial
from headstart.errors import RunError
from headstart.run.state.folder import RunFolder, load_trial, read_run

DEEP = "[" * 3000 + "]" * 3000


_made: list[Path] = []


@pytest.fixture
def run(make_run: Callable[..., Any], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of one finished run."""
    if not _made:
        _made.append(shutil.copytree(make_run("made").folder, tmp_path_factory.mktemp("made") / "run"))
    return Path(shutil.copytree(_made[0], tmp_path / "run"))


def change(path: Path, at: str, value: Any) -> None:
    """Another value at a place of a JSON file; the value `del` takes the entry away."""
    content = node = json.loads(path.read_text())
    *way, last = at.split(".")
    for name in way:
        node = node[int(name) if isinstance(node, list) else name]
    if value is del_:
        del node[last]
    else:
        node[last] = value
    path.write_text(json.dumps(content))


del_ = object()


@pytest.mark.parametrize(
    ("at", "value", "says"),
    [
        ("version", "1", "version is '1', not a whole number"),
        ("answer", del_, "answer.winner is missing"),
        ("answer.winner", del_, "answer.winner is missing"),
        ("answer.rows", {}, "answer.rows is '{}', not a list"),
        ("answer.rows", ["x"], "arm is missing"),
        ("answer.rows.0.score", "x", "score is 'x', not a number"),
        ("answer.verdict.sentence", None, "answer.verdict.sentence is 'None', not a text"),
        ("task.labels", 3, "task.labels is '3', not a list"),
        ("task.higher_is_better", del_, "'higher_is_better' is missing"),
        ("question", [], "question is"),
    ],
)
def test_an_answer_of_another_form(run: Path, at: str, value: Any, says: str) -> None:
    change(run / "run.json", at, value)
    for use in (lambda: api.open_run(run), lambda: api.compare([run, run.parent])):
        with pytest.raises(RunError, match=r"run.json is damaged \(" + says.replace("{", r"\{")):
            use()


@pytest.mark.parametrize("text", [DEEP, "", "{", "[]", "\xff", '{"question": 1}'])
def test_no_answer_at_all(tmp_path: Path, text: str) -> None:
    (tmp_path / "run.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(RunError):
        api.open_run(tmp_path)
    with pytest.raises(RunError), RunFolder(tmp_path) as folder:
        folder.begin({"seed": 0})


@pytest.mark.parametrize("format", ["text", "md", "json", "html"])
@pytest.mark.parametrize("at", ["split", "data", "answer.verdict.comparisons"])
def test_a_report_without_its_parts(
    run: Path, format: str, at: str, capsys: pytest.CaptureFixture[str]
) -> None:
    change(run / "run.json", at, 7)
    try:
        report_command(run, format)
    except RunError as error:
        assert "do not hold what a report needs" in str(error)  # noqa: PT017
    else:
        assert format in ("json", "text")
    capsys.readouterr()


def test_insight_in_lists_without_end(run: Path) -> None:
    (run / "insight.json").write_text(DEEP)
    with pytest.raises(RunError, match=r"insight.json is damaged"):
        _ = api.open_run(run).insight


def other(array: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez(buffer, predictions=array)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"", b"x" * 99, other(np.array([["a"]])), other(np.zeros((2, 2))), other(np.zeros((1, 2, 2), bool)),
        other(np.zeros((1, 2, 2), np.float32))[:-60], other(np.zeros((1, 9, 9), np.float32)).replace(b"9, 9", b"9, 7"),
    ],
)  # fmt: skip
def test_damaged_predictions(run: Path, content: bytes) -> None:
    (run / "trials/tiny-finetune/predictions.npz").write_bytes(content)
    with pytest.raises(
        RunError, match=r"trials/tiny-finetune/predictions.npz is damaged .*delete its folder"
    ):
        load_trial(run / "trials/tiny-finetune/trial.json")


@pytest.mark.parametrize(
    ("at", "value"),
    [("arm", 1), ("cost", 3), ("cost.seconds", "x"), ("choices", []), ("strange", 1), ("source", 2)],
)
def test_a_damaged_trial(run: Path, at: str, value: Any) -> None:
    change(run / "trials/tiny-finetune/trial.json", at, value)
    with pytest.raises(RunError, match=r"trials/tiny-finetune/trial.json is damaged"):
        load_trial(run / "trials/tiny-finetune/trial.json")


def test_labels_beyond_the_task(run: Path, tmp_path: Path) -> None:
    import polars as pl

    first = shutil.copytree(run, tmp_path / "other")
    items = pl.read_parquet(run / "items.parquet")
    for broken in (
        items.with_columns(y=pl.lit(99)),
        items.with_columns(y=pl.lit("a")),
        items.drop("group"),
        items[1:],
    ):
        broken.write_parquet(run / "items.parquet")
        with pytest.raises(RunError, match=r"items.parquet is damaged|do not belong together"):
            api.compare([first, run])


def test_what_is_written_today_opens(run: Path) -> None:
    assert read_run(run)["complete"]
    assert isinstance(load_trial(run / "trials/tiny-finetune/trial.json"), Trial)
    assert api.open_run(run).leaderboard()

"""The journey of a user, command by command: `fit` and `predict` in fresh processes, the others in forked ones."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
FIT = ("--source", "bundled/strokes", "--budget", "15s", "--augment", "crop")


@pytest.fixture(scope="module")
def fitted(shapes: Path, tmp_path_factory: pytest.TempPathFactory, call: Any) -> Path:
    """A finished run that the tests below share."""
    where = tmp_path_factory.mktemp("journey")
    done = call(where, "fit", shapes, *FIT)
    assert done.returncode == 0, done.stdout + done.stderr
    (where / "told.txt").write_text(done.stdout)
    return where / "runs" / "shapes-1"


def test_fit_tells_the_story_and_leaves_a_run(fitted: Path) -> None:
    told = (fitted.parents[1] / "told.txt").read_text()
    assert "42 images in 3 classes (14 each), 18 more kept for the test" in told
    assert "\x1b" not in told
    assert told.startswith("reading   ")
    outcome = json.loads((fitted / "run.json").read_text())["answer"]["verdict"]
    assert outcome["sentence"] in told.replace("\n", " ")
    assert outcome["sentence"].startswith(
        ("Transfer helps", "Transfer hurts", "No evidence that transfer helps", "Not compared")
    )
    for name in (
        "run.json",
        "events.jsonl",
        "report.html",
        "pictures.json",
        "model/bundle.json",
        "model/model.safetensors",
    ):
        assert (fitted / name).is_file(), name
    assert "größe" in (fitted / "report.html").read_text(encoding="utf-8")


def test_arms_that_must_be_there(fitted: Path) -> None:
    answer = json.loads((fitted / "run.json").read_text())["answer"]
    strategies = {row["strategy"] for row in answer["rows"]} | {s["strategy"] for s in answer["skipped"]}
    assert {"majority", "pixels", "probe", "random-frozen", "scratch", "finetune", "full"} <= strategies
    assert sum(row["shipped"] for row in answer["rows"]) == 1
    assert answer["test"]["n"] == 18


def test_the_same_command_again_changes_nothing(fitted: Path, shapes: Path, headstart: Any) -> None:
    before = json.loads((fitted / "run.json").read_text())
    done = headstart("fit", shapes, *FIT, "--out", fitted, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["answer"]["rows"] == before["answer"]["rows"]
    assert document["answer"]["winner"] == before["answer"]["winner"]


def test_predict_in_every_form(
    fitted: Path, shapes: Path, call: Any, headstart: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(shapes / "test" / "disc", tmp_path / "new")
    (tmp_path / "new" / "broken.png").write_bytes(b"not a picture")
    done = headstart("predict", fitted, tmp_path / "new", "--format", "json")
    rows = json.loads(done.stdout)
    rows = rows if isinstance(rows, list) else rows["predictions"]
    assert len(rows) == 7
    assert "broken.png" in done.stderr
    assert done.returncode == 0
    monkeypatch.setenv("PYTHONPROFILEIMPORTTIME", "1")
    done = call(tmp_path, "predict", fitted, shapes / "test" / "ring" / "14.png", "--format", "csv")
    assert done.returncode == 0, done.stderr
    assert len(list(csv.reader(io.StringIO(done.stdout)))) == 2
    assert "torch.nn" in done.stderr  # what was imported is told there
    assert "torch._dynamo" not in done.stderr  # PyTorch's compiler: seconds, for nothing


def test_predict_says_how_sure_it_is(fitted: Path, shapes: Path, headstart: Any) -> None:
    done = headstart("predict", fitted, shapes / "test", "--sets", "0.9", "--format", "json")
    assert done.returncode == 0, done.stderr
    rows = json.loads(done.stdout)["predictions"]
    assert all(row["label"] in row["set"] for row in rows)
    done = headstart("predict", fitted, shapes / "test", "--sets", "2")
    assert (done.returncode, "--sets" in done.stderr) == (2, True)


def test_evaluate_export_verify_report(fitted: Path, shapes: Path, headstart: Any) -> None:
    done = headstart("evaluate", fitted, shapes / "test", "--format", "json")
    assert done.returncode == 0, done.stderr
    measured = json.loads(done.stdout)
    kept = json.loads((fitted / "run.json").read_text())["answer"]["test"]
    assert measured["headline"]["value"] == pytest.approx(kept["value"])
    assert headstart("verify", fitted).returncode == 0
    assert headstart("export", fitted, "--onnx", "--out", "model.onnx").returncode == 0
    done = headstart("report", fitted, "--format", "json")
    assert json.loads(done.stdout)["answer"]["test"] == kept
    assert headstart("report", fitted).returncode == 0


def test_a_report_is_drawn_again_from_the_run_folder_alone(
    fitted: Path, headstart: Any, tmp_path: Path
) -> None:
    run = shutil.copytree(fitted, tmp_path / "kept")
    before = (run / "report.html").read_text(encoding="utf-8")
    (run / "report.html").unlink()
    done = headstart("report", run, "--format", "html")
    assert (done.returncode, done.stdout.strip()) == (0, str(run / "report.html"))
    again = (run / "report.html").read_text(encoding="utf-8")
    assert again.count("data:image/jpeg") == before.count("data:image/jpeg") >= 3
    assert "Every score is over items that the arm was not trained on" in again
    done = headstart("report", run, "--format", "md")
    assert done.returncode == 0, done.stderr
    assert "### Leaderboard" in done.stdout
    assert "### What was tried, and why" in done.stdout
    assert headstart("report", run, "--format", "pdf").returncode == 2


def test_check_plan_sources_cache(shapes: Path, headstart: Any) -> None:
    done = headstart("check", shapes, "--json")
    assert done.returncode == 0, done.stderr
    json.loads(done.stdout)
    done = headstart("plan", shapes, *FIT[:4], "--json")
    assert done.returncode == 0, done.stderr
    assert [step["strategy"] for step in json.loads(done.stdout)["steps"]][:3] == [
        "majority",
        "pixels",
        "probe",
    ]
    assert "bundled/strokes" in headstart("sources", "--local").stdout
    assert headstart("cache", "list").returncode == 0
    assert headstart("cache", "verify").returncode == 0

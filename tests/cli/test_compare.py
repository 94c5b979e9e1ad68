"""Two runs on the same pictures: what is kept of them, and their comparison."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.slow
FIT = ("--budget", "90s", "--strategy", "probe", "--quiet")


@pytest.fixture(scope="module")
def runs(shapes: Path, tmp_path_factory: pytest.TempPathFactory, forked: Any) -> Path:
    """A folder with runs a and b of the same pictures and other sources, and c of other classes."""
    where = tmp_path_factory.mktemp("compare")
    shutil.copytree(shapes / "train", where / "two")
    shutil.rmtree(where / "two" / "disc")
    for name, data, source in (("a", shapes, "strokes"), ("b", shapes, "textures"), ("c", "two", "strokes")):
        done = forked(where, "fit", data, "--source", f"bundled/{source}", "--out", name, *FIT)
        assert done.returncode == 0, done.stderr
    return where


def test_insight_and_items_are_kept(runs: Path) -> None:
    insight = json.loads((runs / "a" / "insight.json").read_text(encoding="utf-8"))
    record = json.loads((runs / "a" / "run.json").read_text(encoding="utf-8"))
    shipped = next(row for row in record["answer"]["rows"] if row["shipped"])
    assert insight["arm"] == shipped["arm"]
    assert insight["metrics"]["accuracy"]["value"] == pytest.approx(shipped["score"])
    assert sum(row["n"] for row in insight["confusion"]["per_class"]) == 42
    assert insight["map"]["n"] == 60
    assert sum(point["part"] == "test" for point in insight["map"]["points"]) == 18
    assert insight["depth"]["rows"][-1]["stage"] == "embedding"
    assert (runs / "a" / "items.parquet").is_file()
    notes = [
        line
        for line in (runs / "a" / "events.jsonl").read_text().splitlines()
        if "left out of the page" in line
    ]
    assert notes == []


def test_as_text_markdown_and_json(runs: Path, forked: Any) -> None:
    done = forked(runs, "compare", "a", "b", "--format", "json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [row["run"] for row in found["runs"]] == ["a", "b"]
    pair = found["pairs"][0]
    assert (pair["run"], pair["against"], pair["items"]) == ("b", "a", 42)
    # near-duplicates are found by a run's own source, and are never parted: folds may differ with the source
    prints = {json.loads((runs / name / "run.json").read_text())["split"]["fingerprint"] for name in "ab"}
    assert pair["same_folds"] == (len(prints) == 1)
    told = forked(runs, "compare", "a", "b")
    assert told.returncode == 0, told.stderr
    assert pair["sentence"] in told.stdout
    assert told.stdout.splitlines()[0].split() == [
        "run", "verdict", "shipped", "held-out", "accuracy", "test", "seconds",
    ]  # fmt: skip
    page = forked(runs, "compare", "a", "b", "-f", "md")
    assert page.stdout.startswith("| run | verdict |")
    assert f"**{pair['sentence']}" in page.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("a",), "two or more different run folders"),
        (("a", "a"), "two or more different run folders"),
        (("a", "two"), "no run here"),
        (("a", "c"), "its labels are not those of a (only there: 'disc')"),
        (("a", "b", "--format", "xml"), "text, md or json"),
        ((), "RUN RUN..."),
    ],
)
def test_mistakes_are_one_sentence(runs: Path, forked: Any, arguments: tuple[str, ...], message: str) -> None:
    done = forked(runs, "compare", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_run_that_is_not_done_and_one_that_is_too_old(runs: Path, forked: Any, tmp_path: Path) -> None:
    shutil.copytree(runs / "b", tmp_path / "b")
    (tmp_path / "b" / "items.parquet").unlink()
    done = forked(runs, "compare", "a", tmp_path / "b")
    assert (done.returncode, "an older Headstart made it" in done.stderr) == (2, True)
    record = json.loads((tmp_path / "b" / "run.json").read_text(encoding="utf-8"))
    (tmp_path / "b" / "run.json").write_text(json.dumps({**record, "complete": False}))
    done = forked(runs, "compare", "a", tmp_path / "b")
    assert (done.returncode, "has not finished" in done.stderr) == (2, True)

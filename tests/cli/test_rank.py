"""rank through the front door: a table with its reasons, a page, JSON, and mistakes in one sentence."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from headstart.cli.rank import bar

pytestmark = pytest.mark.slow
BUNDLED = ("--source", "bundled/strokes", "--source", "bundled/textures")


def test_table_page_json_and_the_fit_that_follows(shapes: Path, forked: Any, tmp_path: Path) -> None:
    done = forked(tmp_path, "rank", shapes, *BUNDLED, "--out", "ranking.html")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[1].startswith("data      42 images in 3 classes (14 each), 18 more kept for the test")
    places = [line for line in lines if re.match(r"1[= ] +bundled/", line)]
    assert places
    assert re.search(r"\d+\.\d % \[\d+\.\d, \d+\.\d\]  +\|?-*o-*\|? .*1\.2 M +Apache-2\.0", places[0])
    first = next(line for line in lines if line.startswith("first")).split()[1].rstrip(":")
    assert next(line for line in lines if line.startswith("next")).split()[2:5] == ["is", "not", "chosen:"]
    assert lines[-1] == f"use it    headstart fit {shapes} --source {first}"

    page = (tmp_path / "ranking.html").read_text(encoding="utf-8")
    assert page.count('<svg class="bar"') == 2
    assert f"<bdi>{first}</bdi> is first" in page
    assert "http" not in page.replace("http-equiv", "")

    done = forked(tmp_path, "rank", shapes, *BUNDLED, "--json", "--also", "parc", "--out", "ranking.json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found == json.loads((tmp_path / "ranking.json").read_text(encoding="utf-8"))
    assert found["ranking"][0]["source"] == first
    for row in found["ranking"]:
        assert row["passes"] == 0.0  # read once, by the first command
        assert set(row["expected"]) == {"value", "low", "high", "level"}
        assert -1 <= row["scores"]["parc"] <= 1
        assert isinstance(row["tied"], bool)


def test_mistakes_are_one_sentence(shapes: Path, forked: Any, tmp_path: Path) -> None:
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "a.png").write_bytes((shapes / "train" / "disc" / "00.png").read_bytes())
    for words, told in (
        (("rank", shapes, "--source", "bundled/strokes"), "it must be two sources or more"),
        (("rank", shapes, "--source", "bundled/stroke*x"), "did you mean 'bundled/strokes' or"),
        (("rank", "bare", *BUNDLED), "bare"),
        (("rank", shapes, *BUNDLED, "--out", "ranking.txt"), "ends in .html or .json"),
        (("rank", shapes, *BUNDLED, "--also", "magic"), "no further score is called 'magic'"),
        (("rank", shapes, *BUNDLED, "--metric", "speed"), "speed"),
    ):
        done = forked(tmp_path, *words)
        assert done.returncode == 2, words
        assert told in done.stderr
        assert done.stderr.startswith("headstart: ")
        assert "Traceback" not in done.stderr
        assert not list(tmp_path.glob("ranking.*"))


def test_bars() -> None:
    assert bar(0.5, 0.0, 1.0, (0.0, 1.0)) == "|" + "-" * 11 + "o" + "-" * 10 + "|"
    assert bar(0.0, 0.0, 0.0, (0.0, 0.0)).strip() == "o"
    assert bar(1.0, 0.9, 1.0, (0.0, 1.0)).endswith("|-o")

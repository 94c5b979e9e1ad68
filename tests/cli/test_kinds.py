"""The same command for every kind of task and form of data."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow
FIT = ("--source", "bundled/strokes", "--budget", "20s", "--strategy", "probe", "--json")


@pytest.fixture
def pictures(tmp_path: Path) -> list[tuple[str, bool, bool, float]]:
    """(path, has a bar, is bright, brightness) of thirty pictures in `tmp_path/images`."""
    rng = np.random.default_rng(0)
    (tmp_path / "images").mkdir()
    rows = []
    for number in range(30):
        bar, light = bool(number % 2), float(rng.uniform(20, 200))
        pixels = rng.integers(0, 30, (24, 24, 3)) + int(light)
        if bar:
            pixels[10:14] = 255
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / "images" / f"{number}.png")
        rows.append((f"images/{number}.png", bar, light > 100, light))
    return rows


def answer(headstart: Any, *arguments: str) -> dict[str, Any]:
    done = headstart("fit", *arguments, *FIT)
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout))


def test_several_labels_a_picture(pictures: list[Any], headstart: Any, tmp_path: Path) -> None:
    lines = ["path,label"]
    lines += [f"{p},{';'.join([*['bar'] * b, *['bright'] * lit]) or 'plain'}" for p, b, lit, _ in pictures]
    (tmp_path / "many.csv").write_text("\n".join(lines) + "\n")
    found = answer(headstart, "many.csv", "--task", "multilabel")
    assert found["task"]["kind"] == "multilabel"
    scores = {r["strategy"]: r["score"] for r in found["answer"]["rows"]}
    assert scores["probe"] > scores["majority"]
    done = headstart("predict", found["run"], "images/0.png", "--format", "json")
    assert done.returncode == 0, done.stderr


def test_a_number_for_each_picture(pictures: list[Any], headstart: Any, tmp_path: Path) -> None:
    lines = [json.dumps({"file": p, "brightness": light}) for p, _, _, light in pictures]
    (tmp_path / "numbers.jsonl").write_text("\n".join(lines) + "\n")
    found = answer(headstart, "numbers.jsonl", "--label-column", "brightness")
    assert (found["task"]["kind"], found["task"]["metric"]) == ("regression", "MAE")
    scores = {r["strategy"]: r["score"] for r in found["answer"]["rows"]}
    assert scores["probe"] < scores["majority"]
    assert headstart("verify", found["run"]).returncode == 0
    assert (Path(tmp_path / found["run"]) / "report.html").is_file()


def test_an_archive(pictures: list[Any], headstart: Any, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "photos.zip", "w") as archive:
        for path, bar, _, _ in pictures:
            archive.write(tmp_path / path, f"photos/{'bar' if bar else 'plain'}/{Path(path).name}")
    found = answer(headstart, "photos.zip")
    assert found["task"]["labels"] == ["bar", "plain"]
    assert next(r["score"] for r in found["answer"]["rows"] if r["strategy"] == "probe") > 0.9

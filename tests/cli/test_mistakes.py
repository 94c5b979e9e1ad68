"""A user's mistake is one sentence on stderr, exit code 2, and nothing half-written."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow
SOURCE = ("--source", "bundled/strokes", "--budget", "10s")


def classes(root: Path, sizes: dict[str, int]) -> Path:
    rng = np.random.default_rng(1)
    for label, count in sizes.items():
        (root / label).mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8)).save(root / label / f"{number}.png")
    return root


MISTAKES = {
    "no such folder": (["fit", "nowhere"], "nowhere"),
    "empty folder": (["fit", "empty"], "empty"),
    "a text file": (["fit", "notes.txt"], "notes.txt"),
    "one class": (["fit", "one-class", *SOURCE], "class"),
    "one image of a class": (["fit", "lonely", *SOURCE], "HS"),
    "no labels": (["fit", "flat", *SOURCE], "label"),
    "source that does not exist": (["fit", "fine", "--source", "timm/resnet8000"], "resnet8000"),
    "provider that does not exist": (["fit", "fine", "--source", "tim/resnet18"], "tim"),
    "missing checkpoint": (["fit", "fine", "--source", "file:nothing.safetensors"], "nothing.safetensors"),
    "weights that are not here": (["fit", "fine", "--source", "timm/vit_large_patch16_224"], "--download"),
    "a budget in words": (["fit", "fine", *SOURCE[:2], "--budget", "soon"], "--budget"),
    "a strategy that does not exist": (["fit", "fine", *SOURCE, "--strategy", "prove"], "--strategy"),
    "a run folder with other things": (["fit", "fine", *SOURCE, "--out", "fine"], "holds no run"),
    "a label column that is not there": (["check", "table.csv", "--label-column", "lable"], "label"),
    "no run to report": (["report", "empty"], "run.json"),
    "no model to predict with": (["predict", "empty", "fine/a/0.png"], "empty"),
    "an option that does not exist": (["fit", "fine", "--sauce", "x"], "--sauce"),
    "a stage that does not exist": (["fit", "fine", *SOURCE, "--freeze", "layer99"], "layer99"),
    "an optimizer that does not exist": (["fit", "fine", *SOURCE, "--optimizer", "adam9"], "adam9"),
}


@pytest.fixture
def mess(tmp_path: Path) -> Path:
    (tmp_path / "empty").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    classes(tmp_path / "one-class", {"a": 6})
    classes(tmp_path / "lonely", {"a": 6, "b": 1})
    classes(tmp_path / "fine", {"a": 6, "b": 6})
    classes(tmp_path / "flat", {".": 4})
    (tmp_path / "table.csv").write_text("path,label\nfine/a/0.png,a\nfine/b/0.png,b\n")
    return tmp_path


@pytest.mark.parametrize("name", MISTAKES)
def test_one_sentence_and_code_two(name: str, mess: Path, headstart: Any) -> None:
    arguments, mentioned = MISTAKES[name]
    before = {path for path in mess.rglob("*") if path.is_file()}
    done = headstart(*arguments)
    assert done.returncode == 2, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert mentioned in done.stderr
    assert {path for path in mess.rglob("*") if path.is_file()} == before


def test_errors_keep_the_json_output_clean(mess: Path, headstart: Any) -> None:
    done = headstart("fit", "nowhere", "--json")
    assert (done.returncode, done.stdout) == (2, "")

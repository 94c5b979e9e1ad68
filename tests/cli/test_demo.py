"""`headstart demo`: real handwriting, where transfer pays and where it is not shown to."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from headstart.cli import _digits


@pytest.mark.parametrize(("draw", "shape"), [(_digits.plain, (8, 8)), (_digits.on_paper, (32, 32, 3))])
def test_pictures_are_the_same_for_the_same_seed(draw: _digits.Draw, shape: tuple[int, ...]) -> None:
    ink = np.eye(8)
    one, two = (draw(ink, np.random.default_rng(3)) for _ in range(2))
    assert one.shape == shape
    assert one.dtype == np.uint8
    np.testing.assert_array_equal(one, two)


def test_ink_can_be_told_from_paper() -> None:
    blank, full = np.zeros((8, 8)), np.ones((8, 8))
    for seed in range(50):
        paper, inked = (
            _digits.on_paper(ink, np.random.default_rng(seed)).astype(float) for ink in (blank, full)
        )
        assert abs(paper.mean() - inked.mean()) > 20


def test_training_and_test_items_differ(tmp_path: Path) -> None:
    folder = _digits.write(tmp_path / "data", _digits.plain, seed=0)
    train, test = ({p.name for p in folder.glob(f"{part}/*/*.png")} for part in ("train", "test"))
    assert (len(train), len(test)) == (100, 500)
    assert not train & test
    with Image.open(_digits.sheet(folder, tmp_path / "sheet.png")) as sheet:
        assert sheet.size == (480, 480)


@pytest.mark.slow
def test_the_demo_tells_where_transfer_pays(demo: Any, tmp_path: Path) -> None:
    done = demo("digits", ["probe"], "--budget", "40s")
    assert done.returncode == 0, done.stderr
    paper, plain = (
        json.loads((tmp_path / "out" / f"run-{name}-0" / "run.json").read_text())["answer"]
        for name in ("paper", "plain")
    )
    assert paper["verdict"]["sentence"] in done.stdout
    assert plain["verdict"]["sentence"] in done.stdout
    scores = {row["strategy"]: row["score"] for row in paper["rows"]}
    assert scores["probe"] > scores["pixels"] + 0.3
    assert paper["test"]["value"] > 0.6

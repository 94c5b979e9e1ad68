"""watch through the front door: shift, abstention and what to label of items in use, and the exit code."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.slow


def test_items_like_those_learnt_from(forked: Any, with_pool: Path, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    done = forked(with_pool, "watch", "runs/labelled-1", "pool", "--n", "3", "--risk", "0.3", "--page", page)
    assert done.returncode == 0, done.stderr
    assert "watch     no shift to act on" in done.stdout
    assert "are not answered at a risk of 0.3" in done.stdout
    assert "shift     none: items are" in done.stdout
    assert done.stdout.count("\n   1  ") == 1
    drawn = page.read_text()
    assert all(part in drawn for part in ('id="watch"', "To label next", "Abstention:"))


def test_a_shift_that_is_real_leaves_with_1(forked: Any, with_pool: Path, tmp_path: Path) -> None:
    """Noise of the pool's sizes: none of it looks like a shape."""
    rng = np.random.default_rng(0)
    for row in range(40):
        noise = rng.integers(0, 256, (48, 48, 3), np.uint8)
        Image.fromarray(noise).save(tmp_path / f"{row}.png")
    done = forked(with_pool, "watch", "runs/labelled-1", tmp_path, "--n", "2", "--json")
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["real"] is True
    assert found["shift"]["auc"]["low"] > 0.6
    assert len(found["label_next"]["picks"]) == 2
    assert (found["abstention"] is None) == any("no rate of abstention" in note for note in found["notes"])


def test_what_is_labelled_but_for_a_pixel_is_not_proposed(
    forked: Any, with_pool: Path, tmp_path: Path
) -> None:
    for number, path in enumerate(sorted((with_pool / "labelled").rglob("*.png"))[:12]):
        image = np.array(Image.open(path))
        image[0, 0] ^= 1
        Image.fromarray(image).save(tmp_path / f"{number}.png")
    done = forked(with_pool, "watch", "runs/labelled-1", tmp_path)
    assert done.returncode == 1, "all are of one class"
    assert "nothing to label" in done.stdout


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("runs/labelled-1", "nowhere"), "nowhere"),
        (("labelled", "pool"), "labelled"),
        (("runs/labelled-1", "labelled"), "it is the source itself"),
        (("runs/labelled-1", "pool", "--risk", "2"), "between 0 and 1"),
        (("runs/labelled-1", "pool", "--page", "page.txt"), "ends in .html"),
    ],
)
def test_mistakes_are_one_sentence(forked: Any, with_pool: Path, words: tuple[str, ...], says: str) -> None:
    done = forked(with_pool, "watch", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1

"""Near-duplicates through the bundled source: a copy saved again is found, a look-alike is not."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

import headstart as hs
from headstart.run import near

pytestmark = pytest.mark.slow


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """240 blurred noise pictures of two classes; the first of the training part is in the test part again."""
    monkeypatch.setenv("HEADSTART_CACHE", str(tmp_path / "cache"))
    rng = np.random.default_rng(0)
    for number in range(240):
        noise = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8)).resize((64, 64))
        picture = noise.filter(ImageFilter.GaussianBlur(3))
        folder = tmp_path / "photos" / ("test" if number >= 160 else "train") / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        picture.save(folder / f"{number}.png")
        if number == 0:
            buffer = io.BytesIO()
            picture.resize((48, 48)).save(buffer, "JPEG", quality=70)
            copy = tmp_path / "photos" / "test" / "a" / "copy.jpg"
            copy.parent.mkdir(parents=True)
            copy.write_bytes(buffer.getvalue())
    return tmp_path / "photos"


def test_a_copy_in_the_test_part_is_a_finding(photos: Path) -> None:
    report = hs.check(photos)
    found = [f for f in report.findings if f.code in ("HS402", "HS405")]
    assert [f.code for f in found] == ["HS402"]
    assert "0.png" in found[0].message + found[0].where
    assert "copy.jpg" in found[0].message + found[0].where


def test_glyphs_of_a_few_pixels_are_left_alone() -> None:
    dots = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    assert not near.large_enough(hs.load(list(dots), labels=["a", "b"] * 20))

"""Near-duplicates through the bundled source: a copy saved again is found, a look-alike is not."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter

import headstart as hs
from headstart import sources, strategies
from headstart.core.features import FeatureSpec
from headstart.data.checks.duplicates import Pair
from headstart.errors import SourceError, StoreError
from headstart.modalities import image
from headstart.modalities.text.preprocessing import text_input
from headstart.passes import near_duplicates
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore
from headstart.testing.fakes import TinyBackbone, shapes

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
    assert not near_duplicates.large_enough(hs.load(list(dots), labels=["a", "b"] * 20))


def test_texts_are_held_against_what_a_source_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "t.csv").write_text(
        "text,label\n" + "".join(f"word {i} rain,{'ab'[i % 2]}\n" for i in range(12))
    )
    (tmp_path / "words.vec").write_text("2 2\nrain 1 0\nsoup 0 1\n")
    report = hs.check(tmp_path / "t.csv", source=f"vectors:{tmp_path / 'words.vec'}")
    (found,) = (f for f in report.findings if f.code == "HS215")
    assert "unknown" in found.message
    short = replace(sources.find(f"vectors:{tmp_path / 'words.vec'}"), name="tiny")
    short = replace(short, input=replace(text_input(short), max_length=0))
    monkeypatch.setattr(sources, "at_hand", lambda modality: [short])
    monkeypatch.setattr(sources, "find", lambda spec: short)
    (found,) = (f for f in hs.check(tmp_path / "t.csv").findings if f.code == "HS213")
    assert "12 of 12 texts (100.0%) are longer than the 0 tokens that tiny reads" in found.message


def test_a_source_that_does_not_suit_the_check(photos: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="only texts are checked for a source"):
        hs.check(photos, source="bundled/strokes")
    (tmp_path / "t.csv").write_text("text,label\nsome words here,a\nand others there,b\n")
    with pytest.raises(SourceError, match="it reads images"):
        hs.check(tmp_path / "t.csv", source="bundled/strokes")
    with pytest.raises(SourceError, match="not on this machine"):
        hs.check(tmp_path / "t.csv", source="hf/nobody/nothing")


def test_small_pictures_are_stored_in_the_same_pass(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What an arm without a source reads need not be decoded again."""
    assert strategies.facts("pixels").plain == image.STORED
    extract = StoreExtractor(FeatureStore(tmp_path), shapes(per_class=4))
    near_duplicates.find(TinyBackbone(), extract.dataset, extract, inputs=8)
    monkeypatch.setattr(image, "held", lambda *_: pytest.fail("it was decoded again"))
    assert extract(None, FeatureSpec(inputs=8)).inputs().shape == (12, 3, 8, 8)


def test_a_store_that_cannot_be_written_does_not_hinder_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    roots = []

    def find(backbone: object, dataset: object, extract: StoreExtractor) -> list[Pair]:
        roots.append(extract.store.root)
        if len(roots) == 1:
            raise StoreError(roots[0], "cannot be written (Read-only file system)")
        return []

    monkeypatch.setattr(near_duplicates, "find", find)
    dots = np.random.default_rng(0).integers(0, 256, (40, 8, 8), np.uint8)
    assert not near_duplicates.check(hs.load(list(dots), labels=["a", "b"] * 20)).errors
    assert len(set(roots)) == 2
    assert not roots[1].exists(), "nothing is kept"


def test_a_copy_of_a_recording_needs_no_source(tmp_path: Path) -> None:
    """240 clips of coloured noise; one of the training part is in the test part again, as Ogg and half as loud."""
    soundfile = pytest.importorskip("soundfile")
    pytest.importorskip("soxr")
    rng = np.random.default_rng(0)
    for number in range(240):
        color = 10 ** rng.normal(0, 0.4, 24)  # loudness of 24 bands
        wave = np.fft.irfft(np.fft.rfft(rng.normal(size=8000)) * np.repeat(color, 167)[:4001])
        wave *= 0.3 / np.abs(wave).max()
        folder = tmp_path / "clips" / ("test" if number >= 160 else "train") / "ab"[number % 2]
        folder.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / f"{number}.wav", wave, 8000)
        if number == 0:
            (tmp_path / "clips" / "test" / "a").mkdir(parents=True)
            soundfile.write(tmp_path / "clips" / "test" / "a" / "copy.ogg", wave / 2, 8000)
    (found,) = [f for f in hs.check(tmp_path / "clips").findings if f.code in ("HS402", "HS405")]
    assert found.code == "HS402"
    assert {"0.wav", "copy.ogg"} == {
        name for name in ("0.wav", "copy.ogg") if name in found.message + found.where
    }

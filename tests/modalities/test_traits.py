"""By what collections are told apart: of files whose making is known, and of items whose looks are."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from headstart.modalities import audio, image, text


def saved(form: str, mode: str = "RGB", **how: int) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, form, **how)
    return buffer.getvalue()


@pytest.mark.parametrize("quality", [30, 50, 75, 95, 100])
def test_the_quality_of_a_jpeg_is_that_it_was_saved_with(quality: int) -> None:
    data = saved("JPEG", quality=quality)
    assert image.traits(data, image.examine(data))["JPEG quality"] == pytest.approx(quality, abs=1)


def test_traits_of_pictures() -> None:
    data = saved("PNG", "L")
    found = image.traits(data, image.examine(data))
    assert found == {
        "file format": "PNG",
        "image size": "30 x 20",
        "width": 30,
        "height": 20,
        "colour mode": "L",
    }
    cut = saved("JPEG")[:20]
    assert "JPEG quality" not in image.traits(cut, image.examine(cut))


def test_looks_of_pictures() -> None:
    red = image.looks(Image.new("RGB", (40, 30), (255, 0, 0)))
    assert red == pytest.approx(
        {"brightness": 1 / 3, "contrast": 0, "colourfulness": 1, "sharpness": 0, "redness": 1}, abs=1e-9
    )
    stripes = np.tile(np.repeat(np.uint8([[0, 255]]), 3).reshape(1, 2, 3), (40, 20, 1))
    assert image.looks(Image.fromarray(stripes))["sharpness"] > 0.4
    assert image.looks(Image.new("RGB", (1, 1)))["sharpness"] == 0


def test_traits_and_looks_of_texts() -> None:
    data = "Caf\xe9 <b>GOOD</b> 12".encode("cp1252")
    found = text.traits(data, text.examine(data))
    assert found["encoding"] == "cp1252"
    assert found["length in words"] == 3
    assert found["markup"] == "tags or entities"
    assert found["letters"] == "both cases"
    assert text.traits(b"all small", text.examine(b"all small"))["letters"] == "lower case only"
    looks = text.looks(text.open_item(b"AB 12!"))
    assert looks["share of capitals"] == pytest.approx(2 / 6)
    assert looks["share of digits"] == pytest.approx(2 / 6)
    assert looks["share of punctuation"] == pytest.approx(1 / 6)
    assert text.terms(text.open_item(b"The book, the BOOK")) == ["the", "book", "the", "book"]


def test_traits_and_looks_of_recordings() -> None:
    pytest.importorskip("soundfile")
    rate = 16_000
    tone = 0.5 * np.sin(2 * np.pi * 440 * np.arange(2 * rate) / rate).astype(np.float32)
    tone[rate:] = 0
    data = audio.as_bytes((tone, rate))
    found = audio.traits(data, audio.examine(data))
    assert found["sample rate"] == "16 kHz"
    assert found["seconds"] == 2.0
    assert found["loudest value"] == pytest.approx(0.5, abs=0.01)
    looks = audio.looks(audio.open_item(data))
    assert looks["median frequency (Hz)"] == pytest.approx(440, abs=2)
    assert looks["share of pauses"] == pytest.approx(0.5, abs=0.02)
    assert looks["loudness (dB)"] == pytest.approx(10 * np.log10(0.5**2 / 2 / 2), abs=0.1)

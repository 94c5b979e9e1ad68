"""The description of an exported model suffices to feed it: inputs are made from its fields alone, and compared."""

from __future__ import annotations

import io
import json
import math
from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageOps

from headstart.modalities import audio, image, text
from headstart.modalities.audio.preprocessing import AudioPreprocessing
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.modalities.text.preprocessing import BI_ENCODER, TextPreprocessing

CONTRACTS = [
    ImagePreprocessing(size=(64, 64)),
    ImagePreprocessing(size=(32, 32), crop_pct=1.0, interpolation="bilinear"),
    ImagePreprocessing(size=(56, 56), crop_pct=56 / 58, interpolation="lanczos"),
    ImagePreprocessing(size=(48, 64), crop_pct=0.9),
    ImagePreprocessing(size=(40, 40), crop_pct=0.95, crop_mode="squash"),
    ImagePreprocessing(size=(48, 64), crop_mode="squash", crop_pct=1.0, interpolation="nearest"),
    ImagePreprocessing(size=(36, 36), crop_mode="border", crop_pct=1.0, mean=(0.4, 0.3, 0.2)),
    ImagePreprocessing(size=(36, 36), crop_pct=1.2),
    ImagePreprocessing(size=(32, 32), levels=(-100.0, 4095.0)),
]


def by_description(data: bytes, told: dict[str, Any]) -> np.ndarray:
    """uint8 `[3, H, W]` from the fields: nothing of Headstart is used."""
    picture = ImageOps.exif_transpose(Image.open(io.BytesIO(data)))
    if picture.mode.startswith("I"):
        deep, values = told["more_than_8_bits"], np.asarray(picture).astype(float)
        white = deep["white"] if not isinstance(deep["white"], dict) else deep["white"]["uint16"]
        share = (values - deep["black"]) / (white - deep["black"])
        picture = Image.fromarray(np.round(np.clip(255 * share, 0, 255)).astype(np.uint8))
    if picture.mode == "RGBA":
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "white"), picture)
    picture = picture.convert(told["colour"])
    resize, crop, (width, height) = told["resize"], told["crop"], picture.size
    assert resize["library"] == "Pillow"
    if resize["side"] == "shorter":
        long = math.floor(resize["to"] * max(width, height) / min(width, height))
        size = (resize["to"], long) if width <= height else (long, resize["to"])
    elif "ratio" in resize:
        r = eval(resize["ratio"], {"max": max, "min": min, "height": height, "width": width})
        size = (max(1, round(width / r)), max(1, round(height / r)))
    else:
        size = (resize["width"], resize["height"])
    picture = picture.resize(size, getattr(Image.Resampling, resize["filter"].upper()))
    across, down = (
        max(0, wanted - has)
        for wanted, has in zip((crop["width"], crop["height"]), picture.size, strict=True)
    )
    sides = (across // 2, down // 2, across - across // 2, down - down // 2)
    picture = ImageOps.expand(picture, sides, tuple(crop["padding"]))
    left, top = round((picture.width - crop["width"]) / 2), round((picture.height - crop["height"]) / 2)
    return np.asarray(picture.crop((left, top, left + crop["width"], top + crop["height"]))).transpose(
        2, 0, 1
    )


def pictures() -> list[bytes]:
    found, rng = [], np.random.default_rng(0)
    for width, height in ((97, 61), (20, 300), (300, 31), (32, 32)):
        for mode in ("RGB", "L", "RGBA", "I;16"):
            small = Image.fromarray(rng.integers(0, 256, (7, 9, 4)).astype(np.uint8)).resize((width, height))
            if mode == "I;16":
                small = Image.fromarray(rng.integers(0, 5000, (height, width)).astype(np.uint16))
            buffer, exif = io.BytesIO(), Image.Exif()
            exif[0x0112] = 6 if mode == "RGB" else 1
            (small if mode == "I;16" else small.convert(mode)).save(buffer, "PNG", exif=exif)
            found.append(buffer.getvalue())
    return found


@pytest.mark.parametrize(
    "contract", CONTRACTS, ids=lambda c: f"{c.crop_mode}-{c.size[0]}x{c.size[1]}-{c.crop_pct:.2f}-{c.levels}"
)
def test_a_picture_prepared_by_the_description_is_the_input(contract: ImagePreprocessing) -> None:
    told = json.loads(json.dumps(image.described(contract)))
    for data in pictures():
        assert np.array_equal(by_description(data, told), image.prepare(data, contract))


def test_the_words_say_what_matters() -> None:
    told = image.described(ImagePreprocessing(size=(32, 32), crop_pct=1.0, interpolation="bilinear"))
    words = " | ".join(told["steps"])
    for part in ("shorter side has 32 pixels", "floor(32 * longer / shorter)", "Pillow's bilinear filter", "antialiased",
                 "from the middle", "red, green, blue", "from 0 to 255", "EXIF", "on white"):  # fmt: skip
        assert part in words
    assert told["resize"]["antialias"] is True
    assert (
        "255 * (value - 0) / (4095 - 0)"
        in image.described(ImagePreprocessing(levels=(0.0, 4095.0)))["steps"][1]
    )


@pytest.mark.parametrize("pairs", ["joint", BI_ENCODER])
def test_texts_prepared_by_the_description_are_the_input(pairs: str) -> None:
    tokenizers = pytest.importorskip("tokenizers")
    known = ["[PAD]", "[CLS]", "[SEP]", "[UNK]", "query", ":", "a", "day", "late", "it", "works", "well"]
    made = tokenizers.Tokenizer(
        tokenizers.models.WordLevel({word: n for n, word in enumerate(known)}, "[UNK]")
    )
    made.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    made.post_processor = tokenizers.processors.TemplateProcessing(
        "[CLS] $A [SEP]", "[CLS] $A [SEP] $B:1 [SEP]:1", [("[CLS]", 1), ("[SEP]", 2)]
    )
    contract = TextPreprocessing(made.to_str(), max_length=7, prefix="query: ", pairs=pairs)
    told = json.loads(json.dumps(text.described(contract)))
    given = [("a day late it works well", "late"), ("it works", "a day late it works"), ("well", "well")]

    tokenizer = tokenizers.Tokenizer.from_str(contract.encoder)
    tokenizer.enable_truncation(told["truncation"]["max_length"], direction=told["truncation"]["side"])
    rows = []
    for first, second in given:
        texts = [told["prefix"] + first, *([told["prefix"] + second] if len(told["rows"]) == 6 else [])]
        found = [tokenizer.encode(*([one] if len(texts) == 2 else [one, second])) for one in texts]
        rows.append([row for one in found for row in (one.ids, [1] * len(one.ids), one.type_ids)])
    longest = max(len(row) for item in rows for row in item)
    assert told["padding"]["to"] == "the longest of the batch"
    filled = [[row + [told["padding"]["value"]] * (longest - len(row)) for row in item] for item in rows]
    items = [text.Text(*pair) for pair in given]
    expected = text.collate([text.prepare(item, contract) for item in items])
    assert np.array_equal(np.array(filled, np.int32), expected)
    assert any("'query: '" in step for step in told["steps"])


@pytest.mark.parametrize("recipe", ["wave", "wave-unit"])
def test_waves_prepared_by_the_description_are_the_input(recipe: str) -> None:
    pytest.importorskip("soundfile")
    soxr = pytest.importorskip("soxr")
    contract = AudioPreprocessing(recipe, rate=8000, longest=0.5)
    told = json.loads(json.dumps(audio.described(contract)))
    samples = np.random.default_rng(0).normal(0, 0.1, (16_000, 2)).astype(np.float32)
    mono = samples.mean(axis=1)[: round(told["longest"] * 16_000)]
    wave = soxr.resample(mono, 16_000, told["rate"], quality="HQ")
    if "variance" in told["steps"][3]:
        wave = (wave - wave.mean()) / np.sqrt(wave.var() + 1e-7)
    found = audio.prepare(audio.as_bytes((samples, 16_000)), contract)
    assert np.abs(found[0] - wave).max() < 1e-5
    assert told["rows"] == ["sample", "mask"]


def test_the_words_on_spectrograms_name_their_numbers() -> None:
    for recipe, words in (
        ("whisper", ("windows of 30 seconds", "Slaney", "8 under", "80 triangles", "every 160th")),
        ("ast", ("0.97", "20 Hz", "80 triangles", "divide by 9", "subtract -4")),
        ("mel", ("-30 dBFS", "Slaney", "0 to half the rate")),
    ):
        told = audio.described(AudioPreprocessing(recipe, mean=-4.0, std=4.5))
        assert all(part in told["steps"][3] for part in words), (recipe, told["steps"][3])
        assert told["recipe"]["recipe"] == recipe

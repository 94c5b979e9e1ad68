"""What every modality owes the rest of the house."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from headstart import modalities
from headstart.core.dataset import ArrayItem, TextItem
from headstart.data.items.entries import BytesItem
from headstart.errors import UnknownName
from headstart.modalities import audio, table
from headstart.modalities.audio.preprocessing import AudioPreprocessing
from headstart.modalities.base import Compared, Modality, Things
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.modalities.text.encoding.words import WordEncoder
from headstart.modalities.text.preprocessing import TextPreprocessing

WORDS = WordEncoder(("red", "green", "blue")).to_json()
PREPROCESSINGS = [
    ImagePreprocessing(size=(24, 32)),
    ImagePreprocessing(size=(24, 24), crop_mode="squash", levels=(-100.0, 4095.0)),
    TextPreprocessing(WORDS, max_length=12, prefix="red "),
    TextPreprocessing(WORDS, pairs="apart"),
    AudioPreprocessing("wave-unit", longest=2.0),
    AudioPreprocessing("ast", mels=32, mean=-4.0, std=4.5),
    table.TablePreprocessing.of([{"a": 1, "b": "x"}, {"a": None, "b": "y"}]),
]
ITEMS = {
    "image": ArrayItem("a", np.arange(40 * 50 * 3, dtype=np.uint8).reshape(40, 50, 3)),
    "text": TextItem("a", "red and green", "blue"),
    "audio": BytesItem("a", audio.as_bytes((np.sin(np.arange(3000) / 5), 16_000))),
    "table": BytesItem("a", table.as_bytes({"a": 2, "b": "y"})),
}
OF_SOME = {"beginning", "count", "lines", "summary", "terms"}
"""Methods that belong to a capability."""


@pytest.mark.parametrize("name", modalities.MODALITIES.own())
def test_a_modality_has_all_that_is_asked_of_one(name: str) -> None:
    room: Any = modalities.get(name)
    owed = [*vars(Modality).items(), *vars(Compared).items()]
    owed += () if room.IN_WORDS else vars(Things).items()
    methods = {key for key, value in owed if callable(value) and not key.startswith("_")}
    lacking = [key for key in {*Modality.__annotations__, *methods} - OF_SOME if not hasattr(room, key)]
    assert not lacking
    assert hasattr(room, "terms") == room.IN_WORDS
    assert hasattr(room, "beginning") == hasattr(room, "lines") == room.IN_LINES
    assert hasattr(room, "count") == (room.PLAIN.max_length is not None)
    assert hasattr(room, "telling") != room.IN_WORDS
    assert hasattr(room, "summary") == (room.COPIES_FROM is not None)
    assert room.DEFAULT_VIEW in room.VIEWS
    assert room.PLAIN.modality == name


@pytest.mark.parametrize(
    "reads", [*PREPROCESSINGS, *(modalities.get(n).PLAIN for n in ("image", "text", "audio", "table"))]
)
def test_a_preprocessing_is_read_back_from_json_and_files(reads: Any) -> None:
    said = json.loads(json.dumps(reads.to_json()))
    kind = modalities.preprocessing_of(said)
    assert sorted(reads.files()) == sorted(kind.FILES)
    kind.audit(said)
    assert kind.from_json(said, reads.files()) == reads


@pytest.mark.parametrize("reads", PREPROCESSINGS)
def test_prepared_items_have_the_signature(reads: Any) -> None:
    if reads.modality == "audio":
        pytest.importorskip("soundfile")
    room, signature = modalities.get(reads.modality), reads.signature()
    one = room.prepare(ITEMS[reads.modality].read(), reads)
    batch = room.collate([one, one])
    assert signature.fits(batch)
    assert signature.fits(signature.blank(2))
    assert signature.fits(room.dummy_batch(reads, 3, pairs=reads.apart))
    assert not signature.fits(batch.astype(np.float64))
    assert not signature.fits(batch[:0])
    assert not signature.fits(batch[:, :1])
    if reads.columns_read is None:
        assert (reads.size is None) == (reads.max_length is not None)


def test_what_has_a_size_can_be_scaled_and_nothing_else() -> None:
    images, texts = PREPROCESSINGS[1], PREPROCESSINGS[2]
    assert images.scaled((8, 8)) == ImagePreprocessing(
        size=(8, 8), crop_mode="squash", levels=(-100.0, 4095.0)
    )
    as_stored = images.scaled((8, 8), stored=True)
    assert as_stored.cut_as_stored
    assert not images.cut_as_stored
    with pytest.raises(ValueError, match="has no size"):
        texts.scaled((8, 8))


def test_endings_of_files_tell_the_modality() -> None:
    assert {ending: modalities.of_ending(ending) for ending in (".jpg", ".txt", ".wav", ".xyz", "")} == {
        ".jpg": "image",
        ".wav": "audio",
        ".txt": "text",
        ".xyz": "",
        "": "",
    }
    assert {".jpg", ".txt"} <= modalities.endings()


def test_a_modality_that_there_is_not() -> None:
    with pytest.raises(UnknownName, match=r"'imag'.*image"):
        modalities.get("imag")

"""Sounds: what a decoder must survive, how they are prepared and varied, and how they come from memory."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from headstart import _lazy, modalities
from headstart.core.untrusted import limits
from headstart.errors import AudioError, BadOption, MissingExtra, UnknownName
from headstart.modalities import audio
from headstart.modalities.audio.decoding import _decode
from headstart.modalities.audio.preprocessing import RECIPES, AudioPreprocessing
from headstart.modalities.base import Examination
from sounds import soundfile, tone, written

FORMS = [
    ("WAV", "PCM_16"), ("WAV", "PCM_U8"), ("WAV", "PCM_24"), ("WAV", "PCM_32"), ("WAV", "FLOAT"), ("WAV", "ULAW"),
    ("FLAC", "PCM_16"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", "MPEG_LAYER_III"),
    ("AIFF", "PCM_16"), ("AU", "PCM_16"), ("CAF", "PCM_16"), ("W64", "PCM_16"), ("RF64", "PCM_16"),
]  # fmt: skip
LOSSY = {"VORBIS", "OPUS", "MPEG_LAYER_III"}
CONTRACT = AudioPreprocessing("whisper", mels=20, longest=1.0)


def two_channels(seconds: float = 1.0) -> np.ndarray:
    return np.stack([tone(440, seconds, rate=48_000), tone(880, seconds, rate=48_000, seed=1)], axis=1)


@pytest.mark.parametrize(("form", "kind"), FORMS)
def test_every_form_is_decoded_and_mixed_down(form: str, kind: str) -> None:
    given = two_channels()
    data = written(given, 48_000, form, kind)
    assert modalities.of_content(data) == "audio"
    seen = audio.examine(data)
    assert (seen.problem, seen.facts, seen.size, seen.mode) == ("", ("HS222",), (48_000, 48_000), "2")
    opened = audio.open_item(data)
    assert (opened.rate, opened.seconds, opened.channels) == (48_000, 1.0, 2)
    error = np.abs(opened.samples - given.mean(axis=1))[1000:-1000]  # some codecs swing in
    assert error.max() < (0.15 if kind in LOSSY else 0.02 if kind in ("PCM_U8", "ULAW") else 1e-3)
    assert error.mean() < 0.012


@pytest.mark.parametrize(
    ("form", "kind"), [pair for pair in FORMS if pair[0] not in ("AU", "CAF", "W64", "RF64")]
)
def test_files_that_are_cut_off_are_told(form: str, kind: str, capfd: pytest.CaptureFixture[str]) -> None:
    data = written(two_channels(), 48_000, form, kind)
    for share in (0.3, 0.6, 0.9):
        assert audio.examine(data[: int(share * len(data))]).problem == "HS104"
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize(
    ("data", "code", "words"),
    [
        (b"", "HS102", "the file is empty"),
        (b"good morning", "HS110", "not a recording"),
        (b"\xff\xd8\xff\xe0" + bytes(100), "HS110", "not a recording"),
        (b"RIFF\x24\0\0\0WAVE", "HS104", "damaged or cut off"),
        (b"fLaC" + bytes(100), "HS104", "damaged or cut off"),
        (b"OggS" + bytes(200), "HS104", "damaged or cut off"),
        (b"\0\0\0\x20ftypM4A \0\0\0\0", "HS109", "MPEG-4 audio .* ffmpeg"),
        (b"\xff\xf1\x50\x80" + bytes(100), "HS109", "AAC"),
        (b"0&\xb2u\x8ef\xcf\x11", "HS109", "Windows Media Audio"),
        (b"MThd\0\0\0\6", "HS109", "MIDI, which holds notes"),
        (written(np.zeros(0, np.float32)), "HS102", "not one sample"),
        (written(np.array([0.1, np.nan, 0.2] * 500, np.float32), kind="FLOAT"), "HS108", "NaN"),
        (written(np.array([100.0, -32767.0] * 500, np.float32), kind="FLOAT"), "HS111", "reach 32,767"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_sentence(data: bytes, code: str, words: str) -> None:
    seen = audio.examine(data)
    assert seen.problem == code
    with pytest.raises(AudioError, match=words) as caught:
        audio.open_item(data)
    assert caught.value.code == code
    assert "\n" not in str(caught.value)
    assert audio.weight(data, audio.PLAIN) >= 1


@pytest.mark.parametrize(
    ("samples", "fact"),
    [
        (np.zeros(8000), "HS219"),
        (1e-4 * tone(440, 1), "HS219"),
        (np.clip(10 * tone(440, 1), -1, 1), "HS220"),
        (tone(440, 0.05), "HS221"),
        (tone(440, 1), ""),
    ],
)
def test_what_is_worth_knowing(samples: np.ndarray, fact: str) -> None:
    seen = audio.examine(written(samples))
    assert seen.problem == ""
    assert ",".join(seen.facts) == fact
    assert Examination.from_json(json.loads(json.dumps(seen.to_json()))) == seen


def test_recordings_of_several_rates_are_told_together() -> None:
    looked = [audio.examine(written(tone(440, rate=rate), rate)) for rate in (8000, 16000, 16000)]
    assert audio.settle(None, looked).said == (("HS223", "2 of 16 kHz, 1 of 8 kHz"),)
    assert audio.settle(None, looked[1:]).said == ()
    assert audio.settle(None, looked, find=False).said == ()
    with pytest.raises(BadOption, match="no white point"):
        audio.settle((0.0, 1.0), looked)


def test_no_more_is_decoded_than_may_be(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(tone(440, 3.0))
    monkeypatch.setattr(limits, "SECONDS", 1.0)
    opened = audio.open_item(data)
    assert (len(opened.samples), opened.seconds) == (8000, 3.0)
    monkeypatch.setattr(limits, "HELD", 4000)
    opened = audio.open_item(data)
    assert len(opened.samples) == 4000
    told = audio.unread(opened, audio.prepare(opened, CONTRACT), CONTRACT)
    assert told == "the first 0.5 of 3.0 seconds are read"
    monkeypatch.setattr(limits, "SAMPLES", 10_000)
    monkeypatch.setattr(_decode, "BLOCK", 4_000)
    assert audio.examine(data).problem == "HS105"


def test_a_header_that_lies_asks_for_no_memory() -> None:
    data = bytearray(written(tone(440)))
    data[40:44] = (0x7FFFFF00).to_bytes(4, "little")
    assert audio.examine(bytes(data)).width == 4000
    data[24:28] = (2**31 - 1).to_bytes(4, "little")
    assert audio.examine(bytes(data)).problem == "HS104"


def test_without_the_packages_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    data = written(tone(440))

    def absent(module: str) -> Any:
        raise ModuleNotFoundError(name=module)

    monkeypatch.setattr(_lazy.importlib, "import_module", absent)
    with pytest.raises(MissingExtra, match=r"'soundfile'.*headstart\[audio\]"):
        audio.open_item(data)
    with pytest.raises(MissingExtra, match=r"'soxr'.*headstart\[audio\]"):
        audio.prepare(audio.Recording(tone(440), 8000, 0.5), CONTRACT)


@pytest.mark.parametrize("recipe", RECIPES)
def test_prepared_batches_have_values_and_a_mask(recipe: str) -> None:
    contract = AudioPreprocessing(recipe, mels=20, longest=1.0)
    short, long = (audio.prepare(written(tone(440, s)), contract) for s in (0.3, 3.0))
    assert long.shape == (contract.channels, contract.max_length) or recipe == "ast"
    assert (short[-1] == 1).all()
    batch = audio.collate([short, long])
    assert contract.signature().fits(batch)
    assert np.array_equal(batch[0, :, : short.shape[1]], short)
    assert not batch[0, :, short.shape[1] :].any()
    stored = audio.stored(written(tone(440, 0.3)), contract, 100)
    assert stored.shape == (contract.channels, 100)
    counted = audio.count(written(tone(440, 0.3)), contract)
    assert short.shape[1] <= counted.read == counted.tokens
    assert audio.count(audio.open_item(written(tone(440, 3.0))), contract).read == contract.max_length
    assert counted.unit == ("samples" if contract.waves else "frames")


def test_what_is_beyond_the_longest_is_told() -> None:
    opened = audio.open_item(written(tone(440, 3.0)))
    told = audio.unread(opened, audio.prepare(opened, CONTRACT), CONTRACT)
    assert told == "the first 1 of 3.0 seconds are read"
    assert audio.unread(opened, audio.prepare(opened, CONTRACT), replace(CONTRACT, longest=3.0)) == ""


def test_views_depend_on_key_and_number_alone() -> None:
    data = written(tone(440))
    plain = audio.prepare(data, CONTRACT)
    one, again, other, key = (
        audio.prepare(data, CONTRACT, view=view, key=key)
        for view, key in ((1, "a"), (1, "a"), (2, "a"), (1, "b"))
    )
    assert np.array_equal(one, again)
    assert not any(np.array_equal(one, found) for found in (plain, other, key))
    assert np.array_equal(audio.prepare(data, CONTRACT, view=1, kind="none"), plain)
    hidden = audio.prepare(data, CONTRACT, view=3, kind="masks", key="a") != plain
    assert 0 < hidden.mean() < 0.5
    assert (one[-1] == 1).all()
    with pytest.raises(UnknownName, match="noise-masks"):
        audio.prepare(data, CONTRACT, view=1, kind="noise-mask")


def test_longer_recordings_weigh_more_whatever_their_form() -> None:
    one, two = tone(440, 1.0), tone(440, 2.0)
    assert (
        audio.weight(written(one), audio.PLAIN)
        == audio.weight(written(one, form="FLAC"), audio.PLAIN)
        == audio.WEIGHT
    )
    assert audio.weight(written(two, form="FLAC"), audio.PLAIN) == 2 * audio.WEIGHT


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"recipe": "mfcc"}, "does not know"), ({"pooling": "sum"}, "does not know"), ({"rate": 10}, "rate of 10"),
        ({"mels": 0}, "0 bands"), ({"n_fft": 1}, "from 1 samples"), ({"hop": 500}, "hop of 500"),
        ({"seconds": 0.0}, "windows of 0 seconds"), ({"longest": 1e6}, "recordings of 1e"), ({"std": 0.0}, "deviation"),
        ({"rate": "16000"}, "not a whole number"), ({"mean": float("nan")}, "deviation"),
    ],
)  # fmt: skip
def test_a_preprocessing_that_no_source_has(change: dict[str, Any], words: str) -> None:
    with pytest.raises((ValueError, TypeError, KeyError), match=words):
        AudioPreprocessing.audit({**AudioPreprocessing().to_json(), **change})


@pytest.mark.parametrize(
    ("entry", "held"),
    [
        ((np.zeros(800), 8000), True), ((np.zeros((2, 800)), np.int64(8000)), True),
        ({"array": [0.0, 1.0], "sampling_rate": 8000}, True),
        ({"array": np.zeros(9), "sampling_rate": 8000, "path": None}, True),
        ((np.zeros(800), "label"), False), ((np.zeros(800), 1), False), ((np.zeros((9, 9, 3)), 8000), False),
        ([np.zeros(800), 8000], False), (("a", 8000), False), ({"array": None, "sampling_rate": 8000}, False),
        ({"path": "a.wav"}, False), (np.zeros(800), False), ((np.zeros(800), True), False),
    ],
)  # fmt: skip
def test_what_is_a_sound_in_memory(entry: Any, held: bool) -> None:
    assert audio.holds(entry) is held
    assert (modalities.of_object(entry) == "audio") is held


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.uint8, np.float32, np.float64])
def test_arrays_become_files_that_are_read_back(dtype: type) -> None:
    wave = tone(440, 0.2)
    whole = {np.int16: 32767, np.int32: 2**31 - 1, np.uint8: 127}.get(dtype)
    given = wave if whole is None else wave * whole + (128 if dtype is np.uint8 else 0)
    for array in (given.astype(dtype), np.stack([given, given]).astype(dtype)):
        opened = audio.open_item(audio.as_bytes((array, 16_000)))
        assert opened.rate == 16_000
        assert np.abs(opened.samples - wave).max() < (0.02 if dtype is np.uint8 else 1e-3)
    found, rate = soundfile.read(__import__("io").BytesIO(audio.as_bytes((given.astype(dtype), 16_000))))
    assert (len(found), rate) == (len(wave), 16_000)


@pytest.mark.parametrize(
    "entry",
    [
        (np.zeros((3, 3, 3)), 8000), (np.array(["a"] * 900), 8000), (np.zeros(900, complex), 8000),
        (np.zeros(900), 5), (np.zeros((900, 900)), 8000), {"array": [[1.0], [1.0, 2.0]], "sampling_rate": 8000},
    ],
)  # fmt: skip
def test_arrays_that_are_no_recording(entry: Any) -> None:
    with pytest.raises(AudioError):
        audio.as_bytes(entry)


def test_a_picture_of_the_loudest_seconds_and_what_is_to_be_heard() -> None:
    quiet = 0.01 * tone(300, 4.0, rate=16_000)
    opened = audio.open_item(audio.as_bytes((np.concatenate([quiet, tone(6000, 3.0, rate=16_000)]), 16_000)))
    picture, heard = audio.shown(opened)
    assert (picture.size, picture.mode) == ((96, 64), "RGB")
    light = np.asarray(picture.convert("L")).mean(axis=1)
    assert light.argmax() < 16  # the high tone, not the low one
    assert heard.startswith("data:audio/mpeg;base64,")
    assert len(heard) < 20_000
    silent, _ = audio.shown(audio.Recording(np.zeros(10, np.float32), 8000, 0.001))
    assert silent.size == (96, 64)


def test_a_mask_hides_what_fills_up_in_made_up_batches() -> None:
    batch = audio.dummy_batch(CONTRACT, 3)
    assert batch.shape[:2] == (3, 21)
    assert list(batch[:, -1].sum(axis=1)) == sorted(batch[:, -1].sum(axis=1))
    assert np.array_equal(batch, audio.dummy_batch(CONTRACT, 3))

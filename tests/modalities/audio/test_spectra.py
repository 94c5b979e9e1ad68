"""Waves and spectrograms against the feature extractors of transformers, and resampling against a sine."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from headstart.modalities import audio
from headstart.modalities.audio._spectra import frames_of, kaldi, slaney
from headstart.modalities.audio.preprocessing import AST, MEL, UNIT, WAVE, WHISPER, AudioPreprocessing

RATE = 16_000
LENGTHS = (400, 16_000, 5 * RATE + 77, 30 * RATE - 100, 30 * RATE)


def sound(length: int) -> np.ndarray:
    rng = np.random.default_rng(length)
    swell = np.sin(np.arange(length) / 3000)
    return (0.1 * rng.standard_normal(length) * swell + 0.01).astype(np.float32)


def extractor(name: str, **options: Any) -> Any:
    transformers = pytest.importorskip("transformers")
    return getattr(transformers, name)(**options)


@pytest.mark.parametrize("length", LENGTHS)
def test_whispers_frames_of_the_recording_alone(length: int) -> None:
    own = frames_of(sound(length), AudioPreprocessing(WHISPER))
    (theirs,) = extractor("WhisperFeatureExtractor")(sound(length), sampling_rate=RATE)["input_features"]
    assert own.shape == (80, -(-length // 160))
    assert np.abs(own - theirs[:, : own.shape[1]]).max() < 1e-4
    if own.shape[1] < 2990:  # what fills up is what the contract says
        assert np.abs(theirs[:, own.shape[1] + 2 :] - max(own.max() - 2, -1.5)).max() < 1e-4


def test_each_window_of_whisper_is_one_of_its_own() -> None:
    contract = AudioPreprocessing(WHISPER, seconds=1.0)
    long = np.concatenate([sound(RATE), 0.01 * sound(RATE), sound(1000)])
    parts = [frames_of(part, contract) for part in (long[:RATE], long[RATE : 2 * RATE], long[2 * RATE :])]
    assert np.array_equal(frames_of(long, contract), np.concatenate(parts, axis=1))


@pytest.mark.parametrize("length", LENGTHS)
def test_waves_of_unit_variance(length: int) -> None:
    own = frames_of(sound(length), AudioPreprocessing(UNIT))
    made = extractor("Wav2Vec2FeatureExtractor", do_normalize=True)
    (theirs,) = made(sound(length), sampling_rate=RATE)["input_values"]
    assert np.abs(own[0] - theirs).max() < 1e-5
    assert np.array_equal(frames_of(sound(length), AudioPreprocessing(WAVE))[0], sound(length))


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("length", LENGTHS)
def test_filter_banks_of_the_spectrogram_transformer(length: int) -> None:
    contract = AudioPreprocessing(AST, mels=128, mean=-4.2677393, std=4.5689974)
    own = frames_of(sound(length), contract)
    made = extractor("ASTFeatureExtractor", max_length=4000)
    (theirs,) = made(sound(length), sampling_rate=RATE, return_tensors="np")["input_values"]
    assert own.shape == (128, 1 + (length - 400) // 160)
    assert np.abs(own - theirs.T[:, : own.shape[1]]).max() < 1e-4
    assert theirs[-1, 0] == pytest.approx(-contract.mean / (2 * contract.std))


def test_filters_against_those_of_transformers() -> None:
    theirs = pytest.importorskip("transformers.audio_utils").mel_filter_bank
    for mels, top in ((40, 8000.0), (80, 8000.0), (20, 4000.0)):
        expected = theirs(201, mels, 0.0, top, RATE, norm="slaney", mel_scale="slaney")
        assert np.abs(slaney(RATE, 400, mels, top) - expected).max() < 1e-12
    expected = theirs(257, 64, 20, 8000, RATE, mel_scale="kaldi", triangularize_in_mel_space=True)
    assert np.abs(kaldi(RATE, 512, 64) - expected).max() < 1e-12


def test_a_power_spectrogram_against_its_definition() -> None:
    samples = sound(3000) / np.sqrt(np.mean(sound(3000) ** 2)) * 0.1  # louder than -30 dBFS: left alone
    own = frames_of(samples.astype(np.float32), AudioPreprocessing(MEL, mels=40))
    assert own.shape == (40, 1 + 3000 // 160)
    padded = np.pad(samples.astype(np.float32).astype(float), 200, mode="reflect")
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(400) / 400)
    for frame in (0, 7, 18):
        part = padded[160 * frame : 160 * frame + 400] * window
        turns = np.exp(-2j * np.pi * np.outer(np.arange(201), np.arange(400)) / 400)
        expected = np.abs(turns @ part) ** 2 @ slaney(RATE, 400, 40, 8000)
        assert np.allclose(own[:, frame], expected, rtol=1e-4)


def test_quiet_recordings_are_made_louder_for_power_spectrograms() -> None:
    contract = AudioPreprocessing(MEL, mels=40)
    quiet, loud = (
        1e-4 * sound(8000),
        sound(8000) / np.sqrt(np.mean(sound(8000).astype(float) ** 2)) * 10**-1.5,
    )
    assert np.allclose(frames_of(quiet, contract), frames_of(loud, contract), rtol=1e-3)
    assert not frames_of(np.zeros(8000, np.float32), contract).any()


@pytest.mark.parametrize(("rate", "pitch"), [(8_000, 440.0), (44_100, 3000.0), (48_000, 7000.0)])
def test_a_sine_is_the_same_sine_at_another_rate(rate: int, pitch: float) -> None:
    pytest.importorskip("soxr")
    given = np.sin(2 * np.pi * pitch * np.arange(rate) / rate).astype(np.float32)
    found = audio.prepare(audio.Recording(given, rate, 1.0), AudioPreprocessing())[0]
    expected = np.sin(2 * np.pi * pitch * np.arange(RATE) / RATE)
    assert found.shape == expected.shape
    inner = slice(800, -800)  # at its ends a cut sine is no sine
    assert np.abs(found[inner] - expected[inner]).max() < 1e-4


def test_what_a_lower_rate_cannot_hold_is_gone() -> None:
    pytest.importorskip("soxr")
    high = np.sin(2 * np.pi * 12_000 * np.arange(48_000) / 48_000).astype(np.float32)
    found = audio.prepare(audio.Recording(high, 48_000, 1.0), AudioPreprocessing())[0]
    assert np.abs(found[800:-800]).max() < 1e-4


@pytest.mark.parametrize("recipe", [WAVE, UNIT, WHISPER, AST, MEL])
def test_even_one_sample_is_a_frame(recipe: str) -> None:
    found = audio.prepare(
        audio.Recording(np.array([0.5], np.float32), RATE, 1 / RATE), AudioPreprocessing(recipe)
    )
    assert found.shape[1] == 1
    assert np.isfinite(found).all()

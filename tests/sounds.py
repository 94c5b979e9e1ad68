"""Made-up sounds: tones of three classes, as samples and as files."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest

from headstart.core.dataset import Dataset
from headstart.core.task import Task
from headstart.data.items.entries import BytesItem

soundfile = pytest.importorskip("soundfile")
pytest.importorskip("soxr")

PITCHES = {"high": 1500.0, "low": 300.0, "mid": 700.0}
"""Hertz of each class."""
RATE = 8_000


def tone(pitch: float, seconds: float = 0.5, *, rate: int = RATE, seed: int = 0) -> np.ndarray:
    """float32 `[n]`: a sine of about that pitch, in some noise."""
    rng = np.random.default_rng(seed)
    time = np.arange(round(seconds * rate)) / rate
    exact = pitch * (1 + 0.02 * rng.standard_normal())
    wave = 0.3 * np.sin(2 * np.pi * exact * time + rng.uniform(0, 6)) + 0.02 * rng.standard_normal(len(time))
    return wave.astype(np.float32)


def written(samples: np.ndarray, rate: int = RATE, form: str = "WAV", kind: str = "PCM_16") -> bytes:
    """The bytes of a sound file."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, rate, format=form, subtype=kind)
    return buffer.getvalue()


def clips(per_class: int) -> list[tuple[str, np.ndarray]]:
    """(class, samples), classes in turn."""
    names = [name for _ in range(per_class) for name in PITCHES]
    return [(name, tone(PITCHES[name], 0.3 + 0.05 * (i % 5), seed=i)) for i, name in enumerate(names)]


def folder(place: Path, per_class: int = 8) -> Path:
    """A folder of class folders of .wav files."""
    for i, (name, samples) in enumerate(clips(per_class)):
        (place / name).mkdir(parents=True, exist_ok=True)
        (place / name / f"{i:02d}.wav").write_bytes(written(samples))
    return place


def labelled(kind: str = "classification", per_class: int = 8) -> Dataset:
    """Tones with their class, with one label each of several, or with their pitch in kilohertz."""
    made = clips(per_class)
    items = tuple(BytesItem(f"{i:02d}.wav", written(samples)) for i, (_, samples) in enumerate(made))
    number, labels = np.array([sorted(PITCHES).index(name) for name, _ in made]), tuple(sorted(PITCHES))
    if kind == "multilabel":
        return Dataset("tones", "audio", items, Task(kind, labels, "f1"), np.eye(3)[number])
    if kind == "regression":
        pitches = np.array([PITCHES[name] for name, _ in made]) / 1000
        return Dataset("tones", "audio", items, Task(kind, ("pitch",), "mae"), pitches)
    return Dataset("tones", "audio", items, Task(kind, labels, "accuracy"), number.astype(np.int64))

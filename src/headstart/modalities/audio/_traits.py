"""What tells one collection of recordings from another: how their files were made, and how they sound."""

from __future__ import annotations

import numpy as np

from headstart.modalities.audio.decoding._decode import Recording
from headstart.modalities.base import Examination

FRAME = 0.025
"""Seconds."""
SECONDS = 10.0
"""How much of a recording is listened to."""
QUIET = 30.0
"""Decibels under the loudest frame from which on a frame is a pause."""


def traits(data: bytes, seen: Examination) -> dict[str, float | str]:  # noqa: ARG001 - examined fully
    """Of the file: format, rate, channels, type of values, length in seconds, and its loudest value."""
    return {
        "file format": seen.format,
        "sample rate": f"{seen.height / 1000:g} kHz",
        "channels": seen.mode,
        "type of values": seen.values,
        "seconds": seen.width / max(1, seen.height),
        "loudest value": max(abs(seen.low), abs(seen.high)),
    }


def looks(opened: Recording) -> dict[str, float]:
    """Of what is heard: loudness in decibels under full scale, where the middle of its energy lies in the
    spectrum (Hz), and the share of pauses."""
    samples = opened.samples[: round(SECONDS * opened.rate)].astype(np.float64)
    size = max(1, round(FRAME * opened.rate))
    power = np.abs(np.fft.rfft(samples)) ** 2
    power[0] = 0.0
    pitch = np.fft.rfftfreq(len(samples), 1 / opened.rate)
    half = np.searchsorted(np.cumsum(power), power.sum() / 2)
    padded = np.pad(samples, (0, -len(samples) % size)).reshape(-1, size)
    level = 10 * np.log10(np.maximum((padded**2).mean(axis=1), 1e-12))
    return {
        "loudness (dB)": float(10 * np.log10(max((samples**2).mean(), 1e-12))),
        "median frequency (Hz)": float(pitch[min(half, len(pitch) - 1)]),
        "share of pauses": float((level < level.max() - QUIET).mean()),
    }

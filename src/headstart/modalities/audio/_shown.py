"""A recording for the report: its loudest seconds as a picture of frequencies, and to be listened to."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

from headstart._lazy import optional
from headstart.modalities.audio._decode import Recording
from headstart.modalities.audio._spectra import frames_of
from headstart.modalities.audio.preprocessing import WHISPER, AudioPreprocessing

if TYPE_CHECKING:
    from PIL.Image import Image

SECONDS = 3.0
RATE = 16_000
BANDS, WIDTH = 64, 96
"""Height of the picture, low frequencies at the bottom, and its width, in pixels."""
_SHADES = np.array([(16, 18, 48), (32, 78, 128), (72, 150, 160), (168, 206, 150), (252, 240, 168)], float)
"""From soft to loud; lighter throughout, so that it reads without colours."""


def shown(opened: Recording) -> tuple[Image, str]:
    """An RGB image of at most `SECONDS`, and the same as a `data:` address of an MP3; "" where libsndfile
    writes none. Raises `MissingExtra`."""
    from PIL import Image

    part = _loudest(opened)
    values = frames_of(part, AudioPreprocessing(WHISPER, rate=RATE, mels=BANDS))
    shade = np.clip(values - values.max() + 2, 0, 2) * (len(_SHADES) - 1) / 2
    colours = [np.interp(shade, np.arange(len(_SHADES)), channel) for channel in _SHADES.T]
    picture = Image.fromarray(np.stack(colours, axis=-1)[::-1].round().astype(np.uint8))
    return picture.resize((WIDTH, BANDS), Image.Resampling.BILINEAR), _listened(part)


def _loudest(opened: Recording) -> np.ndarray:
    """float32 `[n]` at `RATE`: of all stretches of `SECONDS` that with most energy."""
    samples, long = opened.samples, round(SECONDS * opened.rate)
    if len(samples) > long:
        energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
        start = int(np.argmax(energy[long:] - energy[:-long]))
        samples = samples[start : start + long]
    if opened.rate == RATE:
        return samples
    soxr = optional("soxr", extra="audio", needed_for="resampling recordings")
    found: np.ndarray = soxr.resample(samples, opened.rate, RATE)
    return found if len(found) else np.zeros(1, np.float32)


def _listened(samples: np.ndarray) -> str:
    library = optional("soundfile", extra="audio", needed_for="reading recordings")
    if "MP3" not in library.available_formats():
        return ""
    buffer = io.BytesIO()
    library.write(buffer, np.clip(samples, -1, 1), RATE, format="MP3", compression_level=0.9)
    return f"data:audio/mpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"

"""A recording for the report: its loudest seconds as a picture of frequencies, and to be listened to."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

from headstart._lazy import optional
from headstart.modalities.audio.decoding._decode import Recording, resampled

if TYPE_CHECKING:
    from PIL.Image import Image

SECONDS = 3.0
RATE = 16_000
WIDTH = 96
"""Of the picture, in pixels."""
_SHADES = np.array([(16, 18, 48), (32, 78, 128), (72, 150, 160), (168, 206, 150), (252, 240, 168)], float)
"""From soft to loud; lighter throughout, so that it reads without colours."""


def loudest(opened: Recording) -> np.ndarray:
    """float32 `[n]` at `RATE`: of all stretches of `SECONDS` that with most energy. Raises `MissingExtra`."""
    samples, long = opened.samples, round(SECONDS * opened.rate)
    if len(samples) > long:
        energy = np.concatenate([[0.0], np.cumsum(np.square(samples, dtype=np.float64))])
        start = int(np.argmax(energy[long:] - energy[:-long]))
        samples = samples[start : start + long]
    return resampled(samples, opened.rate, RATE)


def drawn(values: np.ndarray) -> Image:
    """Whisper's values `[bands, T]` as an RGB image, low frequencies at the bottom."""
    from PIL import Image

    shade = np.clip(values - values.max() + 2, 0, 2) * (len(_SHADES) - 1) / 2
    colours = [np.interp(shade, np.arange(len(_SHADES)), channel) for channel in _SHADES.T]
    picture = Image.fromarray(np.stack(colours, axis=-1)[::-1].round().astype(np.uint8))
    return picture.resize((WIDTH, len(values)), Image.Resampling.BILINEAR)


def heard(samples: np.ndarray) -> str:
    """A `data:` address of an MP3; "" where libsndfile writes none. Raises `MissingExtra`."""
    library = optional("soundfile", extra="audio", needed_for="reading recordings")
    if "MP3" not in library.available_formats():
        return ""
    buffer = io.BytesIO()
    library.write(buffer, np.clip(samples, -1, 1), RATE, format="MP3", compression_level=0.9)
    return f"data:audio/mpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"

"""Sounds in memory: samples with their rate, as pairs and as records of other libraries."""

from __future__ import annotations

import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart.core.untrusted import limits
from headstart.errors import AudioError

RECORD = {"array", "sampling_rate"}
"""What a record of a sound holds, as Hugging Face's `datasets` gives it, besides perhaps `path`."""


def holds(entry: Any) -> bool:
    """Whether it is one sound beyond doubt: (samples, rate), or a record with `array` and `sampling_rate`."""
    if isinstance(entry, Mapping):
        return RECORD <= set(entry) <= RECORD | {"path", "bytes"} and entry["array"] is not None
    if not isinstance(entry, tuple) or len(entry) != 2:
        return False
    samples, rate = entry
    if not hasattr(samples, "__array__") or not isinstance(rate, int | np.integer) or isinstance(rate, bool):
        return False
    shape = np.shape(samples)
    long = len(shape) in (1, 2) and max(shape) >= limits.LEAST_RATE // 100
    return bool(long and limits.LEAST_RATE <= rate <= limits.MOST_RATE)


def as_bytes(entry: Any) -> bytes:
    """The same as the bytes of a .wav file of floats, or of 16 bits. Raises `AudioError`."""
    samples, rate = (entry["array"], entry["sampling_rate"]) if isinstance(entry, Mapping) else entry
    try:
        array, rate = np.asarray(samples), int(rate)
    except (TypeError, ValueError) as error:
        raise AudioError("HS110", f"no samples with a rate: {error}") from None
    if not limits.LEAST_RATE <= rate <= limits.MOST_RATE:
        raise AudioError("HS110", f"a rate of {rate:,} samples a second")
    if array.ndim == 2:  # channels are the shorter side, as all libraries have it in one order or the other
        array = array if array.shape[0] >= array.shape[1] else array.T
    if array.ndim not in (1, 2) or array.dtype.kind not in "fiu" or (array[:1].size > limits.CHANNELS):
        shape = " x ".join(map(str, array.shape)) or "no dimension"
        raise AudioError("HS110", f"{array.dtype} of shape {shape} is not one recording: give n samples")
    return _wav(_scaled(array), rate)


def _scaled(array: np.ndarray) -> np.ndarray:
    """int16 as it is; other whole numbers as floats by the full scale of their type."""
    if array.dtype.kind == "f" or array.dtype == np.int16:
        return array.astype("<i2" if array.dtype.kind == "i" else "<f4")
    if array.dtype == np.uint8:
        return ((array.astype(np.float32) - 128) / 128).astype("<f4")
    return (array / -float(np.iinfo(array.dtype).min or -np.iinfo(array.dtype).max)).astype("<f4")


def _wav(array: np.ndarray, rate: int) -> bytes:
    if array.nbytes > limits.ITEM_BYTES:
        raise AudioError("HS105", f"holds more than the {limits.ITEM_BYTES:,} bytes that are read")
    channels, width = array[:1].size if array.ndim > 1 else 1, array.itemsize
    content = array.tobytes()
    form = struct.pack(
        "<4sIHHIIHH", b"fmt ", 16, 1 if array.dtype.kind == "i" else 3, channels, rate,
        rate * channels * width, channels * width, 8 * width,
    )  # fmt: skip
    whole = b"WAVE" + form + struct.pack("<4sI", b"data", len(content)) + content
    return b"RIFF" + struct.pack("<I", len(whole)) + whole

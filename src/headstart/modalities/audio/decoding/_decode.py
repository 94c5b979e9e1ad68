"""Bytes -> samples, whatever the file holds; and what was found on the way. By libsndfile."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart._lazy import optional
from headstart.core.untrusted import Damaged, limits, parsing
from headstart.errors import AudioError
from headstart.modalities.audio.decoding import _kinds

BLOCK = 2**20
"""Values that are decoded at a time."""
FULL_SCALE = 8.0
"""Values beyond are no overshoot of a decoder: their full scale is not 1."""


@dataclass(frozen=True, eq=False)
class Recording:
    """Samples of one channel, and what is known of the file."""

    samples: np.ndarray
    """float32 `[n]`: the beginning of it, as far as it is held, mixed down."""
    rate: int
    seconds: float
    """Of the whole file."""
    channels: int = 1


@dataclass(frozen=True)
class Header:
    """What a file says of itself."""

    file: Any
    rate: int
    channels: int
    frames: int
    format: str
    values: str
    """Such as PCM_16."""

    @property
    def seconds(self) -> float:
        return self.frames / self.rate


def header_of(data: bytes) -> Header:
    """Read the header.

    Raises `AudioError` HS102 (empty), HS104 (damaged), HS105 (too large), HS109 (a kind that is not read) or
    HS110 (no sound); `MissingExtra`.
    """
    if not data:
        raise AudioError("HS102", "the file is empty")
    if kind := _kinds.unread(data[:64]):
        raise AudioError("HS109", kind)
    if not _kinds.is_read(data[:64]):
        raise AudioError("HS110", "not a recording that can be read")
    if part := _mp3_missing(data):
        raise AudioError("HS104", part)
    library = optional("soundfile", extra="audio", needed_for="reading recordings")
    try:
        with parsing():
            file = library.SoundFile(io.BytesIO(data))
            found = Header(
                file, int(file.samplerate), int(file.channels), int(file.frames), file.format, file.subtype
            )
    except Damaged as error:
        problem = f"begins like a recording, but is damaged or cut off ({_said(error)})"
        raise AudioError("HS104", problem) from None
    if not limits.LEAST_RATE <= found.rate <= limits.MOST_RATE or not 1 <= found.channels <= limits.CHANNELS:
        problem = f"its header is damaged: {found.rate:,} samples a second, {found.channels} channels"
        raise AudioError("HS104", problem)
    return found


def _said(error: Exception) -> str:
    return str(error).removeprefix("Error opening ").rpartition(">: ")[2].strip().rstrip(".") or "no header"


def blocks(header: Header, seconds: float = float("inf")) -> Iterator[np.ndarray]:
    """float32 `[n, channels]`, one after the other, until so many seconds are there.

    Raises `AudioError` HS104 for damaged content, HS105 for more than `limits.SAMPLES`.
    """
    read, most = 0, seconds * header.rate
    while read < most:
        if read * header.channels > limits.SAMPLES:
            hours = limits.SAMPLES / header.channels / header.rate / 3600
            raise AudioError("HS105", f"lasts more than {hours:.1f} hours, which is not read: cut it up")
        wanted = int(min(max(1, BLOCK // header.channels), most - read + 1))
        try:
            with parsing():
                block = header.file.read(wanted, dtype="float32", always_2d=True)
        except Damaged as error:
            raise AudioError(
                "HS104", f"is damaged after {read / header.rate:.2f} s ({_said(error)})"
            ) from None
        if not len(block):
            return
        read += len(block)
        yield block


def decoded(data: bytes) -> Recording:
    """The beginning of a recording, mixed down. Raises `AudioError`, `MissingExtra`."""
    header = header_of(data)
    most = min(limits.SECONDS, limits.HELD / header.rate)
    found = [np.zeros(0, np.float32), *(block.mean(axis=1) for block in blocks(header, most))]
    samples = np.concatenate(found)[: round(most * header.rate)]
    peak = float(np.abs(samples).max(initial=0.0))
    code, problem = problem_of(len(samples), bool(np.isfinite(samples).all()), peak)
    if code:
        raise AudioError(code, problem)
    seconds = max(header.seconds, len(samples) / header.rate)
    return Recording(samples, header.rate, seconds, header.channels)


def resampled(samples: np.ndarray, given: int, wanted: int) -> np.ndarray:
    """float32 `[n]` at another rate; at least one sample. Raises `MissingExtra`."""
    if given == wanted:
        return samples
    soxr = optional("soxr", extra="audio", needed_for="resampling recordings")
    found: np.ndarray = soxr.resample(samples, given, wanted)
    return found if len(found) else np.zeros(1, np.float32)


def problem_of(frames: int, finite: bool, peak: float) -> tuple[str, str]:
    """(code, detail) of what makes so many samples unusable; empty where nothing does."""
    if not frames:
        return "HS102", "holds no sound: not one sample"
    if not finite:
        return "HS108", "some values are no numbers (NaN or infinite)"
    over = f"its values reach {peak:,.6g}, where 1 is full scale"
    return ("HS111", over) if peak > FULL_SCALE else ("", "")


def missing_part(data: bytes, header: Header, read: int) -> str:
    """In words, where a file ends before its end; "" where it seems whole."""
    if 0 < read < header.frames and header.format != "MP3":  # of which the number is an estimate
        return f"ends after {read / header.rate:.2f} of {header.seconds:.2f} s"
    if data[:4] in (b"RIFF", b"FORM"):
        return _chunks_missing(data)
    return "has no last page" if data[:4] == b"OggS" and not _has_last_page(data) else ""


def _has_last_page(data: bytes) -> bool:
    """Of an Ogg file: its last page is there as a whole, and says that it is the last."""
    page = data.rfind(b"OggS")
    segments = data[page + 27 :][: data[page + 26]] if len(data) > page + 26 else b""
    return (
        bool(segments) and bool(data[page + 5] & 4) and page + 27 + len(segments) + sum(segments) <= len(data)
    )


def _mp3_missing(data: bytes) -> str:
    """Whether an MP3 file is shorter than the table in its first frame says, where it has one.

    Asked before libsndfile is: its decoder of MP3 writes to the terminal what it thinks of such files.
    """
    start = 0
    if data[:3] == b"ID3" and len(data) > 10:  # sizes of 7 bits a byte
        start = 10 + sum(
            (byte & 127) << shift for byte, shift in zip(data[6:10], (21, 14, 7, 0), strict=True)
        )
    place = max((data.find(mark, start, start + 200) for mark in (b"Xing", b"Info")), default=-1)
    if place < 0 or len(data) < place + 16 or data[place + 7] & 3 != 3:
        return ""
    size, there = int.from_bytes(data[place + 12 : place + 16], "big"), len(data) - start
    return f"holds {there:,} of {size:,} bytes of sound" if there < 0.99 * size else ""


def _chunks_missing(data: bytes) -> str:
    """Whether the samples of a .wav or .aiff file reach beyond its end."""
    order, wanted = ("little", b"data") if data[:4] == b"RIFF" else ("big", b"SSND")
    place = 12
    while place + 8 <= len(data):
        size = int.from_bytes(data[place + 4 : place + 8], order)  # type: ignore[arg-type]
        if data[place : place + 4] == wanted:
            there = len(data) - place - 8
            streamed = size in (0, 0x7FFFFFFF, 0xFFFFFFFF) or size >= 0x7FFFF000
            return "" if streamed or there >= size else f"holds {there:,} of {size:,} bytes of sound"
        place += 8 + size + size % 2
    return ""

"""Sounds: open and examine one, turn it into what its source reads, and vary it."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from headstart.core.source import Levels
from headstart.core.untrusted import limits
from headstart.errors import AudioError, BadOption
from headstart.modalities.audio import _described, _shown, _windows
from headstart.modalities.audio._spectra import frames_of
from headstart.modalities.audio._traits import looks as looks
from headstart.modalities.audio._traits import traits as traits
from headstart.modalities.audio._views import VIEWS as VIEWS
from headstart.modalities.audio.decoding import _decode, _kinds
from headstart.modalities.audio.decoding._decode import Recording as Recording
from headstart.modalities.audio.decoding._memory import as_bytes as as_bytes
from headstart.modalities.audio.decoding._memory import holds as holds
from headstart.modalities.audio.preprocessing import WHISPER, AudioPreprocessing
from headstart.modalities.base import Counted, Examination, Numbers, Settled, filled_up, generator

if TYPE_CHECKING:
    from PIL.Image import Image

PREPARATION = 1
NOUN = "recording"
HAS_LEVELS = False
IN_WORDS = False
IN_LINES = False
ROWS = False
PRETRAINED = True
REMEMBERED = True
STORED_ALIKE = False
VIEWS_PAY = False  # not measured
COMPARED_BY = ""
COPIES_FROM = 0.86
"""Found of 60 copies of clips of ESC-10 and of 60 of 600 spoken digits: half as loud 60 and 60, as Ogg 60 and
55, as MP3 53 and 18, cut to 90 % 59 and 34, with noise 30 dB below 34 and 28. Of the digits themselves no two
are taken for copies; of the 400 clips 15 pairs are, nearly all of them pieces of one recording."""
TUNING = Numbers(lr=3e-5, layer_decay=0.9, weight_decay=0.01, smoothing=0.1, from_scratch=(1e-3, 3e-4, 3e-3))
"""wav2vec 2.0 and AST are fine-tuned with 1e-5 to 5e-5 (Baevski et al., 2020; Gong et al., 2021)."""
PREPROCESSING = AudioPreprocessing
PLAIN = AudioPreprocessing(WHISPER, mels=40, seconds=10.0, longest=10.0)
"""A logarithmic mel spectrogram of the first ten seconds."""
SUFFIXES = frozenset({".wav", ".flac", ".mp3", ".ogg", ".oga", ".opus", ".aif", ".aiff", ".aifc", ".au",
                      ".snd", ".caf", ".w64", ".rf64"})  # fmt: skip
NOT_READ = _kinds.NOT_READ
GROUPS = ("speaker", "speakerid", "recording", "recordingid", "session", "sessionid", "clientid", "singer",
          "performer", "actor", "srcfile", "sourcefile", "fsid")  # fmt: skip
"""Usual names of columns whose rows belong together: what is learnt of a voice is not learnt of words."""
DEFAULT_VIEW = "noise-masks"
SILENT = 1e-3
"""Peak under which a recording is silent: 60 dB under full scale."""
CLIPPED = 0.999
"""What counts as full scale; where more than `CLIPPED_SHARE` of the values lie there in runs of three."""
CLIPPED_SHARE = 1e-3
SHORT = 0.1
"""Seconds."""
WEIGHT = 128
"""Of a second, where a token of text is 1: 16 seconds share a batch on a processor, four minutes on a GPU."""

begins = _kinds.begins
kind_of = _kinds.unread
described = _described.of_recordings
collate = filled_up


def open_item(data: bytes, levels: Levels | None = None) -> Recording:  # noqa: ARG001 - those of pictures
    """The bytes of a sound file. Raises `AudioError`; `MissingExtra` without the package that reads them."""
    return _decode.decoded(data)


@contextlib.contextmanager
def held(data: bytes, levels: Levels | None = None) -> Iterator[Recording]:  # noqa: ARG001
    """See `open_item`: no more than `limits.SECONDS` of a recording are held."""
    yield open_item(data)


def examine(data: bytes) -> Examination:
    """Decode fully and say what was found; `width` is the number of samples, `height` that of samples a
    second, `mode` that of channels."""
    try:
        header = _decode.header_of(data)
    except AudioError as error:
        return Examination(problem=error.code, detail=error.problem)
    seen = _Seen()
    problem, detail = "", ""
    try:
        for block in _decode.blocks(header):
            seen.add(block)
    except AudioError as error:
        problem, detail = error.code, error.problem
    if not problem:
        part = _decode.missing_part(data, header, seen.frames)
        whole = _decode.problem_of(seen.frames, seen.finite, seen.peak)
        problem, detail = ("HS104", part) if part else whole
    low, high = (seen.low, seen.high) if seen.finite and seen.frames else (0.0, 0.0)
    facts, said = ((), "") if problem else _facts(header, seen)
    return Examination(
        seen.frames, header.rate, str(header.channels), header.format, facts, problem, detail or said,
        header.values, low, high,
    )  # fmt: skip


class _Seen:
    """What is counted while a recording is decoded."""

    def __init__(self) -> None:
        self.frames, self.values, self.clipped, self.finite = 0, 0, 0, True
        self.low, self.high = float("inf"), float("-inf")

    def add(self, block: np.ndarray) -> None:
        """float32 `[n, channels]`"""
        self.frames += len(block)
        self.values += block.size
        self.finite = self.finite and bool(np.isfinite(block).all())
        self.low, self.high = min(self.low, float(block.min())), max(self.high, float(block.max()))
        full = np.abs(block) >= CLIPPED
        self.clipped += int((full[2:] & full[1:-1] & full[:-2]).sum())

    @property
    def peak(self) -> float:
        return max(abs(self.low), abs(self.high))


def _facts(header: _decode.Header, seen: _Seen) -> tuple[tuple[str, ...], str]:
    """What is handled or worth knowing, and the words of it where it is one thing."""
    seconds, said = seen.frames / header.rate, {}
    if seen.peak < SILENT:
        said["HS219"] = "nothing is to be heard" if not seen.peak else f"its loudest value is {seen.peak:.1g}"
    if seen.clipped > CLIPPED_SHARE * seen.values:
        said["HS220"] = f"{seen.clipped / seen.values:.1%} of its values are cut off at full scale"
    if seconds < SHORT:
        said["HS221"] = f"{1000 * seconds:.0f} ms"
    if header.channels > 1:
        said["HS222"] = f"{header.channels} channels"
    return tuple(said), "; ".join(said.values())


def settle(levels: Levels | None, looked: Sequence[Examination], *, find: bool = True) -> Settled:
    """Tells of recordings of several rates. Raises `BadOption` for levels."""
    if levels is not None:
        raise BadOption("white", levels[1], "left out: recordings have no white point")
    rates = Counter(one.height for one in looked if not one.problem)
    if not find or len(rates) < 2:
        return Settled(None, tuple(looked))
    shown = ", ".join(f"{count:,} of {rate / 1000:g} kHz" for rate, count in rates.most_common(5))
    more = f", and {len(rates) - 5} more rates" if len(rates) > 5 else ""
    return Settled(None, tuple(looked), (("HS223", f"{shown}{more}"),))


def prepare(
    data: bytes | Recording,
    contract: AudioPreprocessing,
    *,
    view: int = 0,
    kind: str = DEFAULT_VIEW,
    key: str = "",
) -> np.ndarray:
    """A recording -> float32 `[bands + 1, T]`: the values, and the mask (ones).

    View 0 is the recording as it is; views 1, 2, ... are varied by the recipe `kind` and depend on (key,
    view, kind) only. Raises `AudioError`; `UnknownName` for an unknown recipe.
    """
    opened = data if isinstance(data, Recording) else open_item(data)
    first = opened.samples[: max(1, round(contract.longest * opened.rate))]
    samples = _decode.resampled(first, opened.rate, contract.rate)
    recipe = VIEWS[kind or DEFAULT_VIEW]
    rng = generator(key, view, kind or DEFAULT_VIEW)
    values = frames_of(recipe.samples(samples, rng) if view else samples, contract)
    if view:
        values = recipe.values(values, rng)
    values = values[:, : contract.max_length]
    return np.concatenate([values, np.ones((1, values.shape[1]), np.float32)])


LEFT = 0.01
"""Seconds at the end of a recording that are not missed."""


def unread(opened: Recording, prepared: np.ndarray, contract: AudioPreprocessing) -> str:
    """How many seconds are read, where there are more."""
    del prepared
    read = min(contract.longest, len(opened.samples) / opened.rate)
    if opened.seconds <= read + LEFT:
        return ""
    return f"the first {read:g} of {opened.seconds:,.1f} seconds are read"


def dummy_batch(contract: AudioPreprocessing, count: int, *, pairs: bool = False) -> np.ndarray:  # noqa: ARG001
    """float32 `[count, bands + 1, T]`: chords in noise that swell and fade; the first lasts half a second,
    each further one half as long again."""
    rng, found = generator(NOUN, 0, "made up"), []
    for row in range(count):
        size = max(1, round(min(0.5 * 1.5**row, contract.longest) * contract.rate))
        time = np.arange(size) / contract.rate
        tones = rng.uniform(80, 0.4 * contract.rate, 3)[:, None]
        swell = np.sin(np.pi * (np.arange(size) + 0.5) / size)
        sound = swell * np.sin(2 * np.pi * tones * time).sum(axis=0) / 6 + rng.normal(0, 0.02, size)
        found.append(
            prepare(Recording(sound.astype(np.float32), contract.rate, size / contract.rate), contract)
        )
    return collate(found)


def stored(data: bytes | Recording, contract: AudioPreprocessing, size: int) -> np.ndarray:
    """float32 `[bands + 1, size]`: filled up, or cut, to `size` frames."""
    found = prepare(data, contract)[:, :size]
    return np.pad(found, ((0, 0), (0, size - found.shape[1])))


def stored_column(size: int) -> str:
    """The store's column of frames cut to a length."""
    return f"frames:{size}"


SHOWN = AudioPreprocessing(WHISPER, rate=_shown.RATE, mels=64)


def shown(opened: Recording) -> tuple[Image, str]:
    """The bands of its loudest seconds as an RGB image, and these seconds as a `data:` address of an MP3; ""
    where libsndfile writes none. Raises `MissingExtra`."""
    part = _shown.loudest(opened)
    return _shown.drawn(frames_of(part, SHOWN)), _shown.heard(part)


def summary(opened: Recording) -> np.ndarray:
    """float32 `[3 * 40]`: mean and deviation of the bands of its spectrogram, and of how they change."""
    values = prepare(opened, PLAIN)[:-1]
    values -= values.mean()  # however loud it is
    changes = np.diff(values, axis=1, append=values[:, -1:])
    return np.concatenate([values.mean(1), values.std(1), changes.std(1)])


def telling(opened: Iterable[Recording]) -> bool:
    """Whether most recordings are no shorter than a second: a click is like any other."""
    return float(np.median([one.seconds for one in opened])) >= 1


def seconds(data: bytes) -> float:
    """Of a whole recording, as its header says. Raises `AudioError`."""
    return _decode.header_of(data).seconds


def windows(opened: Recording, contract: AudioPreprocessing) -> list[tuple[float, float, Recording]]:
    """(begin, end, part) in seconds, no more in each than the source reads at a time."""
    return _windows.windows(opened, contract.seconds)


def count(data: bytes | Recording, contract: AudioPreprocessing) -> Counted:
    """Frames of a recording, and how many of them the source reads; of bytes the header tells it."""
    seconds = (data if isinstance(data, Recording) else _decode.header_of(data)).seconds
    frames = contract.frames(seconds) + (0 if contract.waves else 1)  # the first may lie around the beginning
    frames = max(frames, contract.window) if contract.whole else frames
    return Counted(frames, min(frames, contract.max_length), 0, "samples" if contract.waves else "frames")


def weight(data: bytes, contract: AudioPreprocessing) -> int:
    """By its length in time: recordings of like length share a batch."""
    least = contract.seconds if contract.whole else 0.0
    try:
        return max(1, round(max(least, min(_decode.header_of(data).seconds, limits.SECONDS)) * WEIGHT))
    except AudioError:
        return 1

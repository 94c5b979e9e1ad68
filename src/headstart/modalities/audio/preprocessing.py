"""How a source wants its recordings."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from headstart.core.source import Preprocessing, Signature, Source
from headstart.core.untrusted import field as in_json
from headstart.core.untrusted import limits

WAVE, UNIT, WHISPER, AST, MEL = "wave", "wave-unit", "whisper", "ast", "mel"
RECIPES = (WAVE, UNIT, WHISPER, AST, MEL)
WAVES = (WAVE, UNIT)
"""The recipes that leave samples what they are: a frame is one sample."""
POOLINGS = ("cls", "mean", "max", "last")
"""Of the states of a recording: that of the first, their mean, their maximum, that of the last."""
LEAST_RATE, MOST_RATE = 1_000, 192_000
"""Samples a second that a source may want."""
MOST_MELS = 512
MOST_FFT = 8_192
"""Samples of a frame."""
EMPHASIS = 0.97
"""Of Kaldi's filter banks: how much of the sample before is taken away."""
QUIETEST = 1e-10
"""Power under which Whisper's logarithm is cut off."""
KALDI_FLOOR = 1.192092955078125e-07
"""The same for Kaldi's: the smallest step of a float32."""
LOUDNESS = -30.0
"""dBFS: what is quieter is made as loud for the recipe "mel"."""
WHISPERS_TOP = 8_000
"""Hertz where Whisper's bands end, whatever the rate."""
LEAST_SECONDS = 0.01
NO_FILES: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True)
class AudioPreprocessing(Preprocessing):
    """How a source wants its recordings: its own rate and its own spectrogram, never ours.

    A recording is mixed down to one channel, resampled to `rate`, cut to `longest` seconds and turned into
    frames by the `recipe`:

    * "wave": the samples as they are, in [-1, 1].
    * "wave-unit": samples with zero mean and unit variance over the recording's own, as the feature
      extractors of wav2vec 2.0, HuBERT and WavLM make them: (x - mean) / sqrt(variance + 1e-7).
    * "whisper": log10 of a mel spectrogram, at most 8 under the loudest value of each window of `seconds`, as
      (value + 4) / 4. Frames of the recording alone: Whisper reads windows of 30 seconds, and what silence
      fills up is `maximum - 2` of that window.
    * "ast": logarithms of Kaldi's filter banks (offset taken away, pre-emphasis 0.97, Hann window,
      `n_fft` samples a frame, mel scale of Kaldi from 20 Hz), as (value - mean) / (2 std). The Audio
      Spectrogram Transformer fills up before that with 0: with `-mean / (2 std)` in what it reads.
    * "mel": a power mel spectrogram (Slaney's scale and norm, reflected at both ends), quiet recordings made
      as loud as -30 dBFS before, as Resemblyzer does.

    A prepared item is float32 `[channels, T]`: the values, and as the last row the mask (ones); a batch is
    filled up with zeros, which the mask hides, to its longest item.
    """

    recipe: str = WAVE
    rate: int = 16_000
    """Samples a second."""
    mels: int = 80
    """Bands of a spectrogram; waves have none."""
    n_fft: int = 400
    """Samples of a frame of a spectrogram."""
    hop: int = 160
    """Samples from one frame to the next."""
    seconds: float = 30.0
    """What the network reads at a time."""
    longest: float = 120.0
    """Seconds of a recording that are read, in windows one after the other; what is beyond is cut off."""
    pooling: str = "mean"
    """The source's own: one of `POOLINGS`."""
    mean: float = 0.0
    std: float = 0.5
    """Of the values of the recipe "ast"."""
    whole: bool = False
    """Whether silence fills a recording up to whole windows, and counts as heard: so has Whisper's decoder
    learnt to read. Of the recipe "whisper" alone."""

    @property
    def modality(self) -> str:
        return "audio"

    @property
    def waves(self) -> bool:
        """Whether a frame is a sample."""
        return self.recipe in WAVES

    @property
    def bands(self) -> int:
        """Rows of values: the mels, or 1 for waves."""
        return 1 if self.waves else self.mels

    @property
    def channels(self) -> int:
        """Rows of a prepared item: the values and the mask."""
        return self.bands + 1

    def frames(self, seconds: float) -> int:
        """Frames of so many seconds: samples for waves."""
        return max(1, round(seconds * self.rate / (1 if self.waves else self.hop)))

    @property
    def window(self) -> int:
        """Frames that the network reads at a time."""
        return self.frames(self.seconds)

    @property
    def max_length(self) -> int:
        """Frames of the longest recording."""
        return self.frames(self.longest)

    def to_json(self) -> dict[str, Any]:
        """Without what earlier versions did not have, where it is not so: what they kept is found by it."""
        found = {"modality": "audio", **vars(self)}
        return found if self.whole else {name: value for name, value in found.items() if name != "whole"}

    @classmethod
    def audit(cls, data: Mapping[str, Any]) -> None:
        """Raises `ValueError`, `TypeError` or `KeyError` for rates and lengths that no source has."""
        found = cls.from_json(data)
        if found.recipe not in RECIPES or found.pooling not in POOLINGS:
            raise ValueError("a way to read recordings that this version does not know")
        if not LEAST_RATE <= found.rate <= MOST_RATE:
            raise ValueError(f"a rate of {found.rate} samples a second")
        if not 1 <= found.mels <= MOST_MELS or not 2 <= found.n_fft <= MOST_FFT:
            raise ValueError(f"a spectrogram of {found.mels} bands from {found.n_fft} samples")
        if not 1 <= found.hop <= found.n_fft:
            raise ValueError(f"a hop of {found.hop} samples between frames of {found.n_fft}")
        if not LEAST_SECONDS <= found.seconds <= limits.SECONDS:
            raise ValueError(f"windows of {found.seconds:g} seconds")
        if not LEAST_SECONDS <= found.longest <= limits.SECONDS:
            raise ValueError(f"recordings of {found.longest:g} seconds")
        if found.whole and found.recipe != WHISPER:
            raise ValueError("whole windows of what is not read in windows")
        if not (math.isfinite(found.mean) and 0 < found.std < math.inf):
            raise ValueError("a mean and standard deviation that no spectrogram has")

    @classmethod
    def from_json(cls, data: Mapping[str, Any], files: Mapping[str, bytes] = NO_FILES) -> AudioPreprocessing:  # noqa: ARG003
        """Raises `ValueError`, `TypeError`, `KeyError` for what is none."""
        said: dict[str, Any] = {name: in_json(data, name, int) for name in ("rate", "mels", "n_fft", "hop")}
        said |= {name: float(in_json(data, name, float)) for name in ("seconds", "longest", "mean", "std")}
        said["whole"] = data.get("whole", False)
        if not isinstance(said["whole"], bool):
            raise TypeError("whole is neither true nor false")
        return cls(**said, **{name: in_json(data, name, str) for name in ("recipe", "pooling")})

    def signature(self) -> Signature:
        """float32 `[N, channels, T]`"""
        usual = max(
            self.frames(1.0), self.window + self.window // 2
        )  # several windows: a graph is drawn of it
        return Signature("sound", "float32", (self.channels, "T"), self.max_length, usual)

    def wants(self) -> str:
        return f"{self.rate / 1000:g} kHz"


def audio_input(source: Source) -> AudioPreprocessing:
    """How a source wants its recordings. Raises `TypeError` for a source of something else."""
    if not isinstance(source.input, AudioPreprocessing):
        raise TypeError(f"{source.spec} reads no recordings")
    return source.input

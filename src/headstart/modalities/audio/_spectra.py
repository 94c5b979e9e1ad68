"""Samples -> what a source reads: waves, and the spectrograms of the usual networks."""

from __future__ import annotations

from functools import cache

import numpy as np

from headstart.modalities.audio import preprocessing as recipes
from headstart.modalities.audio.preprocessing import AudioPreprocessing

BLOCK = 1024
"""Frames that are transformed at a time: they fit a processor's cache."""


def frames_of(samples: np.ndarray, contract: AudioPreprocessing) -> np.ndarray:
    """float32 `[n]`, at the contract's rate, n >= 1 -> float32 `[bands, T]`."""
    if contract.recipe == recipes.UNIT:
        spread = np.sqrt(samples.var(dtype=np.float64) + 1e-7)
        samples = (samples - samples.mean(dtype=np.float64)) / spread
    if contract.recipe in recipes.WAVES:
        return samples.astype(np.float32)[None]
    if contract.recipe == recipes.AST:
        return _ast(samples, contract)
    return _whisper(samples, contract) if contract.recipe == recipes.WHISPER else _mel(samples, contract)


def _whisper(samples: np.ndarray, contract: AudioPreprocessing) -> np.ndarray:
    """Each window by itself, as Whisper sees it: silence follows where it is not full, and is given, too,
    where whole windows are wanted."""
    whole, side = contract.window * contract.hop, contract.n_fft // 2
    bank = slaney(contract.rate, contract.n_fft, contract.mels, min(recipes.WHISPERS_TOP, contract.rate // 2))
    found = []
    for start in range(0, len(samples), whole):
        own = samples[start : start + whole]
        own = np.pad(own, (0, whole - len(own))) if contract.whole else own
        heard = np.pad(own, (0, max(0, min(whole, len(own) + contract.n_fft) - len(own))))
        power = _power(_reflected(heard, side), contract, hann(contract.n_fft), -(-len(own) // contract.hop))
        logs = np.log10(np.maximum(power @ bank, recipes.QUIETEST))
        found.append((np.maximum(logs, logs.max() - 8) + 4) / 4)
    return _bands_first(np.concatenate(found))


def _ast(samples: np.ndarray, contract: AudioPreprocessing) -> np.ndarray:
    size = contract.n_fft
    samples = np.pad(samples, (0, max(0, size - len(samples))))
    count = 1 + (len(samples) - size) // contract.hop
    window = np.hanning(size)
    power = _power(samples, contract, window, count, kaldi=True)
    logs = np.log(
        np.maximum(power @ kaldi(contract.rate, _power_of_two(size), contract.mels), recipes.KALDI_FLOOR)
    )
    return _bands_first((logs - contract.mean) / (2 * contract.std))


def _mel(samples: np.ndarray, contract: AudioPreprocessing) -> np.ndarray:
    loud = np.sqrt(np.mean(np.square(samples, dtype=np.float64)))
    if 0 < loud < (target := 10 ** (recipes.LOUDNESS / 20)):
        samples = samples * (target / loud)
    padded = _reflected(samples, contract.n_fft // 2)
    power = _power(padded, contract, hann(contract.n_fft), 1 + len(samples) // contract.hop)
    return _bands_first(power @ slaney(contract.rate, contract.n_fft, contract.mels, contract.rate // 2))


def _power(
    samples: np.ndarray, contract: AudioPreprocessing, window: np.ndarray, count: int, *, kaldi: bool = False
) -> np.ndarray:
    """The first `count` frames -> squared magnitudes float64 `[count, bins]`."""
    size = len(window)
    every = np.lib.stride_tricks.sliding_window_view(samples, size)[:: contract.hop][:count]
    found = []
    for start in range(0, count, BLOCK):
        frames = every[start : start + BLOCK].astype(np.float64)
        if kaldi:
            frames -= frames.mean(axis=1, keepdims=True)
            first = frames[:, :1] * (1 - recipes.EMPHASIS)
            frames = np.concatenate([first, frames[:, 1:] - recipes.EMPHASIS * frames[:, :-1]], axis=1)
        spectrum = np.fft.rfft(frames * window, _power_of_two(size) if kaldi else size, axis=1)
        found.append(spectrum.real**2 + spectrum.imag**2)
    return np.concatenate(found)


def _reflected(samples: np.ndarray, side: int) -> np.ndarray:
    return np.pad(samples, side, mode="reflect" if len(samples) > 1 else "edge")


def _bands_first(values: np.ndarray) -> np.ndarray:
    """[T, bands] -> float32 [bands, T], contiguous"""
    return np.ascontiguousarray(values.T, dtype=np.float32)


def _power_of_two(size: int) -> int:
    return 1 << (size - 1).bit_length()


def hann(size: int) -> np.ndarray:
    """float64 `[size]`: the periodic Hann window of spectra."""
    return np.hanning(size + 1)[:-1]


@cache
def slaney(rate: int, n_fft: int, mels: int, top: float) -> np.ndarray:
    """float64 `[n_fft // 2 + 1, mels]`: triangles from 0 to `top` Hz on Slaney's mel scale, each of area 1.

    That scale is linear up to 1 kHz (15 mels) and logarithmic above (27 mels for a factor of 6.4).
    """
    step = np.log(6.4) / 27
    end = top * 3 / 200 if top < 1000 else 15 + np.log(top / 1000) / step
    marks = np.linspace(0, end, mels + 2)
    edges = np.where(marks < 15, marks * 200 / 3, 1000 * np.exp(step * (marks - 15)))
    found = _triangles(np.linspace(0, rate / 2, n_fft // 2 + 1), edges)
    return found * (2 / (edges[2:] - edges[:-2]))


@cache
def kaldi(rate: int, n_fft: int, mels: int) -> np.ndarray:
    """float64 `[n_fft // 2 + 1, mels]`: triangles on Kaldi's mel scale, from 20 Hz to half the rate."""

    def mel(hertz: np.ndarray) -> np.ndarray:
        return 1127 * np.log1p(hertz / 700)

    low, high = mel(np.array([20.0, rate // 2]))
    return _triangles(mel(rate / n_fft * np.arange(n_fft // 2 + 1)), np.linspace(low, high, mels + 2))


def _triangles(bins: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """float64 [bins, bands]: rises from each edge to the next, and falls to the one after it."""
    widths, slopes = np.diff(edges), edges[None] - bins[:, None]
    rising, falling = -slopes[:, :-2] / widths[:-1], slopes[:, 2:] / widths[1:]
    return np.maximum(0, np.minimum(rising, falling))

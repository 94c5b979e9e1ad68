"""Recipes of varied recordings: what happens to samples, and what to their spectrogram."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from headstart.core.registry import Registry

GAIN = 6.0
"""Decibels, louder or quieter, at most."""
SNR = (20.0, 40.0)
"""Decibels of the sound over the noise."""
SHIFT = 0.1
"""Share of a recording by which it is moved, at most; what leaves at one end comes back at the other."""
TIME, BANDS = 0.1, 0.15
"""Share of the frames, and of the bands, that each of two masks hides at most (SpecAugment, Park
et al., 2019)."""
MASKS = 2

Samples = Callable[[np.ndarray, np.random.Generator], np.ndarray]


class Recipe(NamedTuple):
    """Changes of samples float32 `[n]`, and of values float32 `[bands, T]`."""

    samples: Samples = lambda samples, _: samples
    values: Samples = lambda values, _: values


def _heard(samples: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Moved in time, louder or quieter, with white noise."""
    moved = np.roll(samples, int(rng.uniform(-SHIFT, SHIFT) * len(samples)))
    moved = moved * np.float32(10 ** (rng.uniform(-GAIN, GAIN) / 20))
    loud = float(np.sqrt(np.mean(np.square(moved, dtype=np.float64))))
    noise = rng.standard_normal(len(moved), dtype=np.float32)
    noisy: np.ndarray = moved + noise * np.float32(loud * 10 ** (-rng.uniform(*SNR) / 20))
    return noisy


def _masked(values: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Stretches of time, and of a spectrogram's bands, set to the mean of the recording."""
    out, mean = values.copy(), values.mean()
    for _ in range(MASKS):
        _hide(out, mean, rng, TIME)
        if len(values) > 1:
            _hide(out.T, mean, rng, BANDS)
    return out


def _hide(values: np.ndarray, mean: np.floating, rng: np.random.Generator, most: float) -> None:
    """Up to that share of the last axis, in place."""
    length = values.shape[-1]
    wide = int(rng.uniform(0, most) * length)
    start = int(rng.integers(0, length - wide + 1))
    values[..., start : start + wide] = mean


VIEWS: Registry[Recipe] = Registry("view recipe")
"""Recipes of augmented views by name."""
VIEWS.add("noise-masks", Recipe(_heard, _masked))
VIEWS.add("noise", Recipe(samples=_heard))
VIEWS.add("masks", Recipe(values=_masked))
VIEWS.add("none", Recipe())

"""What the formulas of sounds are made of: draws, filters, and how a batch is spoilt as recordings are."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from headstart.modalities.audio._spectra import slaney
from headstart.modalities.audio.preprocessing import AudioPreprocessing

RATE, LENGTH = 16_000, 20_480
"""Samples a second, and of a sound: 1.28 seconds, 128 frames."""
CONTRACT = AudioPreprocessing("whisper", mels=64)
FREQUENCIES = torch.linspace(0, RATE / 2, LENGTH // 2 + 1)
TIMES = torch.arange(LENGTH) / RATE


class Draw:
    """Numbers from one generator."""

    def __init__(self, seed: int) -> None:
        self.rng = torch.Generator().manual_seed(seed)

    def uniform(self, low: float, high: float, *shape: int) -> Tensor:
        return low + (high - low) * torch.rand(*shape, generator=self.rng)

    def spread(self, low: float, high: float, *shape: int) -> Tensor:
        """Uniform in the logarithm."""
        return torch.exp(self.uniform(math.log(low), math.log(high), *shape))

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(*shape, generator=self.rng)

    def whole(self, end: int, *shape: int) -> Tensor:
        return torch.randint(end, shape, generator=self.rng)

    def near(self, value: Tensor, by: float = 0.06) -> Tensor:
        """Another number a few percent away."""
        return value * torch.exp(by * self.normal(*value.shape))


def between(points: Tensor, where: Tensor) -> Tensor:
    """Points `[N, K]` joined by lines, at `where` `[N, L]` from 0 to 1."""
    last = points.shape[1] - 1
    place = where.clamp(0, 1) * last
    low = place.floor().clamp(max=last - 1).long()
    part = place - low
    return points.gather(1, low) * (1 - part) + points.gather(1, low + 1) * part


def filtered(waves: Tensor, gain: Tensor) -> Tensor:
    """`[N, LENGTH]`, each frequency times its gain `[N, LENGTH // 2 + 1]`."""
    return torch.fft.irfft(torch.fft.rfft(waves) * gain, LENGTH)


def peak(centres: Tensor, widths: Tensor | float) -> Tensor:
    """`[N, 1]` in Hz -> gain `[N, LENGTH // 2 + 1]` of a resonance."""
    return 1 / (1 + ((FREQUENCIES - centres) / widths) ** 2)


def resonances(centres: Tensor, widths: Tensor, gains: Tensor) -> Tensor:
    """`[N, K]` each -> gain `[N, LENGTH // 2 + 1]` of K resonances side by side."""
    out = torch.zeros(len(centres), len(FREQUENCIES))
    for k in range(centres.shape[1]):
        centre, width, gain = centres[:, k, None], widths[:, k, None], gains[:, k, None]
        out += gain / (1 + ((FREQUENCIES - centre) / width) ** 2)
    return out


def tilted(tilt: Tensor) -> Tensor:
    """Gain of a spectrum that falls or rises with the frequency."""
    return (FREQUENCIES.clamp(min=60) / 1000) ** tilt


def turns(frequency: Tensor) -> Tensor:
    """Phase of a frequency `[N, LENGTH]` in Hz that may change."""
    return 2 * math.pi * (frequency / RATE).cumsum(1)


def unit(waves: Tensor) -> Tensor:
    """As loud as one another."""
    return waves / (waves.square().mean(1, keepdim=True).sqrt() + 1e-6)


def recorded(waves: Tensor, draw: Draw) -> Tensor:
    """Rooms, microphones, narrow telephone lines and noise: none of it depends on what is heard."""
    count = len(waves)
    decay = draw.spread(0.02, 0.5, count, 1)
    room = draw.normal(count, LENGTH) * torch.exp(-TIMES * 6.9 / decay)
    room[:, 0] = 0
    room = room / (room.square().sum(1, keepdim=True).sqrt() + 1e-6)
    room = room * draw.uniform(0, 1, count, 1) * (draw.uniform(0, 1, count, 1) < 0.6)
    room[:, 0] = 1
    octaves = torch.log2(FREQUENCIES.clamp(min=60) / 60) / math.log2(8000 / 60)
    gain = 10 ** (between(draw.normal(count, 8) * 4, octaves.expand(count, -1)) / 20)
    narrow = draw.uniform(0, 1, count, 1) < 0.35
    top = torch.where(narrow, torch.full((count, 1), 3900.0), draw.uniform(4000, 12000, count, 1))
    band = torch.sigmoid((top - FREQUENCIES) / 60)
    heard = torch.fft.irfft(torch.fft.rfft(waves) * torch.fft.rfft(room) * (gain * band), LENGTH)
    noise = filtered(draw.normal(count, LENGTH), tilted(draw.uniform(-1.5, 0.3, count, 1)) * band)
    quiet = draw.uniform(5, 60, count, 1)
    found: Tensor = 0.05 * (unit(heard) + unit(noise) * 10 ** (-quiet / 20))
    return found


BANK = torch.from_numpy(slaney(RATE, CONTRACT.n_fft, CONTRACT.mels, RATE / 2)).float()


def spectrograms(waves: Tensor) -> Tensor:
    """`[N, LENGTH]` -> float32 `[N, mels, frames]` as `CONTRACT` has it."""
    size = CONTRACT.n_fft
    spectrum = torch.stft(
        waves, size, CONTRACT.hop, window=torch.hann_window(size), center=True, pad_mode="reflect",
        return_complex=True,
    )  # fmt: skip
    power = spectrum.real**2 + spectrum.imag**2
    logs = (power[..., :-1].transpose(1, 2) @ BANK).clamp(min=1e-10).log10()
    logs = torch.maximum(logs, logs.amax((1, 2), keepdim=True) - 8)
    return ((logs + 4) / 4).transpose(1, 2).contiguous()

"""Textures with a chosen spectrum and random phase (Baradad et al., NeurIPS 2021), hardened and coloured."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pretraining.generators.base import Draw, colours, seeded, standardised


class Spectrum:
    """A class is a power law around a preferred frequency, a hardness and a palette of two colours."""

    turns = True

    def __init__(self, classes: int, seed: int, *, side: int = 32, device: str = "cpu") -> None:
        self.classes, self.side = classes, side
        draw = Draw(seeded(seed))
        self.slope = draw.uniform(classes, low=1.2, high=4.0).to(device)
        # preferred frequency in cycles an image: none for half of the classes (clouds)
        self.peak = (draw.uniform(classes, low=1.5, high=9.0) * draw.chance(classes, of=0.5)).to(device)
        self.angle = draw.uniform(classes, high=math.pi).to(device)
        self.spread = torch.exp(draw.uniform(classes, low=-1.6, high=0.7)).to(device)
        self.hard = torch.exp(draw.uniform(classes, low=-1.0, high=2.5)).to(device)
        self.bias = (0.6 * draw.normal(classes)).to(device)
        self.palette = colours(draw, classes, 2).to(device)
        way = (self.peak * (2 * self.angle).cos(), self.peak * (2 * self.angle).sin())
        self.traits = standardised(
            self.slope,
            self.peak,
            *way,
            self.spread.log(),
            self.hard.log(),
            self.bias,
            self.palette.mean(1),
            (self.palette[:, 0] - self.palette[:, 1]).abs(),
        )

    def __call__(self, codes: Tensor, rng: torch.Generator) -> Tensor:
        draw, batch = Draw(rng), len(codes)
        field = self.grey(codes, rng)[:, None]  # [B, 1, S, S]
        pair = (self.palette[codes] + 0.12 * draw.normal(batch, 2, 3))[..., None, None]
        shade = 1 + 0.15 * draw.normal(batch, 1, 1, 1)
        return ((pair[:, 0] * field + pair[:, 1] * (1 - field)) * shade).clamp(0, 1)

    def grey(self, codes: Tensor, rng: torch.Generator) -> Tensor:
        """The texture without colour: `[B, S, S]` in [0, 1]."""
        draw, batch, side = Draw(rng), len(codes), self.side
        fy = torch.fft.fftfreq(side, 1 / side, device=codes.device)[None, :, None]
        fx = torch.fft.rfftfreq(side, 1 / side, device=codes.device)[None, None, :]
        angle = self.angle[codes] + 0.15 * draw.normal(batch)
        peak = self.peak[codes] * torch.exp(0.12 * draw.normal(batch))
        cx, cy = (peak * angle.cos())[:, None, None], (peak * angle.sin())[:, None, None]
        wide = self.spread[codes][:, None, None]
        # distance to the preferred frequency or to its mirror image, whichever is nearer
        near = ((fx - cx) ** 2 + ((fy - cy) / wide) ** 2).minimum((fx + cx) ** 2 + ((fy + cy) / wide) ** 2)
        slope = self.slope[codes][:, None, None] + 0.15 * draw.normal(batch, 1, 1)
        size = (1 + near.sqrt()) ** -slope
        size[:, 0, 0] = 0  # the mean carries nothing
        phase = torch.view_as_complex(draw.normal(batch, side, side // 2 + 1, 2))
        field = torch.fft.irfft2(size * phase, s=(side, side))
        field = field / field.std((1, 2), keepdim=True).clamp(min=1e-6)
        hard = self.hard[codes][:, None, None] * torch.exp(0.2 * draw.normal(batch, 1, 1))
        return torch.sigmoid(hard * (field + self.bias[codes][:, None, None]))

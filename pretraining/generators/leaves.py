"""Dead leaves: shapes that hide one another, sizes by an r^-3 law (Lee, Mumford and Huang, IJCV 2001).

The textured variant, which Baradad et al. (NeurIPS 2021) found best.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pretraining.generators.base import Draw, axis, colours, seeded, standardised
from pretraining.generators.spectrum import Spectrum

LEAVES, COLOURS = 28, 4
BANK = 512
"""Textures kept for the surfaces of the leaves."""
PORTION = 16
"""Images made at once on a CPU: more fall out of its cache."""


class Leaves:
    """A class is a shape, a size law, a palette of four colours, an aspect and a spread of directions."""

    turns = True

    def __init__(self, classes: int, seed: int, *, side: int = 32, device: str = "cpu") -> None:
        self.classes, self.side = classes, side
        rng = seeded(seed)
        draw = Draw(rng)
        self.power = torch.tensor([1.0, 2.0, 4.0, 8.0])[draw.integers(0, 4, classes)].to(device)
        self.least = draw.uniform(classes, low=0.08, high=0.3).to(device)
        self.aspect = torch.exp(draw.uniform(classes, low=0.0, high=1.6)).to(device)
        self.angle = draw.uniform(classes, high=math.pi).to(device)
        self.spread = (draw.uniform(classes) ** 2 * math.pi).to(device)
        self.palette = colours(draw, classes, COLOURS).to(device)
        self.grain = (draw.chance(classes, COLOURS, of=0.5) * draw.uniform(classes, COLOURS, high=0.6)).to(
            device
        )
        sure = 1 - self.spread / math.pi  # a direction means little where leaves turn every way
        way = (sure * self.aspect.log() * f(2 * self.angle) for f in (torch.cos, torch.sin))
        self.traits = standardised(
            self.power.log(),
            self.least,
            self.aspect.log(),
            *way,
            self.spread,
            self.palette.mean(1),
            self.palette.std(1),
            self.grain.mean(1),
        )
        noise = Spectrum(64, seed + 1, side=side)
        self.bank = noise.grey(torch.arange(BANK) % 64, rng).to(device) - 0.5  # [T, S, S]

    def __call__(self, codes: Tensor, rng: torch.Generator) -> Tensor:
        portion = PORTION if codes.device.type == "cpu" else 1024
        return torch.cat([self._images(part, rng) for part in codes.split(portion)])

    def _images(self, codes: Tensor, rng: torch.Generator) -> Tensor:
        draw, batch = Draw(rng), len(codes)
        shown = self._visible(codes, draw)  # [B, L, S * S]
        which = draw.integers(0, COLOURS, batch, LEAVES)
        palette = self.palette[codes] + 0.12 * draw.normal(batch, COLOURS, 3)
        leaf = palette.gather(1, which[..., None].expand(-1, -1, 3)) + 0.05 * draw.normal(batch, LEAVES, 3)
        image = (leaf.transpose(1, 2) @ shown).view(batch, 3, self.side, self.side)
        grain = self.grain[codes].gather(1, which)[:, None]  # [B, 1, L]
        rough = (grain @ shown).view(batch, 1, self.side, self.side)
        texture = self.bank[draw.integers(0, BANK, batch)][:, None]
        return (image + rough * texture).clamp(0, 1)

    def _visible(self, codes: Tensor, draw: Draw) -> Tensor:
        """How much of each pixel shows each leaf, front leaf first; sums to 1 over leaves."""
        batch, side = len(codes), self.side
        centre = draw.uniform(batch, LEAVES, 2, low=-1.1, high=1.1)
        angle = self.angle[codes][:, None] + self.spread[codes][:, None] * (draw.uniform(batch, LEAVES) - 0.5)
        least = self.least[codes][:, None]
        # inverse of the distribution function of r^-3 on [least, 1]
        low = least**-2
        radius = (low - draw.uniform(batch, LEAVES) * (low - 1)).rsqrt()
        long = self.aspect[codes][:, None].sqrt()
        c, s = angle.cos(), angle.sin()
        line = axis(side, codes.device)
        # coordinates along and across each leaf are sums of a part of x and a part of y
        ux, uy = c / (radius * long), s / (radius * long)
        vx, vy = -s * long / radius, c * long / radius
        x = line - centre[..., :1]  # [B, L, S]
        y = line - centre[..., 1:]
        u = (ux[..., None] * x)[:, :, None, :] + (uy[..., None] * y)[:, :, :, None]
        v = (vx[..., None] * x)[:, :, None, :] + (vy[..., None] * y)[:, :, :, None]
        level = self._norm(u.flatten(2), v.flatten(2), self.power[codes])
        edge = (radius * side / 2)[..., None]
        mask = ((1 - level) * edge + 0.5).clamp_(0, 1)
        mask[:, -1] = 1  # the ground
        clear = torch.cumprod(1 - mask[:, :-1], 1)
        mask[:, 1:] *= clear
        return mask

    @staticmethod
    def _norm(u: Tensor, v: Tensor, power: Tensor) -> Tensor:
        """|u|^p + |v|^p to the 1/p, with p 1 (diamond), 2 (ellipse), 4 (rounded) and 8 read as box."""
        u, v = u.abs_(), v.abs_()
        level = torch.empty_like(u)
        for value, norm in (
            (1.0, lambda a, b: a + b),
            (2.0, lambda a, b: (a * a + b * b).sqrt_()),
            (4.0, lambda a, b: (a.pow(4) + b.pow(4)).sqrt_().sqrt_()),
            (8.0, torch.maximum),
        ):
            rows = (power == value).nonzero().squeeze(1)
            if len(rows):
                level[rows] = norm(u[rows], v[rows])
        return level

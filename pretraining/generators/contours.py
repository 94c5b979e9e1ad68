"""Radial contours (RCDB: Kataoka et al., CVPR 2022; Visual Atoms: Takashima et al., CVPR 2023).

r(angle) = 1 + sum_k a_k sin(n_k angle + phase_k), drawn as nested orbits or as a filled shape.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pretraining.generators.base import Draw, affine, axis, seeded, standardised

WAVES, ANGLES = 4, 128


class Contours:
    """A class is a sum of waves and a way of drawing; an image jitters amplitudes, phases and pose."""

    turns = False

    def __init__(self, classes: int, seed: int, *, side: int = 32, device: str = "cpu") -> None:
        self.classes, self.side = classes, side
        draw = Draw(seeded(seed))
        self.waves = draw.integers(1, 12, classes, WAVES).float().to(device)
        size = draw.uniform(classes, WAVES, low=0.1, high=0.6) / self.waves.cpu().sqrt()
        size = size * draw.chance(classes, WAVES, of=0.75)
        size[:, 0] = draw.uniform(classes, low=0.15, high=0.5)
        self.size = size.to(device)
        self.phase = draw.uniform(classes, WAVES, high=2 * math.pi).to(device)
        self.orbits = draw.integers(1, 5, classes).float().to(device)
        self.filled = draw.chance(classes, of=0.4).to(device)
        self.stretch = draw.uniform(classes, low=-0.6, high=0.6).to(device)
        # how strong each frequency is, with its phase
        strength = torch.zeros(2, classes, 12, device=device)
        for part, values in enumerate((self.phase.cos(), self.phase.sin())):
            strength[part].scatter_add_(1, self.waves.long(), self.size * values)
        self.traits = standardised(
            self.size.sum(1), self.orbits, self.filled, self.stretch, strength[0, :, 1:], strength[1, :, 1:]
        )

    def __call__(self, codes: Tensor, rng: torch.Generator) -> Tensor:
        draw, batch = Draw(rng), len(codes)
        radius = self._radius(codes, draw)  # [B, A]
        x, y = self._plane(codes, draw)  # [B, S, S] each
        angle = (torch.atan2(y, x) / (2 * math.pi) + 1) * ANGLES
        place = angle.long().remainder(ANGLES).flatten(1)
        bound = radius.gather(1, place).view_as(x)
        level = (x.square() + y.square()).sqrt() / bound  # 1 on the outermost orbit
        orbits = self.orbits[codes][:, None, None]
        across = level.diff(dim=2, append=level[:, :, -1:]).square()
        down = level.diff(dim=1, append=level[:, -1:]).square()
        pixel = (across + down).sqrt().clamp(min=0.02).reciprocal()  # pixels a unit of level is long
        ring = (level * orbits - (level * orbits).round().clamp(min=1).minimum(orbits)).abs() / orbits
        width = draw.uniform(batch, 1, 1, low=0.2, high=0.9)
        line = (width + 0.5 - ring * pixel).clamp(0, 1)
        body = ((1 - level) * pixel + 0.5).clamp(0, 1)
        # a filled shape keeps its inner orbits as gaps
        body = body * (1 - 0.7 * line * (level < 1 - 0.3 / orbits))
        return torch.where(self.filled[codes][:, None, None], body, line)

    def _radius(self, codes: Tensor, draw: Draw) -> Tensor:
        """r at `ANGLES` directions, 1 on average: `[B, A]`."""
        turn = torch.arange(ANGLES, device=codes.device) * (2 * math.pi / ANGLES)
        size = self.size[codes] * (1 + 0.15 * draw.normal(len(codes), WAVES))
        phase = self.phase[codes] + 0.15 * draw.normal(len(codes), WAVES)
        wave = torch.sin(self.waves[codes][..., None] * turn + phase[..., None])  # [B, K, A]
        radius = (1 + (size[..., None] * wave).sum(1)).clamp(min=0.15)
        return radius / radius.mean(1, keepdim=True)

    def _plane(self, codes: Tensor, draw: Draw) -> tuple[Tensor, Tensor]:
        """Coordinates of every pixel in the frame of the shape."""
        change, move = affine(draw, len(codes), turn=0.3, shear=0.2, scale=(0.45, 0.8))
        back = torch.linalg.inv(change)[..., None, None]  # [B, 2, 2, 1, 1]
        line = axis(self.side, codes.device)
        x = line[None, None, :] - move[:, 0, None, None]
        y = line[None, :, None] - move[:, 1, None, None]
        squeeze = torch.exp(self.stretch[codes] / 2)[:, None, None]
        return (back[:, 0, 0] * x + back[:, 0, 1] * y) * squeeze, (
            back[:, 1, 0] * x + back[:, 1, 1] * y
        ) / squeeze

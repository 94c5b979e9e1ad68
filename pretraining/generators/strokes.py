"""Stroke glyphs: invented letters of one to four pen strokes, each a cubic Bezier curve.

A procedural relative of Omniglot (Lake et al., Science 2015). No font and no written sign is used:
shapes of real digits would leak the labels of handwriting tasks.
"""

from __future__ import annotations

import torch
from torch import Tensor

from pretraining.generators.base import Draw, affine, blur, seeded, splat, standardised

STROKES, STEPS = 4, 40


class Strokes:
    """A class is a set of curves; an image moves their control points, the pose and the pen."""

    turns = False

    def __init__(self, classes: int, seed: int, *, side: int = 32, device: str = "cpu") -> None:
        self.classes, self.side = classes, side
        draw = Draw(seeded(seed))
        points = draw.uniform(classes, STROKES, 4, 2, low=-0.8, high=0.8)
        # most strokes are near straight or evenly bent, as a hand draws them
        start, end = points[:, :, :1], points[:, :, 3:]
        even = torch.cat([start, start * 2 / 3 + end / 3, start / 3 + end * 2 / 3, end], 2)
        calm = draw.uniform(classes, STROKES, 1, 1)
        points = calm * even + (1 - calm) * (points * 1.25)
        chained = draw.chance(classes, STROKES, of=0.6)
        for k in range(1, STROKES):  # the pen goes on where it stopped
            points[:, k, 0] = torch.where(chained[:, k, None], points[:, k - 1, 3], points[:, k, 0])
        count = torch.multinomial(torch.tensor([0.2, 0.35, 0.3, 0.15]), classes, True, generator=draw.rng)
        used = (torch.arange(STROKES) <= count[:, None]).float()
        self.used = used.to(device)
        t = torch.linspace(0, 1, STEPS)[:, None]
        basis = torch.cat([(1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t**2 * (1 - t), t**3], 1)
        self.basis = basis.to(device)  # [T, 4]
        self.points = _centred(points, basis, used).to(device)
        shown = (self.points * self.used[..., None, None])[:, :, ::3]  # where strokes begin and end
        curve = (self.basis @ self.points) * self.used[..., None, None]  # [C, K, T, 2]
        length = curve.diff(dim=2).norm(dim=-1).sum((1, 2))
        flat = curve.flatten(1, 2)
        spread = torch.cat([flat.square().mean(1), flat.prod(-1).mean(1, keepdim=True)], 1)
        self.traits = standardised(count, length.cpu(), spread.cpu(), shown.flatten(1).cpu()).to(device)

    def __call__(self, codes: Tensor, rng: torch.Generator) -> Tensor:
        draw, batch = Draw(rng), len(codes)
        control = self.points[codes] + 0.07 * draw.normal(batch, STROKES, 4, 2)
        curve = self.basis @ control  # [B, K, T, 2]
        speed = (curve[:, :, 1:] - curve[:, :, :-1]).norm(dim=-1)
        # ink a point leaves is the way it went, so that lines are evenly dark
        ink = torch.cat([speed, speed[:, :, -1:]], 2) * self.used[codes][..., None]
        change, move = affine(draw, batch, turn=0.3, shear=0.25, scale=(0.6, 1.0))
        points = curve.flatten(1, 2) @ change.transpose(1, 2) + move[:, None] * 0.6
        drawn = splat(points, ink.flatten(1), self.side) * (self.side / 2)
        sigma = draw.uniform(batch, low=0.5, high=1.6)
        gain = draw.uniform(batch, 1, 1, low=1.2, high=3.0) * sigma[:, None, None].clamp(min=0.8)
        return 1 - torch.exp(-gain * blur(drawn, sigma))


def _centred(points: Tensor, basis: Tensor, used: Tensor) -> Tensor:
    """Control points `[C, K, 4, 2]`, moved and scaled so that every glyph is about as large as the others."""
    curve = (basis @ points).flatten(1, 2)  # [C, K * T, 2]
    apart = (used == 0).repeat_interleave(len(basis), 1)[..., None]
    low = curve.masked_fill(apart, 9).amin(1)
    high = curve.masked_fill(apart, -9).amax(1)
    half = ((high - low) / 2).amax(1).clamp(min=0.05)
    return (points - ((low + high) / 2)[:, None, None]) * (0.85 / half)[:, None, None, None]

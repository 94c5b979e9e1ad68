"""Fractals of iterated function systems (FractalDB: Kataoka et al., IJCV 2022).

The maps are sampled through their singular values, so that all of them contract (Anderson and
Farrell, WACV 2022). Instead of a random walk, all addresses of one depth are followed at once from a
fixed point: every point drawn lies on the attractor.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from pretraining.generators.base import Draw, affine, brightest, rotation, seeded, splat, standardised

DEPTH = {2: 10, 3: 6, 4: 5}
"""Maps -> depth of the addresses from two starting points: about 2,000 points."""


class Ifs:
    """A class is 2 to 4 affine maps; an image jitters a quarter of their coefficients by 12 %."""

    turns = True

    def __init__(self, classes: int, seed: int, *, side: int = 32, device: str = "cpu") -> None:
        self.classes, self.side = classes, side
        draw = Draw(seeded(seed))
        self.count = torch.arange(classes) % 3 + 2
        self.matrix = torch.zeros(classes, 4, 2, 2)
        self.shift = torch.zeros(classes, 4, 2)
        waiting, filling = torch.arange(classes), torch.zeros(classes)
        for _ in range(30):  # classes that fill too little or too much of the picture are drawn again
            self.matrix[waiting], self.shift[waiting] = _maps(draw, len(waiting))
            ink = torch.cat([self._ink(part, draw, jitter=0.0) for part in waiting.split(256)])
            filled = (ink > 0.15).float().mean((1, 2))
            filling[waiting] = filled
            waiting = waiting[(filled < 0.1) | (filled > 0.65)]
            if not len(waiting):
                break
        used = torch.arange(4) < self.count[:, None]
        size = (torch.linalg.det(self.matrix).abs() * used).sum(1)
        centre = (self.shift * used[..., None]).sum(1) / self.count[:, None]
        self.traits = standardised(
            self.count, size, filling, centre, self.matrix[:, :2].flatten(1), self.shift[:, :2].flatten(1)
        ).to(device)
        self.count, self.matrix = self.count.to(device), self.matrix.to(device)
        self.shift = self.shift.to(device)

    def __call__(self, codes: Tensor, rng: torch.Generator) -> Tensor:
        return self._ink(codes, Draw(rng), jitter=0.12)

    def _ink(self, codes: Tensor, draw: Draw, *, jitter: float) -> Tensor:
        ink = torch.zeros(len(codes), self.side, self.side, device=codes.device)
        for maps, depth in DEPTH.items():
            rows = (self.count[codes] == maps).nonzero().squeeze(1)
            if len(rows):
                ink[rows] = self._render(codes[rows], maps, depth, draw, jitter)
        return ink

    def _render(self, codes: Tensor, maps: int, depth: int, draw: Draw, jitter: float) -> Tensor:
        batch = len(codes)
        matrix = self.matrix[codes, :maps] * _shake(draw, (batch, maps, 2, 2), jitter)
        shift = self.shift[codes, :maps] * _shake(draw, (batch, maps, 2), jitter)
        points, weights = attractor(matrix, shift, depth)
        points = _centred(points, weights)
        change, move = affine(draw, batch, turn=0.4, shear=0.2, scale=(0.7, 1.1))
        points = points @ change.transpose(1, 2) + move[:, None]
        density = splat(points, weights, self.side).sqrt()
        return (density / brightest(density, 20)).clamp(max=1)


def _maps(draw: Draw, classes: int) -> tuple[Tensor, Tensor]:
    """Contractive maps: matrices `[C, 4, 2, 2]` and shifts `[C, 4, 2]`."""
    large = draw.uniform(classes, 4, low=0.35, high=0.9)
    small = large * draw.uniform(classes, 4, low=0.2, high=1.0)
    left = rotation(draw.uniform(classes, 4, high=2 * math.pi))
    right = rotation(draw.uniform(classes, 4, high=2 * math.pi))
    small = small * draw.sign(classes, 4)
    middle = torch.diag_embed(torch.stack([large, small], -1))
    return left @ middle @ right, draw.uniform(classes, 4, 2, low=-1, high=1)


def _shake(draw: Draw, shape: tuple[int, ...], amount: float) -> Tensor:
    """Factors near 1 for a quarter of the coefficients, 1 for the others."""
    return 1 + amount * draw.normal(*shape) * draw.chance(*shape, of=0.25)


def attractor(matrix: Tensor, shift: Tensor, depth: int) -> tuple[Tensor, Tensor]:
    """Points `[B, 2 * maps**depth, 2]` on the attractor and their weights.

    They start from the fixed points of the first two maps.

    A map is chosen with probability proportional to its |determinant|, but never below a tenth of
    the largest, as otherwise thin maps would vanish.
    """
    size = torch.linalg.det(matrix).abs()
    chance = torch.maximum(size, 0.1 * size.amax(1, keepdim=True))
    chance = chance / chance.sum(1, keepdim=True)  # [B, M]
    eye = torch.eye(2, device=matrix.device)
    points = torch.linalg.solve(eye - matrix[:, :2] * 0.98, shift[:, :2])  # [B, 2, 2]
    weights = torch.full(points.shape[:2], 0.5, device=matrix.device)
    for _ in range(depth):
        # [B, M, P, 2]: every map applied to every point
        points = points[:, None] @ matrix.transpose(2, 3) + shift[:, :, None]
        points = points.flatten(1, 2)
        weights = (chance[:, :, None] * weights[:, None]).flatten(1)
    return points, weights


def _centred(points: Tensor, weights: Tensor) -> Tensor:
    """Shift and scale so that the weighted mean is 0 and most points lie in [-1, 1]."""
    centre = (points * weights[..., None]).sum(1, keepdim=True)
    points = points - centre
    spread = (points.square().sum(-1) * weights).sum(1).sqrt()
    return points / (2.0 * spread).clamp(min=1e-4)[:, None, None]

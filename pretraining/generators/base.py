"""What every family of images shares: random numbers, coordinates, affine jitter, splatting, blur."""

from __future__ import annotations

import math
from typing import Protocol

import torch
from torch import Tensor


class Family(Protocol):
    """Images of many classes made by one formula.

    A class is a row of parameters drawn once from the family's seed; an image of it is that row with
    jitter, drawn from the stream's random numbers. Everything happens on `device`.
    """

    classes: int
    side: int
    turns: bool
    """Whether mirrored images are images of the same class."""
    traits: Tensor
    """float32 `[classes, T]`: what a class is like, in numbers that a network can be asked for; mean 0,
    variance 1."""

    def __call__(self, codes: Tensor, rng: torch.Generator) -> Tensor:
        """Classes `[B]` (int64) -> ink `[B, S, S]` or colour `[B, 3, S, S]`, float32 in [0, 1]."""


class Draw:
    """Uniform and normal numbers from one generator, on its device."""

    def __init__(self, rng: torch.Generator) -> None:
        self.rng = rng

    def uniform(self, *shape: int, low: float = 0.0, high: float = 1.0) -> Tensor:
        return torch.rand(shape, generator=self.rng, device=self.rng.device) * (high - low) + low

    def normal(self, *shape: int) -> Tensor:
        return torch.randn(shape, generator=self.rng, device=self.rng.device)

    def chance(self, *shape: int, of: float) -> Tensor:
        return torch.rand(shape, generator=self.rng, device=self.rng.device) < of

    def integers(self, low: int, high: int, *shape: int) -> Tensor:
        """Whole numbers from `low` to `high - 1`."""
        return torch.randint(low, high, shape, generator=self.rng, device=self.rng.device)

    def sign(self, *shape: int) -> Tensor:
        return self.integers(0, 2, *shape) * 2.0 - 1.0


def standardised(*columns: Tensor) -> Tensor:
    """Columns `[C]` or `[C, k]` side by side, each with mean 0 and variance 1 (constant ones 0)."""
    table = torch.cat([c[:, None] if c.dim() == 1 else c for c in columns], 1).float()
    return (table - table.mean(0)) / table.std(0, correction=0).clamp(min=1e-3)


def seeded(seed: int, device: str | torch.device = "cpu") -> torch.Generator:
    """A generator of random numbers of its own; the global state is left alone."""
    return torch.Generator(device=device).manual_seed(seed)


def axis(side: int, device: torch.device) -> Tensor:
    """Centres of `side` pixels on [-1, 1]: `[S]`."""
    return (torch.arange(side, device=device, dtype=torch.float32) + 0.5) * (2 / side) - 1


def colours(draw: Draw, *shape: int) -> Tensor:
    """Random colours `[*shape, 3]`, most of them as muted as those of things, some vivid."""
    light = draw.uniform(*shape, 1)
    vivid = draw.uniform(*shape, 1) ** 1.5
    return (light + vivid * (draw.uniform(*shape, 3) - light)).clamp(0, 1)


def rotation(angle: Tensor) -> Tensor:
    """Angles `[...]` -> rotation matrices `[..., 2, 2]`."""
    c, s = angle.cos(), angle.sin()
    return torch.stack([torch.stack([c, -s], -1), torch.stack([s, c], -1)], -2)


def affine(
    draw: Draw, batch: int, *, turn: float, shear: float, scale: tuple[float, float]
) -> tuple[Tensor, Tensor]:
    """A small random change of pose: matrices `[B, 2, 2]` and shifts `[B, 2]`."""
    sheared = torch.eye(2, device=draw.rng.device).repeat(batch, 1, 1)
    sheared[:, 0, 1] = draw.uniform(batch, low=-shear, high=shear)
    size = draw.uniform(batch, low=scale[0], high=scale[1])
    stretch = torch.exp(draw.uniform(batch, 2, low=-0.15, high=0.15))
    matrix = rotation(draw.uniform(batch, low=-turn, high=turn)) @ sheared
    matrix = matrix * (size[:, None] * stretch)[:, None, :]
    room = (1 - size).clamp(min=0.08)[:, None] * 0.7
    return matrix, draw.uniform(batch, 2, low=-1, high=1) * room


def splat(points: Tensor, weights: Tensor, side: int) -> Tensor:
    """Points `[B, P, 2]` (x, y on [-1, 1]) with weights `[B, P]` -> density `[B, S, S]`.

    Points are counted on a grid twice as fine and averaged; those outside are dropped.
    """
    batch, fine = len(points), 2 * side
    cell = ((points + 1) * side).floor()
    inside = ((cell >= 0) & (cell < fine)).all(-1)
    cell = cell.clamp(0, fine - 1).long()
    rows = torch.arange(batch, device=points.device)[:, None] * (fine * fine)
    index = rows + cell[..., 1] * fine + cell[..., 0]  # [B, P]
    flat = torch.zeros(batch * fine * fine, device=points.device)
    flat.scatter_add_(0, index.reshape(-1), (weights * inside).reshape(-1))
    # [B, S, 2, S, 2] -> [B, S, S]
    return flat.view(batch, side, 2, side, 2).sum((2, 4))


def blur(ink: Tensor, sigma: Tensor) -> Tensor:
    """Gaussian blur of `[B, S, S]` with a width of `sigma` pixels `[B]` for each image."""
    place = torch.arange(ink.shape[-1], device=ink.device, dtype=torch.float32)
    distance = (place[:, None] - place[None, :]) ** 2  # [S, S]
    kernel = torch.exp(-distance / (2 * sigma[:, None, None] ** 2))
    kernel = kernel / (math.sqrt(2 * math.pi) * sigma[:, None, None])
    return kernel @ ink @ kernel  # symmetric: rows, then columns


def brightest(ink: Tensor, count: int) -> Tensor:
    """Mean of the `count` largest values of each image `[B, S, S]` -> `[B, 1, 1]`."""
    return ink.flatten(1).topk(count, 1).values.mean(1).clamp(min=1e-6)[:, None, None]

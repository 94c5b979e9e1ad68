"""From ink to colour: grounds, palettes, gradients, inversion, noise."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from pretraining.generators.base import Draw, axis, colours
from pretraining.generators.leaves import Leaves
from pretraining.generators.spectrum import Spectrum

CONTRAST = 0.25
"""Least difference between figure and ground, mean over the channels."""
GREY = torch.tensor([0.299, 0.587, 0.114])


@dataclass(frozen=True)
class Look:
    """How often what is done to an image. Shares of images, all in [0, 1]."""

    grey: float = 0.4
    """Grey ink on black."""
    backdrop: float = 0.0
    """A figure stands before a texture (of those that are not grey)."""
    skin: float = 0.0
    """A figure is filled with a texture (of those that are not grey)."""
    invert: float = 0.2
    noise: float = 0.06
    """Largest standard deviation of the noise."""
    drain: float = 0.2
    """Textures that lose their colour."""


class Paint:
    """Turns what families draw into pictures. Class-free: nothing here depends on the class."""

    def __init__(self, look: Look, seed: int, *, side: int = 32, device: str = "cpu") -> None:
        self.look, self.side = look, side
        self.spectrum = Spectrum(400, seed + 11, side=side, device=device)
        self.leaves = Leaves(400, seed + 12, side=side, device=device)

    def ink(self, ink: Tensor, rng: torch.Generator) -> Tensor:
        """Figures `[B, S, S]` in [0, 1] -> pictures `[B, 3, S, S]`."""
        draw, look, batch = Draw(rng), self.look, len(ink)
        ink = ink[:, None]
        front, back = self._colours(draw, batch)
        front = self._textured(front, draw, share=look.skin)
        back = self._textured(back, draw, share=look.backdrop)
        picture = back + (front - back) * ink
        grey = draw.chance(batch, 1, 1, 1, of=look.grey)
        gain = draw.uniform(batch, 1, 1, 1, low=0.6, high=1.1)
        picture = torch.where(grey, ink * gain, picture)
        return self._finish(picture, draw)

    def texture(self, picture: Tensor, rng: torch.Generator) -> Tensor:
        """Pictures `[B, 3, S, S]`, some of them drained of colour."""
        draw, batch = Draw(rng), len(picture)
        pale = torch.einsum("bchw,c->bhw", picture, GREY.to(picture.device))[:, None]
        drained = draw.chance(batch, 1, 1, 1, of=self.look.drain)
        return self._finish(torch.where(drained, pale, picture), draw)

    def _colours(self, draw: Draw, batch: int) -> tuple[Tensor, Tensor]:
        """Figure and ground `[B, 3, S, S]`, far enough apart, each with a linear gradient."""
        front, back = colours(draw, batch), colours(draw, batch)
        gap = (front - back).mean(1, keepdim=True)
        push = (CONTRAST - gap.abs()).clamp(min=0) / 2 * torch.where(gap < 0, -1.0, 1.0)
        return self._gradient(front + push, draw), self._gradient(back - push, draw)

    def _gradient(self, colour: Tensor, draw: Draw) -> Tensor:
        batch = len(colour)
        line = axis(self.side, colour.device)
        angle = draw.uniform(batch, 1, 1, high=2 * math.pi)
        slope = angle.cos() * line[None, None, :] + angle.sin() * line[None, :, None]  # [B, S, S]
        tint = draw.uniform(batch, 3, low=-0.25, high=0.25)
        return colour[..., None, None] + tint[..., None, None] * slope[:, None]

    def _textured(self, colour: Tensor, draw: Draw, *, share: float) -> Tensor:
        """The same, with a texture around the colour in some of the images."""
        if share <= 0:
            return colour
        rows = draw.chance(len(colour), of=share).nonzero().squeeze(1)
        if not len(rows):
            return colour
        half = len(rows) // 2
        parts = []
        for family, count in ((self.leaves, half), (self.spectrum, len(rows) - half)):
            if count:
                parts.append(family(draw.integers(0, family.classes, count), draw.rng))
        texture = torch.cat(parts)
        strength = draw.uniform(len(rows), 1, 1, 1, low=0.3, high=1.0)
        colour[rows] += strength * (texture - texture.mean((2, 3), keepdim=True))
        return colour

    def _finish(self, picture: Tensor, draw: Draw) -> Tensor:
        batch = len(picture)
        picture = picture.clamp(0, 1)
        turned = draw.chance(batch, 1, 1, 1, of=self.look.invert)
        picture = torch.where(turned, 1 - picture, picture)
        loud = draw.uniform(batch, 1, 1, 1) ** 2 * self.look.noise
        return (picture + loud * draw.normal(*picture.shape)).clamp_(0, 1)

"""Augmentation of whole batches of stored pixels: one affine resampling an item.

Every draw is a function of (seed, epoch, row), see `headstart.train.draws`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from headstart.errors import UnknownName
from headstart.train import draws

KINDS = ("crop-flip", "crop", "glyph", "scene", "none")

AREA = (0.5, 1.0)
"""Share of the stored image's area that a random crop keeps."""
ASPECT = 4 / 3
"""Largest ratio of the sides of a random crop."""
TURN, GROW, SHIFT, SHEAR = 12.0, 0.15, 0.08, 0.1
"""Glyphs: at most so many degrees, so much larger or smaller, so much of the side moved, so much sheared."""


def centre(pixels: Tensor, size: tuple[int, int]) -> Tensor:
    """`[B, C, H, W]` -> the central `[B, C, h, w]`. An image that is too small is resized (bilinear)."""
    height, width = size
    if pixels.shape[2] < height or pixels.shape[3] < width:
        return _bytes(functional.interpolate(pixels.float(), size, mode="bilinear", align_corners=False))
    top, left = (pixels.shape[2] - height) // 2, (pixels.shape[3] - width) // 2
    return pixels[:, :, top : top + height, left : left + width]


@dataclass(frozen=True)
class Augment:
    """Stored pixels uint8 `[B, C, H, W]` -> network input uint8 `[B, C, h, w]`.

    `kind` is "crop-flip" (random resized crop of 50 to 100 % of the area, mirrored half of the
    time), "crop" (never mirrored), "glyph" (small rotation, scale, shift and shear: for
    handwriting), "scene" (here as "crop-flip") or "none" (the centre). Raises `UnknownName` for other kinds.
    """

    kind: str
    size: tuple[int, int]
    """Height and width of the result."""
    seed: int = 0

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UnknownName("augmentation", self.kind, KINDS)

    def __call__(self, pixels: Tensor, rows: np.ndarray, epoch: int) -> Tensor:
        if self.kind == "none":
            return centre(pixels, self.size)
        stored = (pixels.shape[2], pixels.shape[3])
        if self.kind == "glyph":
            affine = glyph(draws.uniforms(self.seed, epoch, rows, 6), stored, self.size)
        else:
            affine = crop(draws.uniforms(self.seed, epoch, rows, 5), stored, flip=self.kind != "crop")
        theta = torch.from_numpy(affine).to(pixels.device, torch.float32)
        # [B, 2, 3] -> [B, h, w, 2]
        grid = functional.affine_grid(theta, [len(pixels), pixels.shape[1], *self.size], align_corners=False)
        # what lies outside a photo repeats its edge: black bars would be a feature
        moved = functional.grid_sample(pixels.float(), grid, padding_mode="border", align_corners=False)
        return _bytes(moved)


def crop(draw: np.ndarray, stored: tuple[int, int], *, flip: bool) -> np.ndarray:
    """float64 `[B, 2, 3]`: maps from output to input coordinates in [-1, 1] for random resized crops."""
    height, width = stored
    area = (AREA[0] + (AREA[1] - AREA[0]) * draw[:, 0]) * height * width
    ratio = np.exp((2 * draw[:, 1] - 1) * np.log(ASPECT))
    across = np.minimum(np.sqrt(area * ratio) / width, 1.0)
    down = np.minimum(np.sqrt(area / ratio) / height, 1.0)
    out = np.zeros((len(draw), 2, 3))
    out[:, 0, 0] = across * np.where(flip & (draw[:, 4] < 0.5), -1.0, 1.0)
    out[:, 1, 1] = down
    out[:, 0, 2] = (2 * draw[:, 2] - 1) * (1 - across)
    out[:, 1, 2] = (2 * draw[:, 3] - 1) * (1 - down)
    return out


def glyph(draw: np.ndarray, stored: tuple[int, int], size: tuple[int, int]) -> np.ndarray:
    """float64 `[B, 2, 3]`: small rotations, scalings, shifts and shears about the central window."""
    signed = 2 * draw - 1
    angle, scale = np.deg2rad(TURN) * signed[:, 0], np.exp(np.log1p(GROW) * signed[:, 1])
    shear = SHEAR * signed[:, 2]
    window = np.array([min(1.0, size[1] / stored[1]), min(1.0, size[0] / stored[0])])  # x, y
    cos, sin = np.cos(angle), np.sin(angle)
    out = np.empty((len(draw), 2, 3))
    out[:, 0, 0], out[:, 0, 1] = cos * scale, (shear * cos - sin) * scale
    out[:, 1, 0], out[:, 1, 1] = sin * scale, (shear * sin + cos) * scale
    out[:, :, :2] *= window[None, :, None]
    out[:, :, 2] = 2 * SHIFT * signed[:, 3:5]
    return out


def _bytes(values: Tensor) -> Tensor:
    return values.round().clamp(0, 255).to(torch.uint8)

"""Tiny pictures of shapes with their masks, for tests of segmentation."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

NAMES = ("ground", "disc", "bar")


def picture(rng: np.random.Generator, height: int = 48, width: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """(uint8 `[H, W, 3]`, uint8 `[H, W]` of 0, 1, 2): a bright disc and a dark bar on noise."""
    y, x = np.mgrid[:height, :width]
    mask = np.zeros((height, width), np.uint8)
    top, left = rng.integers(12, height - 12), rng.integers(12, width - 24)
    mask[(y - top) ** 2 + (x - left) ** 2 < 90] = 1
    mask[(x > width - 12) & (mask == 0)] = 2
    tone = np.array([110, 190, 50])[mask]
    pixels = tone[..., None] + rng.normal(0, 25, (height, width, 3))
    return pixels.clip(0, 255).astype(np.uint8), mask


def write(folder: Path, images: int, *, seed: int = 0, void: bool = False) -> Path:
    """`images/` and `masks/` in a folder."""
    rng = np.random.default_rng(seed)
    for name in ("images", "masks"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    for number in range(images):
        pixels, mask = picture(rng)
        if void:
            mask[:3] = 255
        Image.fromarray(pixels).save(folder / "images" / f"{number}.png")
        Image.fromarray(mask).save(folder / "masks" / f"{number}.png")
    return folder

"""The demo's pictures: scikit-learn's handwritten digits, as they are and as if written on coloured paper."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from headstart.core.files import open_atomic

PER_CLASS = 10
"""Labels of each class that the demo may learn from."""
TESTS_PER_CLASS = 50
SIDE = 32
"""Pixels of a picture on paper."""

Draw = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""Ink float `[8, 8]` from 0 to 1 -> picture uint8 `[H, W]` or `[H, W, 3]`."""


def plain(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001 - nothing is left to chance
    """White on black, 8 x 8, as the data set has them."""
    return np.round(255 * ink).astype(np.uint8)


def on_paper(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """32 x 32 in colour: ink of one colour anywhere on ruled paper of others, lighter or darker than it."""
    large = Image.fromarray(np.round(255 * ink).astype(np.uint8)).resize((24, 24), Image.Resampling.BICUBIC)
    mask = np.zeros((SIDE, SIDE, 1))
    top, left = rng.integers(2, 7, 2)
    mask[top : top + 24, left : left + 24, 0] = np.clip(np.asarray(large) / 255 * 1.3, 0, 1)
    one, pen = rng.uniform(size=(2, 3))
    while abs(one.mean() - pen.mean()) < 0.25:
        one, pen = rng.uniform(size=(2, 3))
    other = np.clip(one + rng.normal(0, 0.12, 3), 0, 1)
    paper = one + (other - one) * _clouds(rng)
    paper += rng.uniform(-0.15, 0.15) * _lines(rng)
    picture = paper * (1 - mask) + pen * mask + rng.normal(0, 0.03, (SIDE, SIDE, 3))
    return np.round(255 * np.clip(picture, 0, 1)).astype(np.uint8)


def _clouds(rng: np.random.Generator) -> np.ndarray:
    """float `[S, S, 1]` from 0 to 1, without detail."""
    coarse = Image.fromarray(rng.normal(size=(5, 5)).astype(np.float32))
    smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    return ((smooth - smooth.min()) / np.ptp(smooth))[..., None]


def _lines(rng: np.random.Generator) -> np.ndarray:
    """float `[S, S, 1]`, 1 on parallel lines: one direction, one distance."""
    angle, distance, shift = rng.uniform(0, np.pi), rng.uniform(5, 9), rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    along = np.cos(angle) * columns + np.sin(angle) * rows
    return (np.sin(2 * np.pi * along / distance + shift) > 0.8).astype(float)[..., None]


def write(folder: Path, draw: Draw, *, seed: int) -> Path:
    """Class folders under `train` and `test`, written once; returns the folder.

    The rows of that data set come writer by writer, so they are shuffled before they are drawn.
    """
    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(seed).permutation(len(labels))
    for digit in range(10):
        rows = order[labels[order] == digit][: PER_CLASS + TESTS_PER_CLASS]
        for place, row in enumerate(rows):
            path = folder / ("train" if place < PER_CLASS else "test") / str(digit) / f"{row:04d}.png"
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                rng = np.random.default_rng([seed, int(row)])
                save(path, draw(images[row].reshape(8, 8) / 16, rng))
    return folder


def sheet(folder: Path, path: Path, *, most: int = 10, side: int = 48) -> Path:
    """The labelled pictures of a folder made by `write` side by side, a row each class."""
    table = Image.new("RGB", (most * side, 10 * side))
    for digit in range(10):
        for place, file in enumerate(sorted((folder / "train" / str(digit)).iterdir())[:most]):
            with Image.open(file) as picture:
                large = picture.convert("RGB").resize((side, side), Image.Resampling.NEAREST)
            table.paste(large, (place * side, digit * side))
    save(path, np.asarray(table))
    return path


def save(path: Path, pixels: np.ndarray) -> None:
    """A PNG, there as a whole or not at all."""
    with open_atomic(path) as file:
        Image.fromarray(pixels).save(file, "PNG")

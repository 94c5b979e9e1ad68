"""Pictures of more than 8 bits a channel: their values in strips of rows, what range they have, and 8 bits of
them.

What is white is known from the type (`eight_bits`) or is said by the levels: two values, that of black and
that of white, which hold for a whole data set. It is never a picture's own range: pictures would no longer be
comparable.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image

from headstart.core.source import Levels
from headstart.errors import ImageError

ROUNDING = 1e-3
"""How far beyond [0, 1] floats may lie: what resizing or arithmetic leaves, a quarter of a grey level."""
WORDS = "uint16"
"""The type whose white is known: 65,535."""
_STRIP = 2**20
"""Values that are looked at together: what is computed from them in float64 takes 8 MB."""
DARK = 1 / 8
"""Share of the way from black to white under which a picture is called dark: 32 grey levels are left."""


@dataclass(frozen=True)
class Rows:
    """The values of a picture, `[H, W]` or `[H, W, C]`, C of 1, 3 or 4 (the last one how opaque)."""

    height: int
    width: int
    kind: str
    """Name of their type in numpy."""
    take: Callable[[int, int], np.ndarray]
    """Rows from the first number up to the second."""

    def strips(self) -> Iterator[np.ndarray]:
        """All rows from the top, some at a time, in the byte order of this machine."""
        for top in range(0, self.height, step := max(1, _STRIP // max(1, self.width))):
            strip = self.take(top, min(top + step, self.height))
            yield strip.astype(strip.dtype.newbyteorder("="), copy=False)


@dataclass(frozen=True)
class Range:
    """The lowest and the highest value of a picture's colours."""

    low: float
    high: float
    flat: bool
    """Whether no channel has two values."""

    @property
    def finite(self) -> bool:
        return math.isfinite(self.low) and math.isfinite(self.high)


def of_image(
    image: Image.Image, kind: str, low: Image.Image | None = None, channel: int | None = None
) -> Rows:
    """Of a loaded Pillow image. `low` holds the lower bytes of one whose higher bytes are in `image`; with
    `channel` they are all in that one of its channels."""

    def take(top: int, bottom: int) -> np.ndarray:
        box = (0, top, image.width, bottom)
        values = np.asarray(image.crop(box))
        if low is None:
            return values.astype(kind, copy=False)
        lower = np.asarray(low.crop(box))
        return values.astype(np.uint16) * 256 + (lower if channel is None else lower[:, :, channel, None])

    return Rows(image.height, image.width, kind, take)


def of_array(array: np.ndarray) -> Rows:
    """Of an array in memory."""
    height, width = array.shape[:2]
    return Rows(height, width, array.dtype.name, lambda top, bottom: array[top:bottom])


def range_of(rows: Rows) -> Range:
    """Over all colours; how opaque a picture is does not count."""
    lows, highs = [], []
    for strip in rows.strips():
        colours = strip[..., :3] if strip.ndim == 3 else strip[..., None]
        lows.append(colours.min(axis=(0, 1)))
        highs.append(colours.max(axis=(0, 1)))
    low, high = np.min(lows, axis=0), np.max(highs, axis=0)
    return Range(float(low.min()), float(high.max()), bool((low == high).all()))


def eight_bits(rows: Rows, levels: Levels | None = None) -> Image.Image:
    """RGB: by the levels, what lies beyond them cut off; else by a rule for the type.

    The rule: unsigned 16 bits are divided by 257, floats in [0, 1] multiplied by 255 (`ROUNDING` beyond is
    cut off), other whole numbers in [0, 255] stay as they are. Raises `ImageError` HS107 for values that lie
    outside, and HS108 for such as are not finite. What is to be said of the picture is in its `info` under
    "remark".
    """
    found = range_of(rows)
    problem = problem_of(rows.kind, found.low, found.high, levels)
    if problem is not None:
        raise problem
    out = Image.new("RGB", (rows.width, rows.height))
    top = 0
    for strip in rows.strips():
        pixels = _scaled(strip, levels)
        grey = pixels.ndim == 3 and pixels.shape[2] == 1
        part = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if grey else pixels))
        out.paste(laid_on_white(part) if part.mode == "RGBA" else part.convert("RGB"), (0, top))
        top += len(strip)
    said = remark_of(rows.kind, found.low, found.high, levels)
    if said:
        out.info["remark"] = said
    return out


def laid_on_white(image: Image.Image) -> Image.Image:
    """RGBA -> RGB."""
    white = Image.new("RGBA", image.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, image).convert("RGB")


def problem_of(kind: str, low: float, high: float, levels: Levels | None) -> ImageError | None:
    """Why values of that type and range are no picture; None where they are."""
    if not (math.isfinite(low) and math.isfinite(high)):
        return ImageError("HS108", "some values are not finite (NaN or infinite)")
    if levels is not None or kind == WORDS:
        return None
    real = kind.startswith("float")
    if (low >= -ROUNDING and high <= 1 + ROUNDING) if real else (low >= 0 and high <= 255):
        return None
    allowed = "floats in [0, 1]" if real else "whole numbers in [0, 255]"
    return ImageError(
        "HS107", f"{kind} in [{low:,g}, {high:,g}], and what is white is not known (known are {allowed})"
    )


def remark_of(kind: str, low: float, high: float, levels: Levels | None) -> str:
    """That a picture lies beyond black and white, or is nearly black; nothing for others."""
    black, white = effective(kind, levels)
    if levels is not None and (high > white or low < black):
        beyond = f"[{low:,g}, {high:,g}], beyond [{black:,g}, {white:,g}] from black to white"
        return f"its values lie in {beyond}: what is beyond is cut off"
    if 0 < high < black + DARK * (white - black) and (levels is not None or kind == WORDS):
        return f"nearly black: its highest value is {high:,g}, and white is at {white:,g}"
    return ""


def effective(kind: str, levels: Levels | None) -> Levels:
    """Black and white of a type, with those levels or without."""
    if levels is not None:
        return levels
    return (0.0, 65535.0) if kind == WORDS else (0.0, 1.0) if kind.startswith("float") else (0.0, 255.0)


def _scaled(values: np.ndarray, levels: Levels | None) -> np.ndarray:
    """uint8 of the same shape."""
    if values.dtype == np.uint16:
        scaled: np.ndarray = _table(levels)[values]
        return scaled
    if levels is not None:
        return _between(values, levels)
    if values.dtype.kind == "f":
        return _between(values, (0.0, 1.0))
    return values.astype(np.uint8)


def _between(values: np.ndarray, levels: Levels) -> np.ndarray:
    black, white = levels
    share = (values.astype(np.float64) - black) / (white - black)
    return np.round(np.clip(share, 0, 1) * 255).astype(np.uint8)


@lru_cache(maxsize=4)
def _table(levels: Levels | None) -> np.ndarray:
    """uint8 `[65536]`: what each value of 16 bits becomes."""
    return _between(np.arange(2**16), levels or (0.0, 65535.0))

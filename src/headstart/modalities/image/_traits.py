"""What tells one collection of pictures from another: how their files were made, and how they look."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image

from headstart.modalities.base import Examination

BASE = 3688
"""Sum of the luminance table that the JPEG standard proposes (annex K), which is quality 50."""
SIDE = 128
"""Looks are measured on at most so many pixels a side."""


def traits(data: bytes, seen: Examination) -> dict[str, float | str]:
    """Of the file, from its header: format, size in pixels, colour mode, JPEG quality (1 to 100)."""
    found: dict[str, float | str] = {
        "file format": seen.format,
        "image size": f"{seen.width} x {seen.height}",
        "width": seen.width,
        "height": seen.height,
        "colour mode": seen.mode,
    }
    if seen.values:
        found["type of values"] = seen.values
    quality = jpeg_quality(data)
    return found if quality is None else {**found, "JPEG quality": quality}


def jpeg_quality(data: bytes) -> int | None:
    """The quality of the Independent JPEG Group's library that gives the table of luminance, a little too
    high under 15, where the table is cut off; None for other files."""
    if not data.startswith(b"\xff\xd8"):
        return None
    try:
        with Image.open(io.BytesIO(data)) as image:
            table = getattr(image, "quantization", {}).get(0)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return None
    if not table:
        return None
    scale = 100 * sum(table) / BASE
    return int(np.clip(round((200 - scale) / 2 if scale <= 100 else 5000 / scale), 1, 100))


def looks(opened: Image.Image) -> dict[str, float]:
    """Of what is seen: means over its pixels, 0 to 1."""
    small = opened.copy()
    small.thumbnail((SIDE, SIDE))
    rgb = np.asarray(small, np.float64) / 255  # [H, W, 3]
    grey = rgb.mean(axis=2)
    steps = [np.abs(np.diff(grey, axis=axis)).mean() for axis in (0, 1) if grey.shape[axis] > 1]
    return {
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "colourfulness": float((rgb.max(axis=2) - rgb.min(axis=2)).mean()),
        "sharpness": float(np.mean(steps)) if steps else 0.0,
        "redness": float((rgb[..., 0] - rgb[..., 2]).mean()),
    }

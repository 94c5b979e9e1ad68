"""Images: open and examine one, prepare it as its source wants it, and vary it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image

from headstart.core.source import InputContract
from headstart.errors import ImageError
from headstart.modalities._decode import MOST_PIXELS, ROUNDING, opened_from, pixels_of, recognise
from headstart.modalities._draws import generator
from headstart.modalities._views import VIEWS, centre_cut, evaluation, resize_short
from headstart.modalities.base import Examination

__all__ = [
    "DEFAULT_VIEW",
    "MOST_PIXELS",
    "NOUN",
    "PREPARATION",
    "ROUNDING",
    "SUFFIXES",
    "VIEWS",
    "Examination",
    "as_array",
    "collate",
    "examine",
    "open_image",
    "open_item",
    "pixels",
    "prepare",
    "stored",
    "stored_column",
    "weight",
]

PREPARATION = 2
"""Raise this whenever `prepare` or `pixels` give other pixels for the same bytes: stored features
are then computed anew."""

SUFFIXES = frozenset(
    {
        ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp",
        ".avif", ".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".ico", ".pcx", ".sgi", ".npy",
    }
)  # fmt: skip
"""Endings of files that are taken for images."""


NOUN = "image"
DEFAULT_VIEW = "crop-flip"


def open_image(data: bytes) -> Image.Image:
    """The bytes of an image file (or of a .npy array) as an 8-bit RGB image.

    Upright by its EXIF orientation; transparency laid on white; 16 bits scaled, not clipped; of
    several frames the first. Arrays are H x W or H x W x 1, 3 or 4: uint8, uint16, floats in [0, 1],
    or other whole numbers in [0, 255]; the rule for a type is the same for every picture. Raises
    `ImageError` when the bytes are empty, no image, damaged, or over 100 megapixels.
    """
    return pixels_of(recognise(data))


def examine(data: bytes) -> Examination:
    """Decode fully and say what was found. Raises nothing: problems are part of the answer."""
    try:
        opened = recognise(data)
    except ImageError as error:
        return Examination(problem=error.code, detail=error.problem)
    width, height = opened.size
    # a JPEG is read to its end either way; a smaller inverse transform only saves time
    opened.image.draft(None, (max(1, width // 8), max(1, height // 8)))
    try:
        image = pixels_of(opened)
    except ImageError as error:
        return Examination(width, height, opened.mode, opened.format, opened.facts, error.code, error.problem)
    if (image.width > image.height) != (width > height) and "HS208" in opened.facts:
        width, height = height, width
    facts = {*opened.facts, *_looks(image, width, height)}
    return Examination(width, height, opened.mode, opened.format, tuple(sorted(facts)))


def _looks(image: Image.Image, width: int, height: int) -> list[str]:
    found = []
    if width * height == 1:
        found.append("HS201")
    elif max(width, height) > 10 * min(width, height):
        found.append("HS202")
    bounds: Any = image.getextrema()
    if width * height > 1 and all(low == high for low, high in bounds):
        found.append("HS209")
    return found


def prepare(
    data: bytes | Image.Image,
    contract: InputContract,
    *,
    view: int = 0,
    kind: str = DEFAULT_VIEW,
    key: str = "",
) -> np.ndarray:
    """Image bytes -> uint8 `[3, H, W]` as the source wants it, before normalisation.

    View 0 is the source's own evaluation recipe: resize, cut and interpolation equal those of
    timm and torchvision pixel for pixel. Views 1, 2, ... are varied by the recipe `kind` (a name in
    `VIEWS`) and depend on (key, view, kind) only: give the item's digest as the key. Grey images
    have three equal channels. What `open_image` gave may stand in for the bytes, so that several
    views cost one decoding. Raises `ImageError`; `UnknownName` for an unknown recipe.
    """
    image = _opened(data)
    recipe = VIEWS[kind or DEFAULT_VIEW]
    out = evaluation(image, contract) if view == 0 else recipe(image, contract, generator(key, view, kind))
    return _channels_first(out)


def pixels(data: bytes | Image.Image, side: int) -> np.ndarray:
    """Image bytes -> uint8 `[3, side, side]`: the short side resized to `side`, the centre cut out.

    What `open_image` gave may stand in for the bytes.
    """
    image = resize_short(_opened(data), side, Image.Resampling.BILINEAR)
    return _channels_first(centre_cut(image, (side, side)))


def _opened(data: bytes | Image.Image) -> Image.Image:
    return data if isinstance(data, Image.Image) else open_image(data)


def open_item(data: bytes) -> Image.Image:
    """See `open_image`."""
    return open_image(data)


UNSEEN = 0.75
"""A picture of which more than this share is cut away is said to be seen in part (a panorama, say)."""


def unread(opened: Image.Image, prepared: np.ndarray, contract: InputContract) -> str:
    """The share of the picture that is left, where most of it is cut away."""
    del prepared
    if contract.crop_mode != "center":
        return ""
    short, long = sorted(opened.size)
    side = min(1.0, contract.crop_pct)
    seen = side * min(1.0, side * max(contract.size) * short / (min(contract.size) * long))
    return f"the middle {seen:.0%} of the picture is seen" if seen < 1 - UNSEEN else ""


def collate(prepared: Sequence[np.ndarray]) -> np.ndarray:
    """uint8 `[B, 3, H, W]`"""
    return np.stack(prepared)


def made_up(contract: InputContract, count: int, *, pairs: bool = False) -> np.ndarray:  # noqa: ARG001
    """uint8 `[count, 3, H, W]`: coloured clouds, as uneven on every scale as photographs are."""
    rng, (height, width) = generator(NOUN, 0, "made up"), contract.size
    out = np.zeros((count, 3, height, width), np.float32)
    for cells in (2**k for k in range(1, 1 + max(height, width, 2).bit_length())):
        for row, channel in np.ndindex(count, 3):
            coarse = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32) / cells**0.5)
            out[row, channel] += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    spread = out.std(axis=(2, 3), keepdims=True).clip(1e-6)
    return np.clip(128 + 56 * (out - out.mean(axis=(2, 3), keepdims=True)) / spread, 0, 255).astype(np.uint8)


def stored(data: bytes | Image.Image, contract: InputContract | None, size: int) -> np.ndarray:  # noqa: ARG001
    """uint8 `[3, size, size]`: the same for all sources, see `pixels`."""
    return pixels(data, size)


def stored_column(size: int) -> str:
    """The store's column of pixels with that side."""
    return f"pixels:{size}"


def weight(data: bytes) -> int:  # noqa: ARG001 - a source reads all pictures at one size
    """0: all are alike."""
    return 0


def as_array(image: Image.Image) -> np.ndarray:
    """A Pillow image -> uint8 `[H, W, 3]`, by the rules of `open_image`. Raises `ImageError`."""
    return np.asarray(pixels_of(opened_from(image)))


def _channels_first(image: Image.Image) -> np.ndarray:
    """uint8 [H, W, 3] -> [3, H, W], contiguous."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))

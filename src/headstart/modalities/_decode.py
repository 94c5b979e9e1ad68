"""Bytes -> an RGB image, whatever the file holds; and what was found on the way."""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from headstart.errors import ImageError

MOST_PIXELS = 100_000_000
"""Larger images are refused before they are decoded."""

FORMATS = (
    "JPEG", "MPO", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "ICO", "PCX", "SGI",
)  # fmt: skip
"""Raster formats that decode without starting another program (EPS would)."""

ROUNDING = 1e-3
"""How far beyond [0, 1] floats may lie: what resizing or arithmetic leaves, a quarter of a grey level."""

_STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*")
"""How the commonest formats begin."""

NPY = b"\x93NUMPY"
_ORIENTATION = 0x0112
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)


@dataclass(frozen=True)
class Opened:
    """An image file that was recognised; pixels are decoded by `pixels_of`."""

    image: Image.Image
    format: str
    mode: str
    size: tuple[int, int]
    """Width and height as stored, before rotation."""
    facts: tuple[str, ...]
    """Finding codes of what has to be handled (animated, CMYK, ...)."""


def recognise(data: bytes) -> Opened:
    """Read the header. Raises `ImageError` HS102 (empty), HS103 (not an image) or HS105 (too large)."""
    if not data:
        raise ImageError("HS102", "the file is empty")
    if data.startswith(NPY):
        image, deep = _from_npy(data)
        facts = (*_mode_facts(image.mode, {}), *(("HS206",) if deep else ()))
        return Opened(image, "NPY", image.mode, image.size, facts)
    try:
        image = Image.open(io.BytesIO(data), formats=_formats())
    except _BOMBS:
        raise too_large() from None
    except UnidentifiedImageError:
        if data.startswith(_STARTS):
            raise ImageError("HS104", "begins like an image, but is damaged or cut off") from None
        raise ImageError("HS103", "not an image that can be read") from None
    except Exception as error:  # damaged headers raise nearly anything
        raise ImageError("HS104", f"its header is damaged: {error}") from None
    return opened_from(image)


@cache
def _formats() -> list[str]:
    """The formats that this Pillow was built with."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def opened_from(image: Image.Image) -> Opened:
    """A Pillow image that is open already. Raises `ImageError` HS104 or HS105."""
    if image.width * image.height > MOST_PIXELS:
        raise too_large(image.size)
    try:
        facts = _facts(image)
    except Exception as error:  # looking for a second frame reads on in a damaged file
        raise ImageError("HS104", f"its header is damaged: {error}") from None
    return Opened(image, image.format or "", image.mode, image.size, facts)


def pixels_of(opened: Opened) -> Image.Image:
    """Decode fully: 8-bit RGB, upright, transparency laid on white, the first frame.

    Raises `ImageError` HS104 for truncated or damaged content.
    """
    image = opened.image
    try:
        image.load()
        if "HS208" in opened.facts:
            image = ImageOps.exif_transpose(image)
        return _rgb(image, opened.format)
    except ImageError:
        raise
    except _BOMBS:
        raise too_large() from None
    except Exception as error:  # so does damaged content
        text = str(error).strip() or type(error).__name__
        raise ImageError("HS104", f"truncated or damaged: {text}") from None


def too_large(size: tuple[int, int] | None = None) -> ImageError:
    """The error for decompression bombs."""
    found = f"{size[0]} x {size[1]} pixels" if size else "too many pixels"
    return ImageError("HS105", f"{found}: images over {MOST_PIXELS // 1_000_000} megapixels are refused")


def _facts(image: Image.Image) -> tuple[str, ...]:
    facts = list(_mode_facts(image.mode, image.info))
    # a photo with a second, smaller picture inside (MPO) is not an animation
    if getattr(image, "is_animated", False) and image.format != "MPO":
        facts.append("HS203")
    if _orientation(image) != 1:
        facts.append("HS208")
    return tuple(sorted(facts))


def _mode_facts(mode: str, info: dict) -> tuple[str, ...]:
    facts = []
    if mode == "CMYK":
        facts.append("HS204")
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in info:
        facts.append("HS205")
    if mode.startswith("I") or mode == "F":
        facts.append("HS206")
    if mode in ("P", "PA"):
        facts.append("HS207")
    return tuple(facts)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) where there is none or the EXIF block is damaged."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF raises nearly anything; the pixels are still good
        return 1
    return value if isinstance(value, int) and 2 <= value <= 8 else 1


def _rgb(image: Image.Image, form: str) -> Image.Image:
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image)
        if image.mode == "I" and form == "PPM":  # which Pillow stretches to 16 bits, whatever their white is
            values = values.astype(np.uint16)
        return Image.fromarray(_eight_bits(values)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        # pre-multiplied modes reach RGBA only through their own partner
        partner = {"RGBa": "RGBA", "La": "LA"}.get(image.mode)
        rgba = (image.convert(partner) if partner else image).convert("RGBA")
        white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
        return Image.alpha_composite(white, rgba).convert("RGB")
    return image if image.mode == "RGB" else image.convert("RGB")


def _eight_bits(values: np.ndarray) -> np.ndarray:
    """Values that are not uint8 -> uint8, by a rule for the type: never by the picture's own range.

    Unsigned 16 bits are divided by 257, floats in [0, 1] multiplied by 255 (`ROUNDING` beyond is cut
    off); other whole numbers in [0, 255] stay as they are. What lies outside has no white that can be
    known from one picture, and scaling each by its own makes them incomparable: `ImageError` HS104.
    """
    kind = values.dtype.kind
    if kind == "u" and values.dtype.itemsize == 2:
        return np.round(values / 257.0).astype(np.uint8)
    low, high = values.min(), values.max()
    if kind == "f":
        if not np.isfinite([low, high]).all():
            raise ImageError("HS104", "some values are not finite")
        if low < -ROUNDING or high > 1 + ROUNDING:
            raise ImageError("HS104", _outside("floats", "[0, 1]", low, high))
        return np.round(np.clip(values.astype(np.float64), 0, 1) * 255).astype(np.uint8)
    if low < 0 or high > 255:
        raise ImageError(
            "HS104", _outside(f"whole numbers of type {values.dtype.name}", "[0, 255]", low, high)
        )
    return values.astype(np.uint8)


def _outside(what: str, allowed: str, low: float, high: float) -> str:
    found = f"{what} must lie in {allowed}, but these lie in [{low:g}, {high:g}]"
    return f"{found}: scale all pictures alike, best to uint8, or to uint16 with white at 65,535"


def _from_npy(data: bytes) -> tuple[Image.Image, bool]:
    """An image from the bytes of the .npy format, and whether it had more than 8 bits a channel."""
    try:
        stream = io.BytesIO(data)
        version = np.lib.format.read_magic(stream)
        read = (
            np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        )
        shape, fortran, dtype = read(stream)
    except Exception as error:  # the header is a Python literal: damage raises nearly anything
        raise ImageError("HS104", f"its .npy header is damaged: {error}") from None
    pixels = math.prod(shape[:2])
    if pixels > MOST_PIXELS:
        raise too_large((shape[1], shape[0]) if len(shape) > 1 else None)
    if len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] not in (1, 3, 4)) or not pixels:
        raise ImageError(
            "HS103", f"an array of shape {tuple(shape)} is not an image: H x W, or H x W x 1, 3 or 4"
        )
    if dtype.hasobject or dtype.kind not in "uifb":
        raise ImageError("HS103", f"an array of {dtype} is not an image")
    count = math.prod(shape)
    if len(data) - stream.tell() < count * dtype.itemsize:
        raise ImageError("HS104", "truncated: the .npy file is shorter than its header says")
    flat = np.frombuffer(data, dtype=dtype, count=count, offset=stream.tell())
    return _from_array(flat.reshape(shape, order="F" if fortran else "C"))


def _from_array(array: np.ndarray) -> tuple[Image.Image, bool]:
    deep = array.dtype.kind == "u" and array.dtype.itemsize == 2
    if array.dtype.kind == "b":
        array = array.astype(np.uint8) * 255
    elif array.dtype != np.uint8:
        array = _eight_bits(array.astype(array.dtype.newbyteorder("=")))
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    return Image.fromarray(np.ascontiguousarray(array)), deep

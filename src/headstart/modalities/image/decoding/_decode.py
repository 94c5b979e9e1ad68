"""Bytes -> an RGB image, whatever the file holds; and what was found on the way."""

from __future__ import annotations

import contextlib
import importlib
import io
import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from PIL import Image, UnidentifiedImageError

from headstart._lazy import optional
from headstart.core.source import Levels
from headstart.core.untrusted import limits, npy_header
from headstart.errors import ImageError, MissingExtra
from headstart.modalities.image.decoding import _deep, _kinds
from headstart.modalities.image.decoding._deep import Range, Rows
from headstart.modalities.image.decoding._quiet import quiet

MOST_PIXELS = limits.PIXELS
"""Larger images are refused before they are decoded."""

FORMATS = (
    "JPEG", "MPO", "PNG", "GIF", "BMP", "DIB", "TIFF", "WEBP", "AVIF", "JPEG2000", "PPM", "ICO", "PCX", "SGI",
)  # fmt: skip
"""Raster formats that decode without starting another program (EPS would)."""
PLUGINS = (
    "Jpeg", "Mpo", "Png", "Gif", "Bmp", "Tiff", "WebP", "Avif", "Jpeg2K", "Ppm", "Ico", "Pcx", "Sgi",
)  # fmt: skip
"""Pillow's modules that read these; to load all that it has takes longer than to decode a photo."""

STARTS = (b"\xff\xd8\xff", b"\x89PNG", b"GIF8", b"II*\0", b"MM\0*")
"""How the commonest formats begin."""

NPY = b"\x93NUMPY"
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE, 6: Image.Transpose.ROTATE_270, 7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # fmt: skip
"""EXIF orientation -> what turns it upright."""
_SIDEWAYS = {_TURNS[number] for number in (5, 6, 7, 8)}
_BOMBS = (Image.DecompressionBombError, Image.DecompressionBombWarning)
_OTHER_BYTES = {";16B": ";16L", ";16L": ";16B", ";16N": ";16B" if sys.byteorder == "little" else ";16L"}
"""Of two bytes a value Pillow keeps the higher one. Told that they lie the other way round, it gives the
lower one."""


@dataclass(frozen=True)
class Opened:
    """An image file that was recognised; pixels are decoded by `pixels_of`."""

    image: Image.Image | None
    """None for an array of more than 8 bits a channel."""
    format: str
    mode: str
    size: tuple[int, int]
    """Width and height as stored, before rotation."""
    facts: tuple[str, ...]
    """Finding codes of what has to be handled (animated, CMYK, ...)."""
    rows: Rows | None = None
    """The values of an array of more than 8 bits a channel."""
    colour: bytes = b""
    """The whole file where it holds colours of 16 bits, of which Pillow gives the higher byte alone."""

    @property
    def weight(self) -> int:
        """Bytes that it takes, roughly, to decode it and make it RGB."""
        size = self.image.size if self.image is not None else self.size  # what a JPEG was told to be read at
        own = {"RGB": 0, "1": 1, "L": 1, "P": 1, "LA": 2}.get(self.mode, 4)
        return size[0] * size[1] * (4 + own + (4 if self.colour else 0))


def recognise(data: bytes) -> Opened:
    """Read the header.

    Raises `ImageError` HS102 (empty), HS103 (not an image), HS104 (damaged), HS105 (too large) or HS109 (a
    kind that is not read).
    """
    if not data:
        raise ImageError("HS102", "the file is empty")
    if data.startswith(NPY):
        return _from_npy(data)
    kind = _kinds.kind_of(data)
    if kind and kind not in _kinds.READ:
        raise ImageError("HS109", kind)
    try:
        with quiet():
            if kind == _kinds.HEIC:
                heif = optional("pillow_heif", extra="heif", needed_for="reading HEIC photographs")
                image: Image.Image = heif.HeifImageFile(io.BytesIO(data))
            else:
                image = Image.open(io.BytesIO(data), formats=_formats())
    except _BOMBS:
        raise too_large() from None
    except MissingExtra:
        raise ImageError("HS109", kind) from None
    except UnidentifiedImageError:
        if kind and "AVIF" not in _formats():
            raise ImageError("HS109", kind) from None
        if kind or data.startswith(STARTS):
            raise ImageError("HS104", "begins like an image, but is damaged or cut off") from None
        raise ImageError("HS103", "not an image that can be read") from None
    except Exception as error:  # damaged headers raise nearly anything
        what = f"{_kinds.READ[kind]}, but its" if kind else "its"
        raise ImageError("HS104", f"{what} header is damaged: {error}") from None
    raw = _kinds.raw_inside(image)
    if raw:
        raise ImageError("HS109", raw)
    return opened_from(image, data)


@cache
def _formats() -> list[str]:
    """The formats that this Pillow was built with."""
    for name in PLUGINS:
        with contextlib.suppress(ImportError):
            importlib.import_module(f"PIL.{name}ImagePlugin")
    return [name for name in FORMATS if name in Image.OPEN]


def opened_from(image: Image.Image, data: bytes = b"") -> Opened:
    """A Pillow image that is open already, and the bytes of its file where they are known.

    Raises `ImageError` HS104 or HS105.
    """
    if image.width * image.height > MOST_PIXELS:
        raise too_large(image.size)
    try:
        with quiet():
            facts = _facts(image)
    except Exception as error:  # looking for a second frame reads on in a damaged file
        raise ImageError("HS104", f"its header is damaged: {error}") from None
    colour = data if _raw_mode(image)[-4:] in _OTHER_BYTES and image.mode in ("RGB", "RGBA") else b""
    if colour:
        facts = tuple(sorted({*facts, "HS206"}))
    return Opened(image, image.format or "", image.mode, image.size, facts, colour=colour)


def pixels_of(opened: Opened, levels: Levels | None = None) -> Image.Image:
    """Decode fully: 8-bit RGB, upright, transparency laid on white, the first frame.

    Raises `ImageError` HS104 for truncated or damaged content, HS107 and HS108 as `_deep.eight_bits` does.
    """
    with _decoding():
        turn = _loaded(opened)
        deep = values_of(opened) if levels is not None or not opened.colour else None
        if deep is not None:
            rgb = _deep.eight_bits(deep, levels)
        else:
            assert opened.image is not None
            rgb = _rgb(opened.image)
        return rgb if turn is None else _turned(rgb, turn)


@dataclass(frozen=True)
class Seen:
    """What decoding an image shows: its pixels, or of more than 8 bits a channel the range of its values."""

    image: Image.Image | None
    """RGB; smaller where a JPEG was told to be read so."""
    kind: str = ""
    """The type of the values."""
    range: Range | None = None
    turned: bool = False
    """Whether it was turned, or mirrored, to be upright."""
    sideways: bool = False
    """Whether width and height are exchanged."""


def look(opened: Opened) -> Seen:
    """Decode fully. Raises `ImageError` HS104."""
    with _decoding():
        turn = _loaded(opened)
        deep = values_of(opened)
        turned = turn is not None or "HS208" in opened.facts
        if deep is not None:
            sideways = turn in _SIDEWAYS or (deep.width, deep.height) != opened.size
            return Seen(None, deep.kind, _deep.range_of(deep), turned, sideways)
        assert opened.image is not None
        rgb = _rgb(opened.image)
        rgb = rgb if turn is None else _turned(rgb, turn)
        sideways = (rgb.width > rgb.height) != (opened.size[0] > opened.size[1])
        return Seen(rgb, turned=turned, sideways=sideways and turned)


def plain(opened: Opened) -> np.ndarray:
    """Decode fully, and keep all bits: `[H, W]` of a picture of more than 8 bits, else uint8 `[H, W, 3]`;
    upright.

    Raises `ImageError` HS104.
    """
    with _decoding():
        turn = _loaded(opened)
        image = opened.image
        assert image is not None
        upright = image if turn is None else _turned(image, turn)
        deep = values_of(replace(opened, image=upright, colour=b""))
        return deep.take(0, deep.height) if deep is not None else np.asarray(_rgb(upright))


@contextlib.contextmanager
def _decoding() -> Iterator[None]:
    """Whatever a decoder raises is an `ImageError`, and its warnings reach nobody."""
    try:
        with quiet():
            yield
    except ImageError:
        raise
    except _BOMBS:
        raise too_large() from None
    except Exception as error:  # damaged content raises nearly anything
        text = str(error).strip() or type(error).__name__
        raise ImageError("HS104", f"truncated or damaged: {text}") from None


def _loaded(opened: Opened) -> Image.Transpose | None:
    """Decode, and say how the image has still to be turned; TIFF is turned by Pillow."""
    if opened.image is None:
        return None
    opened.image.load()
    known = "HS208" in opened.facts or opened.format == "PNG"
    return _TURNS.get(_orientation(opened.image)) if known else None


def outline(opened: Opened) -> tuple[tuple[int, int], Image.Transpose | None]:
    """Width and height as stored, and how the image is to be turned; TIFF is turned by Pillow."""
    if opened.image is None or "HS208" not in opened.facts or opened.format == "TIFF":
        return opened.size, None
    return opened.size, _TURNS.get(_orientation(opened.image))


def _turned(image: Image.Image, turn: Image.Transpose) -> Image.Image:
    out = image.transpose(turn)
    out.info = dict(image.info)
    return out


def values_of(opened: Opened) -> Rows | None:
    """The values of a decoded picture of more than 8 bits a channel; None for others."""
    if opened.image is None:
        return opened.rows
    image = opened.image
    if image.mode.startswith("I") or image.mode == "F":
        # Pillow stretches the one to 16 bits, whatever its white is, and older ones give the other so
        words = image.mode.startswith("I;16") or (image.mode == "I" and opened.format in ("PPM", "PNG"))
        return _deep.of_image(image, _deep.WORDS if words else "float32" if image.mode == "F" else "int32")
    if not opened.colour:
        return None
    low = Image.open(io.BytesIO(opened.colour), formats=_formats())
    raw = _raw_mode(low)
    # grey with transparency lies in four bytes a pixel: grey, its lower byte, alpha, its lower byte
    grey = raw == "LA;16B"
    other = "RGBA" if grey else raw[:-4] + _OTHER_BYTES[raw[-4:]]
    tiles = []
    for tile in low.tile:
        given = (other, *tile.args[1:]) if isinstance(tile.args, tuple) else other
        tiles.append(tile._replace(args=given))
    low.tile = tiles
    low.load()
    return _deep.of_image(image, _deep.WORDS, low, 1 if grey else None)


def _raw_mode(image: Image.Image) -> str:
    """How Pillow is told that the values lie in the file; "" where it is not known."""
    tiles = getattr(image, "tile", None) or ()
    found = {tile.args[0] if isinstance(tile.args, tuple) and tile.args else tile.args for tile in tiles}
    only = found.pop() if len(found) == 1 else ""
    return only if isinstance(only, str) else ""


def too_large(size: tuple[int, int] | None = None) -> ImageError:
    """The error for decompression bombs."""
    found = f"{size[0]} x {size[1]} pixels" if size else "too many pixels"
    return ImageError("HS105", f"{found}: images over {MOST_PIXELS // 1_000_000} megapixels are refused")


def _facts(image: Image.Image) -> tuple[str, ...]:
    facts = list(_mode_facts(image.mode, image.info))
    # a photo with a second, smaller picture inside (MPO) is not an animation
    if getattr(image, "is_animated", False) and image.format != "MPO":
        facts.append("HS203")
    # of a PNG it may lie behind the pixels, and to ask for it is to decode them: later, when there is room
    if image.format != "PNG" and _orientation(image) != 1:
        facts.append("HS208")
    return tuple(sorted(facts))


def _mode_facts(mode: str, info: dict) -> tuple[str, ...]:
    facts = {
        "HS204": mode == "CMYK",
        "HS205": mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in info,
        "HS206": mode.startswith("I") or mode == "F",
        "HS207": mode in ("P", "PA"),
    }
    return tuple(code for code, holds in facts.items() if holds)


def _orientation(image: Image.Image) -> int:
    """The EXIF orientation, 1 (upright) where there is none or the EXIF block is damaged."""
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # damaged EXIF raises nearly anything; the pixels are still good
        return 1
    return value if isinstance(value, int) and 2 <= value <= 8 else 1


def _rgb(image: Image.Image) -> Image.Image:
    """Of 8 bits a channel, in strips where more than a conversion is needed."""
    if image.mode not in ("RGBA", "LA", "PA", "RGBa", "La") and "transparency" not in image.info:
        return image if image.mode == "RGB" else image.convert("RGB")
    out = Image.new("RGB", image.size)
    for top in range(0, image.height, step := max(1, _STRIP // max(1, image.width))):
        strip = image.crop((0, top, image.width, min(top + step, image.height)))
        # pre-multiplied modes reach RGBA only through their own partner
        partner = {"RGBa": "RGBA", "La": "LA"}.get(image.mode)
        strip = strip.convert(partner) if partner else strip
        out.paste(_deep.laid_on_white(strip.convert("RGBA")), (0, top))
    return out


_STRIP = 2**20
"""Pixels that are laid on white together."""


def _from_npy(data: bytes) -> Opened:
    """An image from the bytes of the .npy format."""
    try:
        stream = io.BytesIO(data)
        shape, fortran, dtype = npy_header(stream)
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


def _from_array(array: np.ndarray) -> Opened:
    mode = {1: "L", 3: "RGB", 4: "RGBA"}[array.shape[2] if array.ndim == 3 else 1]
    size, facts = (array.shape[1], array.shape[0]), _mode_facts(mode, {})
    if array.dtype.kind != "b" and array.dtype != np.uint8:
        deep = ("HS206",) if array.dtype.kind == "u" and array.dtype.itemsize == 2 else ()
        return Opened(None, "NPY", mode, size, (*facts, *deep), _deep.of_array(array))
    if array.dtype.kind == "b":
        array = array.astype(np.uint8) * 255
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[:, :, 0]
    return Opened(Image.fromarray(np.ascontiguousarray(array)), "NPY", mode, size, facts)

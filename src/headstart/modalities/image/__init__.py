"""Images: open and examine one, prepare it as its source wants it, and vary it."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from headstart.core.frame import Frame
from headstart.core.source import Levels
from headstart.errors import ImageError
from headstart.modalities.base import Examination, Numbers, generator
from headstart.modalities.image import _described
from headstart.modalities.image._traits import looks as looks
from headstart.modalities.image._traits import traits as traits
from headstart.modalities.image._views import FRAMES, VIEWS, centre_cut, evaluation, resize_short
from headstart.modalities.image.decoding import _decode, _deep, _kinds, _white
from headstart.modalities.image.decoding._deep import ROUNDING as ROUNDING
from headstart.modalities.image.decoding._quiet import ROOM
from headstart.modalities.image.preprocessing import ImagePreprocessing

PREPARATION = 2

SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".mpo", ".png", ".gif", ".bmp", ".dib", ".tif", ".tiff", ".webp",
    ".avif", ".jp2", ".j2k", ".jpx", ".ppm", ".pgm", ".pbm", ".pnm", ".ico", ".pcx", ".sgi", ".npy",
    ".heic", ".heif", ".hif",
})  # fmt: skip
"""HEIC is among them without the package that reads it, to be told."""
NOT_READ = _kinds.ENDINGS
NOUN = "image"
HAS_LEVELS = True
IN_WORDS = False
IN_LINES = False
ROWS = False
PRETRAINED = True
GROUPS = ()
REMEMBERED = True
STORED_ALIKE = True
VIEWS_PAY = True
COMPARED_BY = "bundled/strokes"
COPIES_FROM = None
"""On ants, bees, dogs and cats it found every one of 360 pairs of a photo with its re-encoded and rescaled
copies, and no other pair; an ImageNet MobileNet found 346."""
TUNING = Numbers(
    lr=1e-4, layer_decay=0.75, weight_decay=0.05, smoothing=0.1, from_scratch=(1e-3, 3e-3, 3e-4), share=0.5
)
"""The share by `benchmarks/averages.py`."""
PREPROCESSING = ImagePreprocessing
STORED = 32
"""Side in pixels of images that a model without a source reads."""
PLAIN = ImagePreprocessing(
    size=(STORED, STORED), mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5), interpolation="bilinear", crop_pct=1.0
)
"""Their short side resized, the centre cut out."""
DEFAULT_VIEW = "crop-flip"


def open_image(data: bytes, levels: Levels | None = None) -> Image.Image:
    """The bytes of an image file (or of a .npy array) as an 8-bit RGB image.

    Upright by its EXIF orientation; transparency laid on white; of several frames the first. Arrays are H x W
    or H x W x 1, 3 or 4. More than 8 bits a channel become 8 by the `levels`, the values that are black and
    white: what is beyond is cut off. Without them by a rule for the type, the same for every picture: 16 bits
    are divided by 257, floats must lie in [0, 1] and other whole numbers in [0, 255]. What is to be said of
    how it was read is in its `info` under "remark".

    Raises `ImageError` when the bytes are empty, no image, of a kind that is not read, damaged, over 100
    megapixels, or of values whose white is not known.
    """
    return _decode.pixels_of(_decode.recognise(data), levels)


def outline(data: bytes) -> tuple[tuple[int, int], Image.Transpose | None]:
    """Width and height of an image as stored, and how it is turned to be upright; of its header alone, so
    that the beginning of a file may be enough. Raises `ImageError`."""
    return _decode.outline(_decode.recognise(data))


def examine(data: bytes) -> Examination:
    """Decode fully and say what was found. Raises nothing: problems are part of the answer."""
    try:
        opened = _decode.recognise(data)
    except ImageError as error:
        return Examination(problem=error.code, detail=error.problem)
    width, height = opened.size
    if opened.image is not None:
        # a JPEG is read to its end either way; a smaller inverse transform only saves time
        opened.image.draft(None, (max(1, width // 8), max(1, height // 8)))
    try:
        with ROOM.of(opened.weight):
            seen = _decode.look(opened)
    except ImageError as error:
        return Examination(width, height, opened.mode, opened.format, opened.facts, error.code, error.problem)
    if seen.sideways:
        width, height = height, width
    facts = tuple(sorted({*opened.facts, *_looks(seen, width, height)}))
    found = Examination(width, height, opened.mode, opened.format, facts)
    if seen.range is None:
        return found
    if seen.range.finite:
        return replace(found, values=seen.kind, low=seen.range.low, high=seen.range.high)
    problem = _deep.problem_of(seen.kind, seen.range.low, seen.range.high, None)
    assert problem is not None
    return replace(found, problem=problem.code, detail=problem.problem)


def _looks(seen: _decode.Seen, width: int, height: int) -> list[str]:
    found = ["HS208"] if seen.turned else []
    if width * height == 1:
        found.append("HS201")
    elif max(width, height) > 10 * min(width, height):
        found.append("HS202")
    bounds: Any = seen.image.getextrema() if seen.image is not None else ()
    flat = seen.range.flat if seen.range is not None else all(low == high for low, high in bounds)
    if width * height > 1 and flat:
        found.append("HS209")
    return found


def prepare(
    data: bytes | Image.Image,
    contract: ImagePreprocessing,
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
    image = _opened(data, contract.levels)
    recipe = VIEWS[kind or DEFAULT_VIEW]
    out = evaluation(image, contract) if view == 0 else recipe(image, contract, generator(key, view, kind))
    return _channels_first(out)


def frame(view: int, kind: str, key: str) -> Frame:
    """Which part of an image `prepare` shows as that view, where view 0 is all of it (`crop_mode` "squash").

    Raises `UnknownName` for a recipe whose views do not tell.
    """
    return FRAMES[kind](generator(key, view, kind)) if view else Frame()


def pixels(data: bytes | Image.Image, side: int) -> np.ndarray:
    """Image bytes -> uint8 `[3, side, side]`: the short side resized to `side`, the centre cut out.

    What `open_image` gave may stand in for the bytes.
    """
    image = resize_short(_opened(data), side, Image.Resampling.BILINEAR)
    return _channels_first(centre_cut(image, (side, side)))


def _opened(data: bytes | Image.Image, levels: Levels | None = None) -> Image.Image:
    return data if isinstance(data, Image.Image) else open_image(data, levels)


@contextmanager
def held(data: bytes, levels: Levels | None = None) -> Iterator[Image.Image]:
    """See `open_image`. Waits until what other threads have decoded leaves room, and takes it as long as it
    is open.

    Not to be nested: a thread that holds one image would wait for itself.
    """
    found = _decode.recognise(data)
    with ROOM.of(found.weight):
        image = _decode.pixels_of(found, levels)
        del found
        yield image


open_item = open_image
settle = _white.settle
described = _described.of_images


UNSEEN = 0.75
"""A picture of which more than this share is cut away is said to be seen in part (a panorama, say)."""


def extent(opened: Image.Image) -> tuple[int, int]:
    """Height and width as seen."""
    return opened.height, opened.width


def part(opened: Image.Image, box: Sequence[float]) -> Image.Image:
    """The part between top, left, bottom and right, shares of height and width."""
    top, left, bottom, right = (
        round(share * side) for share, side in zip(box, (opened.height, opened.width) * 2, strict=True)
    )
    return opened.crop((left, top, max(right, left + 1), max(bottom, top + 1)))


def unread(opened: Image.Image, prepared: np.ndarray, contract: ImagePreprocessing) -> str:
    """The share of the picture that is left, where most of it is cut away; and that its values do not fit
    what is black and white for the model."""
    del prepared
    return "; ".join(said for said in (opened.info.get("remark", ""), _cut_away(opened, contract)) if said)


def _cut_away(opened: Image.Image, contract: ImagePreprocessing) -> str:
    if contract.crop_mode != "center":
        return ""
    short, long = sorted(opened.size)
    side = min(1.0, contract.crop_pct)
    seen = side * min(1.0, side * max(contract.size) * short / (min(contract.size) * long))
    return f"the middle {seen:.0%} of the picture is seen" if seen < 1 - UNSEEN else ""


def collate(prepared: Sequence[np.ndarray]) -> np.ndarray:
    """uint8 `[B, 3, H, W]`"""
    return np.stack(prepared)


def dummy_batch(contract: ImagePreprocessing, count: int, *, pairs: bool = False) -> np.ndarray:  # noqa: ARG001
    """uint8 `[count, 3, H, W]`: coloured clouds, as uneven on every scale as photographs are."""
    rng, (height, width) = generator(NOUN, 0, "made up"), contract.size
    out = np.zeros((count, 3, height, width), np.float32)
    for cells in (2**k for k in range(1, 1 + max(height, width, 2).bit_length())):
        for row, channel in np.ndindex(count, 3):
            coarse = Image.fromarray(rng.normal(size=(cells, cells)).astype(np.float32) / cells**0.5)
            out[row, channel] += np.asarray(coarse.resize((width, height), Image.Resampling.BICUBIC))
    spread = out.std(axis=(2, 3), keepdims=True).clip(1e-6)
    return np.clip(128 + 56 * (out - out.mean(axis=(2, 3), keepdims=True)) / spread, 0, 255).astype(np.uint8)


def stored(data: bytes | Image.Image, contract: ImagePreprocessing | None, size: int) -> np.ndarray:  # noqa: ARG001
    """uint8 `[3, size, size]`: the same for all sources, see `pixels`."""
    return pixels(data, size)


def stored_column(size: int) -> str:
    """The store's column of pixels with that side."""
    return f"pixels:{size}"


LEAST_SIDE = 16
"""Pixels on the shorter side under which near-duplicates are not looked for: two digits of 8 x 8
pixels by one hand are as alike as a picture and its copy."""


def telling(opened: Iterable[Image.Image]) -> bool:
    """Whether the shorter side of most pictures has `LEAST_SIDE` pixels."""
    return float(np.median([min(image.size) for image in opened])) >= LEAST_SIDE


def weight(data: bytes, contract: ImagePreprocessing) -> int:  # noqa: ARG001 - a source reads all pictures at one size
    """0: all are alike."""
    return 0


def as_array(image: Image.Image) -> np.ndarray:
    """A Pillow image of any mode -> an array that `open_image` reads as it would the image's own file.

    uint8 `[H, W, 3]`, upright, transparency laid on white; of more than 8 bits a channel the values as they
    are, uint16, int32 or float32 `[H, W]`. Raises `ImageError`.
    """
    return _decode.plain(_decode.opened_from(image))


def as_bytes(image: Image.Image) -> bytes:
    """The same as the bytes of a .npy file. Raises `ImageError`."""
    buffer = io.BytesIO()
    np.save(buffer, as_array(image), allow_pickle=False)
    return buffer.getvalue()


def begins(start: bytes) -> bool:
    """Whether bytes begin as the commonest pictures do."""
    return start.startswith((_decode.NPY, *_decode.STARTS))


def holds(entry: Any) -> bool:
    """Whether it is a Pillow image."""
    return isinstance(entry, Image.Image)


def shown(opened: Image.Image) -> tuple[Image.Image, str]:
    """The picture itself, and nothing to hear."""
    return opened, ""


def kind_of(data: bytes) -> str:
    """What the bytes are and what to do, where they are a picture of a kind that is known and not read, or
    something else that is found under a picture's name; "" for others."""
    return "" if (kind := _kinds.kind_of(data)) in _kinds.READ else kind


def _channels_first(image: Image.Image) -> np.ndarray:
    """uint8 [H, W, 3] -> [3, H, W], contiguous."""
    return np.ascontiguousarray(np.asarray(image).transpose(2, 0, 1))

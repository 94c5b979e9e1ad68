"""Views of one image: the source's own evaluation recipe, and seeded random variations of it."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
from PIL import Image, ImageOps

from headstart.core.frame import Frame
from headstart.core.registry import Registry
from headstart.errors import BadOption
from headstart.modalities.image.preprocessing import ImagePreprocessing, padding_of, sides_of

Recipe = Callable[[Image.Image, ImagePreprocessing, np.random.Generator], Image.Image]
"""(RGB image, contract, generator) -> RGB image of the contract's size."""

VIEWS: Registry[Recipe] = Registry("view recipe")
"""Recipes of augmented views by name."""

FRAMES: Registry[Callable[[np.random.Generator], Frame]] = Registry("view recipe with a frame")
"""Of recipes whose views show a part that is known, what draws it: the first that the recipe draws."""

_RESAMPLING = ("nearest", "bilinear", "bicubic", "box", "hamming", "lanczos")


def resampling(name: str) -> Image.Resampling:
    """Pillow's constant for a contract's interpolation. Raises `BadOption`."""
    if name not in _RESAMPLING:
        raise BadOption("interpolation", name, f"one of {', '.join(_RESAMPLING)}")
    return Image.Resampling[name.upper()]


def evaluation(image: Image.Image, contract: ImagePreprocessing) -> Image.Image:
    """The source's recipe for evaluation, pixel for pixel as timm and torchvision do it in Pillow."""
    height, width = contract.size
    tall, wide = sides_of(contract)
    how = resampling(contract.interpolation)
    if contract.crop_mode == "squash":
        # one number for a square size: timm's transform then resizes to exactly tall x wide
        return centre_cut(_resize(image, (tall, wide), how), (height, width))
    if contract.crop_mode not in ("center", "border"):
        raise BadOption("crop_mode", contract.crop_mode, '"center", "squash" or "border"')
    if contract.crop_mode == "center" and tall == wide:
        return centre_cut(resize_short(image, tall, how), (height, width))
    both = image.height / tall, image.width / wide
    ratio = max(both) if contract.crop_mode == "border" else min(both)
    image = _resize(image, (round(image.height / ratio), round(image.width / ratio)), how)
    return centre_cut(image, (height, width), padding_of(contract))


def resize_short(image: Image.Image, side: int, how: Image.Resampling) -> Image.Image:
    """Resize so that the short side is `side`; the long one is rounded down, as torchvision does."""
    width, height = image.size
    if width <= height:
        return _resize(image, (int(side * height / width), side), how)
    return _resize(image, (side, int(side * width / height)), how)


def centre_cut(image: Image.Image, size: tuple[int, int], fill: tuple[int, ...] = (0, 0, 0)) -> Image.Image:
    """The centre of the image, `size` = (height, width); padded with `fill` where it is smaller."""
    height, width = size
    if width > image.width or height > image.height:
        across, down = max(width - image.width, 0), max(height - image.height, 0)
        border = (across // 2, down // 2, (across + 1) // 2, (down + 1) // 2)
        image = ImageOps.expand(image, border, fill=fill)
    top, left = round((image.height - height) / 2.0), round((image.width - width) / 2.0)
    if (image.height, image.width) == (height, width):
        return image
    return image.crop((left, top, left + width, top + height))


def random_resized_crop(
    image: Image.Image, contract: ImagePreprocessing, rng: np.random.Generator, *, least: float = 0.5
) -> Image.Image:
    """A random part of `least` to all of the area, aspect 3:4 to 4:3, resized to the input size."""
    width, height = image.size
    for _ in range(10):
        area = width * height * rng.uniform(least, 1.0)
        aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        w, h = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < w <= width and 0 < h <= height:
            left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
            break
    else:  # very long images: the largest allowed aspect at the centre
        w, h = min(width, max(1, round(height * 4 / 3))), min(height, max(1, round(width * 4 / 3)))
        left, top = (width - w) // 2, (height - h) // 2
    part = image.crop((left, top, left + w, top + h))
    return _resize(part, contract.size, resampling(contract.interpolation))


def _crop_flip(image: Image.Image, contract: ImagePreprocessing, rng: np.random.Generator) -> Image.Image:
    view = random_resized_crop(image, contract, rng)
    return view.transpose(Image.Transpose.FLIP_LEFT_RIGHT) if rng.random() < 0.5 else view


def scene_frame(rng: np.random.Generator) -> Frame:
    """Of a side of 0.55 to 1.25 of the item's (larger ones reach beyond it), 10 % wider or taller, somewhere;
    mirrored half of the time."""
    side, aspect = math.exp(rng.uniform(math.log(0.55), math.log(1.25))), math.exp(rng.uniform(-0.1, 0.1))
    width, height = side * aspect, side / aspect
    left, top = rng.random() * (1 - width), rng.random() * (1 - height)
    return Frame(left, top, left + width, top + height, mirrored=bool(rng.random() < 0.5))


def _scene(image: Image.Image, contract: ImagePreprocessing, rng: np.random.Generator) -> Image.Image:
    """What `scene_frame` shows; brightness by up to 25 %, each channel by up to 10 %, gamma of 0.7 to 1.4."""
    frame = scene_frame(rng)
    gamma = math.exp(rng.uniform(math.log(0.7), math.log(1.4)))
    gains = math.exp(rng.uniform(-0.22, 0.22)) * np.exp(rng.uniform(-0.1, 0.1, size=3))
    box = (
        frame.left * image.width,
        frame.top * image.height,
        frame.right * image.width,
        frame.bottom * image.height,
    )
    # an item is filled up by the median colour of its rim, as far as a frame reaches beyond it
    around = [
        max(0, math.ceil(over)) for over in (-box[0], -box[1], box[2] - image.width, box[3] - image.height)
    ]
    if any(around):
        image = ImageOps.expand(image, (around[0], around[1], around[2], around[3]), fill=_background(image))
        box = (box[0] + around[0], box[1] + around[1], box[2] + around[0], box[3] + around[1])
    height, width = contract.size
    view = image.resize((width, height), resampling(contract.interpolation), box=box)
    if frame.mirrored:
        view = view.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    levels = (np.arange(256) / 255) ** gamma
    return view.point([round(min(1.0, gain * level) * 255) for gain in gains for level in levels])


def _glyph(image: Image.Image, contract: ImagePreprocessing, rng: np.random.Generator) -> Image.Image:
    """Shift by up to 8 %, turn by up to 12 degrees, scale and shear by up to 12 %; never mirrored."""
    view = evaluation(image, contract)
    width, height = view.size
    turn, shear = math.radians(rng.uniform(-12, 12)), rng.uniform(-0.12, 0.12)
    scale = math.exp(rng.uniform(-0.12, 0.12))
    dx, dy = rng.uniform(-0.08, 0.08, size=2) * (width, height)
    cos, sin = math.cos(turn) / scale, math.sin(turn) / scale
    a, b, d, e = cos, sin + shear * cos, -sin, cos - shear * sin  # output pixel -> input pixel
    cx, cy = width / 2, height / 2
    matrix = (a, b, cx - a * (cx + dx) - b * (cy + dy), d, e, cy - d * (cx + dx) - e * (cy + dy))
    return view.transform(
        view.size, Image.Transform.AFFINE, matrix, Image.Resampling.BILINEAR, fillcolor=_background(view)
    )


def _background(image: Image.Image) -> tuple[int, ...]:
    """The median colour of the rim."""
    array = np.asarray(image)
    rim = np.concatenate([array[0], array[-1], array[:, 0], array[:, -1]])
    return tuple(int(value) for value in np.median(rim, axis=0))


def _resize(image: Image.Image, size: tuple[int, int], how: Image.Resampling) -> Image.Image:
    """Resize to (height, width)."""
    height, width = max(1, size[0]), max(1, size[1])
    return image if image.size == (width, height) else image.resize((width, height), how)


VIEWS.add("crop-flip", _crop_flip)
VIEWS.add("crop", random_resized_crop)
VIEWS.add("glyph", _glyph)
VIEWS.add("scene", _scene)
VIEWS.add("none", lambda image, contract, _: evaluation(image, contract))
FRAMES.add("scene", scene_frame)

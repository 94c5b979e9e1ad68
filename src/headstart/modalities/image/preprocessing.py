"""How a source wants its images."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

from headstart.core.source import Levels, Preprocessing, Signature, Source

LARGEST_SIDE = 4096
"""Pixels, of what a file may say."""
NO_FILES: Mapping[str, bytes] = MappingProxyType({})


@dataclass(frozen=True)
class ImagePreprocessing(Preprocessing):
    """How a source wants its images: its own recipe, never ours.

    The image is resized so that its short side is `floor(size / crop_pct)`, cut to `size` at the
    centre, scaled to [0, 1] and normalised with `mean` and `std` (one number a channel).
    """

    size: tuple[int, int] = (224, 224)
    """Height and width in pixels."""
    mean: tuple[float, ...] = (0.485, 0.456, 0.406)
    std: tuple[float, ...] = (0.229, 0.224, 0.225)
    interpolation: str = "bicubic"
    crop_pct: float = 0.875
    crop_mode: str = "center"
    """"center" (resize the short side, cut), "squash" (resize both sides) or "border" (pad)."""
    channels: int = 3
    levels: Levels | None = None
    """What is black and white in pictures of more than 8 bits a channel, as a model has learnt it from its
    data; None: what their type says."""

    @property
    def modality(self) -> str:
        return "image"

    def to_json(self) -> dict[str, Any]:
        """Without levels where there are none: features and bundles made before keep their names."""
        said = {} if self.levels is None else {"levels": list(self.levels)}
        others = {name: value for name, value in vars(self).items() if name != "levels"}
        return said | {
            name: list(value) if isinstance(value, tuple) else value for name, value in others.items()
        }

    @classmethod
    def audit(cls, data: Mapping[str, Any]) -> None:
        """Raises `ValueError`, `TypeError` or `KeyError` for sizes and numbers that no source has."""
        found = cls.from_json(data)
        if not all(1 <= side <= LARGEST_SIDE for side in found.size):
            raise ValueError(f"an input of {found.size[0]} x {found.size[1]} pixels")
        if not max(found.size) / (4 * LARGEST_SIDE) <= found.crop_pct <= 4:
            raise ValueError(f"a part of {found.crop_pct:g} cut from each image")
        if min(found.std) <= 0 or not len(found.mean) == len(found.std) == found.channels:
            raise ValueError("a mean and standard deviation that do not fit the channels")
        if found.levels is not None and not -math.inf < found.levels[0] < found.levels[1] < math.inf:
            raise ValueError("black and white that are no range")

    @classmethod
    def from_json(cls, data: Mapping[str, Any], files: Mapping[str, bytes] = NO_FILES) -> ImagePreprocessing:  # noqa: ARG003
        """Raises `ValueError`, `TypeError`, `KeyError` for what is none."""
        height, width = _finite(data["size"])
        levels = None if data.get("levels") is None else _finite(data["levels"])
        if levels is not None and len(levels) != 2:
            raise ValueError(f"{data['levels']!r} where black and white should be")
        return cls(
            size=(int(height), int(width)),
            mean=_finite(data["mean"]),
            std=_finite(data["std"]),
            interpolation=str(data["interpolation"]),
            crop_pct=float(data["crop_pct"]),
            crop_mode=str(data["crop_mode"]),
            channels=int(data["channels"]),
            levels=None if levels is None else (levels[0], levels[1]),
        )

    def signature(self) -> Signature:
        """uint8 `[N, 3, H, W]`"""
        return Signature("pixels", "uint8", (3, *self.size))

    def wants(self) -> str:
        height, width = self.size
        return f"{height} px" if height == width else f"{height}x{width} px"

    def scaled(self, size: tuple[int, int], *, stored: bool = False) -> ImagePreprocessing:
        if stored:
            return replace(self, size=size, interpolation="bilinear", crop_mode="center")
        return replace(self, size=size)

    def with_levels(self, levels: Levels) -> ImagePreprocessing:
        return replace(self, levels=levels)

    def stored_size(self, size: tuple[int, int]) -> int:
        return round(max(size) / self.crop_pct)

    @property
    def cut_as_stored(self) -> bool:
        return self.crop_mode == "center"


def image_input(source: Source) -> ImagePreprocessing:
    """How a source wants its images. Raises `TypeError` for a source of something else."""
    if not isinstance(source.input, ImagePreprocessing):
        raise TypeError(f"{source.spec} reads no images")
    return source.input


def _finite(given: Any) -> tuple[float, ...]:
    """Finite numbers of a list; a text would be taken apart into its digits."""
    if not isinstance(given, list | tuple):
        raise TypeError(f"{given!r} where a list of numbers should be")
    found = tuple(map(float, given))
    if not all(map(math.isfinite, found)):
        raise ValueError(f"{given!r} where finite numbers should be")
    return found


def sides_of(contract: ImagePreprocessing) -> tuple[int, int]:
    """Height and width of what the input is cut out of."""
    # the small number mends ratios such as 224 / (224 / 232), which fall just short of 232
    height, width = (math.floor(side / contract.crop_pct + 1e-6) for side in contract.size)
    return height, width


def padding_of(contract: ImagePreprocessing) -> tuple[int, ...]:
    """RGB of what is put around a picture that is smaller than the cut."""
    if contract.crop_mode != "border":
        return (0, 0, 0)
    mean = contract.mean if len(contract.mean) == 3 else contract.mean[:1] * 3
    return tuple(round(255 * value) for value in mean)

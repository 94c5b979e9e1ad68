"""Source: everything known about a pretrained model before it is loaded, and how it wants its inputs."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from headstart.core import fingerprint

LONGEST = 65_536
"""Most tokens of a text that a source may read."""
Levels = tuple[float, float]
"""The values that are black and white in pictures of more than 8 bits a channel."""


@dataclass(frozen=True)
class InputContract:
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
        return said | {
            "size": list(self.size),
            "mean": list(self.mean),
            "std": list(self.std),
            "interpolation": self.interpolation,
            "crop_pct": self.crop_pct,
            "crop_mode": self.crop_mode,
            "channels": self.channels,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> InputContract:
        """Raises `ValueError`, `TypeError`, `KeyError` for what is no contract."""
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


def _finite(given: Any) -> tuple[float, ...]:
    """Finite numbers of a list; a text would be taken apart into its digits."""
    if not isinstance(given, list | tuple):
        raise TypeError(f"{given!r} where a list of numbers should be")
    found = tuple(map(float, given))
    if not all(map(math.isfinite, found)):
        raise ValueError(f"{given!r} where finite numbers should be")
    return found


JOINT, APART = "joint", "apart"
"""Two texts as one sequence with a separator between them, or as two sequences."""
POOLINGS = ("cls", "mean", "max", "last")
"""Of the states of a text's tokens: that of the first, their mean, their maximum, that of the last."""


@dataclass(frozen=True)
class TextContract:
    """How a source wants its texts: its own tokenizer, its own prefix, its own pooling, never ours.

    A text becomes `prefix + text`, is cut into tokens by the encoder, its special tokens added, and
    everything beyond `max_length` tokens (special ones counted) dropped. Of a pair that is read jointly,
    the longer text is cut first.
    """

    encoder: str = field(repr=False)
    """The tokenizer in JSON: that of the package `tokenizers`, or of `headstart.modalities.text.words`."""
    max_length: int = 512
    prefix: str = ""
    pairs: str = JOINT
    """How two texts are read: "joint" or "apart"."""
    pooling: str = "mean"
    """The source's own: one of `POOLINGS`."""
    normalize: bool = False
    """Whether the source's own embedding is scaled to length 1."""
    pad: int = 0
    """Token number that fills up short texts; attention never sees it."""

    @property
    def modality(self) -> str:
        return "text"

    @property
    def levels(self) -> None:
        """None: texts are not black or white."""
        return None

    @property
    def channels(self) -> int:
        """Rows of numbers that describe a text: tokens, mask, types; twice that for two texts apart."""
        return 6 if self.pairs == APART else 3

    @cached_property
    def digest(self) -> str:
        """Fingerprint of the encoder."""
        return fingerprint.of_bytes(self.encoder.encode())

    def to_json(self) -> dict[str, Any]:
        return {
            "modality": "text",
            "encoder": self.digest,
            "max_length": self.max_length,
            "prefix": self.prefix,
            "pairs": self.pairs,
            "pooling": self.pooling,
            "normalize": self.normalize,
            "pad": self.pad,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], encoder: str) -> TextContract:
        """Raises `ValueError` when the encoder is not the one that was meant."""
        found = cls(
            encoder=encoder,
            max_length=int(data["max_length"]),
            prefix=str(data["prefix"]),
            pairs=str(data["pairs"]),
            pooling=str(data["pooling"]),
            normalize=bool(data["normalize"]),
            pad=int(data["pad"]),
        )
        if found.digest != data["encoder"]:
            raise ValueError("a tokenizer that is not the one the model was made with")
        return found


Contract = InputContract | TextContract


@dataclass(frozen=True)
class Source:
    """A frozen record of a pretrained model. Reading it loads no weights and opens no socket."""

    spec: str
    """What a user writes: "timm/resnet18.a1_in1k", "hf/bert-base-uncased", "bundled/strokes", "file:PATH"."""
    name: str
    """A short name for tables."""
    modality: str = "image"
    architecture: Mapping[str, Any] = field(default_factory=dict)
    """What rebuilds the network without weights, as JSON: {"library", "arch", "kwargs", ...}."""
    input: Contract = InputContract()
    parameters: int | None = None
    labels: tuple[str, ...] | None = None
    """Names of the source's own classes, where known."""
    sha256: str | None = None
    """Of the weight file, where known beforehand; a file that differs is refused."""
    revision: str | None = None
    licence: str | None = None
    local: bool = False
    """Whether the weights are on this machine."""
    size_bytes: int | None = None
    """Size of the weight file."""
    prior: float | None = None
    """Published accuracy (0 to 1) on the source's own task."""
    paper: str | None = None
    note: str = ""
    """What it is good and bad at, in one sentence."""

    @property
    def image_input(self) -> InputContract:
        """The contract of a source of images. Raises `TypeError` for others."""
        if not isinstance(self.input, InputContract):
            raise TypeError(f"{self.spec} reads no images")
        return self.input

    @property
    def text_input(self) -> TextContract:
        """The contract of a source of texts. Raises `TypeError` for others."""
        if not isinstance(self.input, TextContract):
            raise TypeError(f"{self.spec} reads no texts")
        return self.input

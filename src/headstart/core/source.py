"""Source: everything known about a pretrained model before it is loaded."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


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

    def to_json(self) -> dict[str, Any]:
        return {
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
        return cls(
            size=(int(data["size"][0]), int(data["size"][1])),
            mean=tuple(map(float, data["mean"])),
            std=tuple(map(float, data["std"])),
            interpolation=str(data["interpolation"]),
            crop_pct=float(data["crop_pct"]),
            crop_mode=str(data["crop_mode"]),
            channels=int(data["channels"]),
        )


@dataclass(frozen=True)
class Source:
    """A frozen record of a pretrained model. Reading it loads no weights and opens no socket."""

    spec: str
    """What a user writes: "timm/resnet18.a1_in1k", "bundled/strokes", "file:PATH"."""
    name: str
    """A short name for tables."""
    modality: str = "image"
    architecture: Mapping[str, Any] = field(default_factory=dict)
    """What rebuilds the network without weights, as JSON: {"library", "arch", "kwargs", ...}."""
    input: InputContract = InputContract()
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

"""A recipe: everything that decides what a bundled source becomes. One JSON file each in `configs/`."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from pretraining.generators import FAMILIES
from pretraining.paint import Look

CONFIGS = Path(__file__).parent / "configs"
VERSION = 2
"""Raised whenever the same recipe file would give other weights."""


@dataclass(frozen=True)
class Recipe:
    """What to draw, what to train and for how long."""

    name: str
    shares: dict[str, float]
    """Family -> part of the images."""
    note: str
    """What the source is good and bad at, in one sentence."""
    seed: int = 1
    classes: int = 300
    """Classes in each family."""
    images: int = 1_000_000
    side: int = 32
    kwargs: dict[str, Any] = field(default_factory=dict)
    """Of `headstart.sources.networks.small.build`."""
    batch: int = 128
    rate: float = 0.1
    """Largest learning rate; 5 % of warm-up, then a cosine down to 0."""
    decay: float = 5e-4
    smoothing: float = 0.1
    calm: float = 0.15
    """Last part of the training, without label smoothing and cut-mix."""
    average: float = 0.999
    """Decay of the moving average of the weights, which is what ships."""
    cutmix: float = 0.1
    deep: float = 0.0
    """Weight of the losses of two further classifiers, on stages 2 and 3."""
    traits: float = 1.0
    """Weight of the loss on what the class is like."""
    look: Look = Look()
    mean: tuple[float, float, float] = (0.5, 0.5, 0.5)
    std: tuple[float, float, float] = (0.25, 0.25, 0.25)
    taps: tuple[str, ...] = ("stage1/g4", "stage2/g4", "stage3/g2", "stage4/g1")
    """What the quick probes of `evaluate` read."""

    @property
    def steps(self) -> int:
        return self.images // self.batch


def read(path: Path) -> Recipe:
    """The recipe in a JSON file. Raises `ValueError` for keys and families that are not known."""
    data = json.loads(path.read_text())
    unknown = set(data) - {f.name for f in fields(Recipe)}
    unknown |= set(data["shares"]) - set(FAMILIES)
    if unknown:
        raise ValueError(f"{path}: not known: {', '.join(sorted(unknown))}")
    if "look" in data:
        data["look"] = Look(**data["look"])
    for key in ("mean", "std", "taps"):
        if key in data:
            data[key] = tuple(data[key])
    return Recipe(**data)

"""The numbers of one training, as a plain record."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from headstart.train.schedule import HEAD_BOOST


@dataclass(frozen=True)
class Recipe:
    """Everything that decides a training, given data and initial weights."""

    steps: int
    lr: float
    """Peak learning rate of the last stage."""
    optimizer: str = "sgd"
    head_lr: float | None = None
    """Peak rate of the head; None: that of the last stage, times `head_boost` in the first tenth."""
    head_boost: float = HEAD_BOOST
    weight_decay: float = 1e-4
    layer_decay: float = 1.0
    """Factor on the learning rate from each stage to the one before."""
    smoothing: float = 0.1
    """Label smoothing."""
    clip: float = 1.0
    """Largest norm of the gradient of all parameters together."""
    statistics_from: int = 16
    """Smallest batch from which BatchNorm statistics are estimated; with less they stay as they are."""
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

"""The numbers of one training, as a plain record; and its learning rate, a pure function of the step."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

WARM_UP = 0.1
"""Share of the steps during which the rate rises linearly."""
HEAD_BOOST = 10.0
"""The head learns this much faster than the trunk while the rate rises."""


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
    layer_rates: str = ""
    """"auto-rgn": each stage's rate by its first gradients (`train.rgn`) in place of `layer_decay`."""
    smoothing: float = 0.1
    """Label smoothing."""
    clip: float = 1.0
    """Largest norm of the gradient of all parameters together."""
    statistics_from: int = 16
    """Smallest batch from which BatchNorm statistics are estimated; with less they stay as they are."""
    seed: int = 0

    def to_json(self) -> dict[str, Any]:
        """Without what earlier versions did not have, where it is not used."""
        found = asdict(self)
        return found if self.layer_rates else {k: v for k, v in found.items() if k != "layer_rates"}


def warm_steps(steps: int) -> int:
    """Number of warm-up steps: a tenth of all, rounded up; none when there is only one step."""
    return math.ceil(WARM_UP * steps) if steps > 1 else 0


def rate(step: int, steps: int) -> float:
    """Share of the peak learning rate at `step` (0-based) of `steps`: up linearly, down by a half cosine.

    The first step already learns, and the last one learns almost nothing.
    """
    warm = warm_steps(steps)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def head_rate(step: int, steps: int, boost: float = HEAD_BOOST) -> float:
    """The same for the head: `boost` times higher during the first tenth."""
    return rate(step, steps) * (boost if step < warm_steps(steps) else 1.0)

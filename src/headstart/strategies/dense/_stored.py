"""The stored maps of a source, as every head reads them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart.core.evidence import Cost
from headstart.core.features import Features, FeatureSpec, Tap
from headstart.core.strategy import Request, Trial


@dataclass(frozen=True)
class Stored:
    """Some taps of one source over all items."""

    backbone: Any
    features: Features
    taps: tuple[Tap, ...]
    shapes: tuple[tuple[int, int, int], ...]
    """(channels, height, width) of each."""

    @classmethod
    def of(cls, request: Request, backbone: Any, taps: Sequence[Tap], spec: FeatureSpec) -> Stored:
        """What is missing of the pass that `spec` asks for is made."""
        shapes = tuple(backbone.map_shape(tap) for tap in taps)
        return cls(backbone, request.features(backbone, spec), tuple(taps), shapes)

    def __call__(self, row: int, view: int = 0) -> list[np.ndarray]:
        """float16 `[C, h, w]` of each tap."""
        at = np.array([row])
        return [
            self.features.tap(tap, view)[at][0].reshape(shape)
            for tap, shape in zip(self.taps, self.shapes, strict=True)
        ]

    @property
    def sizes(self) -> str:
        """Of the maps, in words."""
        return ", ".join(f"{width} x {height}" for _, height, width in self.shapes)

    @property
    def net(self) -> dict[str, Any]:
        """The recipe of a net that reads them."""
        architecture = dict(self.backbone.source.architecture)
        return {"architecture": architecture, "taps": [str(tap) for tap in self.taps]}

    def told(self, trial: Trial, reason: str) -> Trial:
        """The trial of an arm that read them, with what the pass has cost."""
        passed = Cost(forward_passes=self.features.forward_passes, seconds=self.features.seconds)
        return replace(
            trial,
            cost=trial.cost + passed,
            choices={**trial.choices, "taps": [str(tap) for tap in self.taps]},
            reason=trial.reason or reason,
            digest=self.backbone.digest,
        )

"""The networks of a run, as its insight may use them."""

from __future__ import annotations

from typing import Any, Protocol

from headstart.core.backbone import Backbone
from headstart.core.features import Features, FeatureSpec


class StoredFeatures(Protocol):
    """An `Extractor` that knows what is stored."""

    def __call__(self, backbone: Any, spec: FeatureSpec) -> Features: ...

    def missing(self, backbone: Any, spec: FeatureSpec) -> float:
        """Share of the items, 0 to 1, that a pass would have to compute."""


class Networks(Protocol):
    """Sources by the name used in arms, and their stored features."""

    @property
    def extractor(self) -> StoredFeatures: ...

    def backbone(self, name: str | None) -> Backbone | None:
        """The network of a source; None for None."""

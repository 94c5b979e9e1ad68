"""A traced network that reads whole images as maps."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

from torch import fx

from headstart.core.features import MAP, Tap
from headstart.errors import SourceError
from headstart.modalities.image.preprocessing import image_input
from headstart.sources.cuts import stages
from headstart.sources.cuts.segments import segment
from headstart.sources.cuts.traced import TracedBackbone, make_plan

STEP = 32
"""Sides of the input are multiples of this many pixels: so often most networks halve it."""


class MappedBackbone(TracedBackbone):
    """The same network; its taps are maps, one for each resolution, and the embedding. See `Mapped`."""

    def taps(self) -> tuple[Tap, ...]:
        """The taps worth storing."""
        names = stages.maps(self.stages, self._plan.layouts, image_input(self.source).size)
        return (*(Tap(name, MAP) for name in names), self.embedding)

    def map_shape(self, tap: Tap) -> tuple[int, int, int]:
        """Channels, height and width of a tap that is a map. Raises `UnknownName` for a stage that is not
        there."""
        layout = self._plan.layout(tap.stage)
        return layout.channels, layout.height, layout.width

    def between(self, cut: str, cuts: Sequence[str]) -> fx.GraphModule:
        """Module: state at `cut` -> the states at later `cuts`, see `Mapped`."""
        _ = self.digest  # what follows may train the weights
        ends = [self._plan.node(later) for later in cuts]
        return segment(self._plan.flow, self._network, self._plan.node(cut), ends)

    def width(self, tap: Tap) -> int:
        """Numbers that a tap gives of an image."""
        return math.prod(self.map_shape(tap)) if tap.grid == MAP else super().width(tap)


def mapped(backbone: TracedBackbone, size: tuple[int, int]) -> MappedBackbone:
    """The network on whole images scaled to about that height and width; one that is bound to its own size
    keeps it. Raises `SourceError` for a network without maps."""
    contract, plan = image_input(backbone.source), None
    rounded = (max(STEP, round(size[0] / STEP) * STEP), max(STEP, round(size[1] / STEP) * STEP))
    source = backbone.source
    for wanted in (rounded, contract.size):
        reads = replace(contract, size=wanted, crop_pct=1.0, crop_mode="squash")
        source = replace(backbone.source, input=reads)
        with suppress(SourceError):
            plan = make_plan(backbone._network, source, head=backbone._plan.head)
            break
    if plan is None or not stages.maps(plan.stages, plan.layouts, image_input(source).size):
        raise SourceError(backbone.source.spec, "it has no maps to read", "name a convolutional network")
    network, rebuild = backbone._network, backbone._rebuild
    found = MappedBackbone(network, source, plan, classifier=False, rebuild=rebuild, digest=backbone.digest)
    found.detector = backbone.detector
    return found

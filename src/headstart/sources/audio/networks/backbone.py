"""The Backbone of encoders of sounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core.backbone import Dense
from headstart.core.features import Tap
from headstart.core.source import Source
from headstart.errors import SourceError
from headstart.modalities.audio.preprocessing import AudioPreprocessing, audio_input
from headstart.sources.audio.networks.families import FAMILIES
from headstart.sources.audio.networks.plan import Plan
from headstart.sources.layers import pooling
from headstart.sources.layers.backbone import LayeredBackbone
from headstart.sources.text.networks.transformer import running

EXAMPLE = 1.0
"""Seconds of an example."""
AT_ENDS = ("cls", "last")
"""Poolings of a state that every window has: where it begins, or where the recording ends in it."""


class AudioBackbone(LayeredBackbone):
    """A `headstart.core.backbone.Backbone` around a network of one of the `FAMILIES`."""

    FIRST = "stem"

    @cached_property
    def contract(self) -> AudioPreprocessing:
        """How its recordings are prepared."""
        return audio_input(self.source)

    def _channels(self, piece: int) -> int:
        return self._plan.family.width(self._network, piece)  # type: ignore[no-any-return]

    def pool(self, state: Tensor, tap: Tap) -> Tensor:
        """State -> float32 `[B, width(tap)]`."""
        every, place, word = super().dense(state, tap.stage), self._in_window(state), str(tap.grid)
        mask = every.mask
        if word == "cls":
            mask = mask & (place < max(1, self._plan.family.SPECIAL))
        elif word == "last":
            ended = torch.cat([~mask[:, 1:], torch.ones_like(mask[:, :1])], 1)
            mask = mask & (ended | (place == place.max()))
        else:
            mask = self.dense(state, tap.stage).mask
        return pooling.pooled(replace(every, mask=mask), "mean" if word in AT_ENDS else word, str(tap))

    def dense(self, state: Tensor, stage: str) -> Dense:
        """State at a stage -> its frames. Raises `UnknownName`."""
        every = super().dense(state, stage)
        return replace(every, mask=every.mask & (self._in_window(state) >= self._plan.family.SPECIAL))

    def _in_window(self, state: Tensor) -> Tensor:
        """int64 `[T]`: the number of each step in its window."""
        window = self._plan.family.steps(self._network, self._plan.window)
        return torch.arange(state.shape[1], device=state.device) % window

    def width(self, tap: Tap) -> int:
        """Numbers that a tap gives of an item."""
        return self._channels(self._stage(tap)) * (2 if tap.grid == pooling.BOTH else 1)

    def taps(self) -> tuple[Tap, ...]:
        """Mean and maximum of every stage as one, over the frames of the recording; the embedding.

        Measured with Whisper tiny.en on ESC-10 and spoken digits (`benchmarks/audio.py`): as two taps they
        are chosen a little worse where labels are few, standard deviations and means of halves add nothing.
        """
        found = tuple(Tap(stage.name, pooling.BOTH) for stage in self.stages)
        return found if self.embedding in found else (*found, self.embedding)

    def normalise(self, prepared: Tensor) -> Tensor:
        """float `[B, C + 1, T]` -> the same as float32."""
        return prepared.float()

    def example(self, batch: int) -> np.ndarray:
        """float32 `[batch, C + 1, T]`: a second of silence."""
        frames = min(self.contract.frames(EXAMPLE), self.contract.max_length)
        found = np.zeros((batch, self.contract.channels, frames), np.float32)
        found[:, -1] = 1
        return found

    def _around(self, network: nn.Module, source: Source) -> AudioBackbone:
        return AudioBackbone(network, source, self._plan, rebuild=self._rebuild)


def wrap(network: Any, source: Source, *, rebuild: Callable[[], nn.Module]) -> AudioBackbone:
    """A backbone around a network. Raises `SourceError` where it does not fit its input, or cannot be run."""
    arch, contract = str(source.architecture["arch"]), audio_input(source)
    family, spec = FAMILIES[arch], source.spec or source.name
    with running(spec, remedy="take another"):
        problem = family.misfit(network.config, contract)
        if problem:
            raise SourceError(spec, problem, "its files are not of one model: fetch them again")
        count = len(network.get_submodule(family.LAYERS))
        plan = Plan(
            layers=family.LAYERS,
            count=count,
            width=family.width(network, count),
            closing=family.closing(network),
            half=True,
            arch=arch,
            window=contract.window,
            fill=family.fill(contract),
        )
        backbone = AudioBackbone(network, source, plan, rebuild=rebuild)
        tried = torch.from_numpy(backbone.example(1))
        with torch.no_grad():
            backbone.full(tried)
        half = plan.halves(network, tried)
    return AudioBackbone(network, source, replace(plan, half=half), rebuild=rebuild)

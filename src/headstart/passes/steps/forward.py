"""The frozen network at work: prepared batches in, columns out."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from headstart.core.masked import split
from headstart.core.source import Preprocessing
from headstart.errors import SourceError
from headstart.passes.engines.base import Engine, States
from headstart.passes.steps.spec import cuts_of
from headstart.store.disk import keys

LARGEST = 65_504.0
"""Of float16."""

Columns = dict[str, np.ndarray]
Built = dict[tuple[str, ...], States]
"""By the cuts that an engine computes."""


def device_of(name: str | None) -> torch.device:
    """The device asked for, else a GPU where there is one."""
    if name is not None:
        return torch.device(name)
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


SEQUENCES = {"cuda": 512, "cpu": 32}
"""Texts at once, at most."""
TOKENS = {"cuda": 32_768, "cpu": 2_048}
"""Tokens of the texts of a batch, each counted as long as the longest."""


def batch_on(device: torch.device, contract: Preprocessing | None, side: int = 1) -> int:
    """Items at once, a power of two; `side` is the input's where there is no contract.

    Few on a processor: activations that stay in its cache are up to twice as fast, and every
    thread has a batch of its own.
    """
    size = contract.size if contract is not None else (side, side)
    if size is None:
        return SEQUENCES[device.type if device.type in SEQUENCES else "cuda"]
    room = (256 if device.type == "cuda" else 8) * 224 * 224 // (size[0] * size[1])
    return int(2 ** int(np.log2(max(4, min(room, 512 if device.type == "cuda" else 64)))))


class Forward:
    """Pooled features and states of batches, by column, computed by an engine. Threads may share one.

    `backbone` is left as it was found; on a GPU a copy of it runs.
    """

    def __init__(
        self, backbone: Any, device: torch.device, engine: Engine, built: Built | None = None
    ) -> None:
        """`built`: what the engine has made of this network before, on a processor; it is added to."""
        self.backbone, self.device, self.engine = backbone, device, engine
        self._kept = built if device.type == "cpu" else None
        self._built: Built = {} if self._kept is None else self._kept
        self._building = threading.Lock()

    @contextmanager
    def ready(self, columns: Sequence[str]) -> Iterator[Forward]:
        """Eval mode inside, and everything that is built on first use built."""
        found = self.backbone
        if self.device.type != "cpu":
            self.backbone = found.copy()
            self.backbone.module.to(self.device)
        training = [part for part in self.backbone.module.modules() if part.training]
        self.backbone.module.eval()
        try:
            self(self.backbone.example(1), columns, check=False)
            yield self
        finally:
            for part in training:
                part.training = True
            self.backbone = found
            if self._kept is None:
                self._built.clear()

    def __call__(
        self, prepared: np.ndarray, columns: Sequence[str], *, check: bool = True
    ) -> tuple[Columns, dict[str, int]]:
        """A prepared batch -> float16 `[B, ...]` by column, and how many values were clipped.

        Raises `SourceError` when the network gives no numbers.
        """
        taps, cuts = cuts_of(self.backbone, columns)
        wanted = tuple(dict.fromkeys(cuts.values()))
        arrays, clipped = {}, {}
        with torch.inference_mode():
            x = torch.from_numpy(prepared).to(self.device)
            # convolutions of most families are up to a third faster with the channels last, and
            # reordering bytes is cheaper than reordering floats
            layout = torch.channels_last if x.ndim == 4 else torch.contiguous_format
            x = self.backbone.normalise(x.contiguous(memory_format=layout)).contiguous(memory_format=layout)
            states = {cut: state.float() for cut, state in self._states(x, wanted).items()}
            for column in columns:
                state = states[cuts[column]]
                value = (
                    self.backbone.pool(state, taps[column]) if column in taps else lengthened(state, column)
                )
                arrays[column], clipped[column] = self._half(value, check=check)
        return arrays, clipped

    def _states(self, x: torch.Tensor, cuts: tuple[str, ...]) -> dict[str, torch.Tensor]:
        """One thread at a time while what computes these cuts is built, and first used."""
        if cuts in self._built:
            return self._built[cuts](x)
        with self._building:
            run = self._built.get(cuts) or self.engine.build(self.backbone, cuts)
            found = run(x)
            self._built[cuts] = run
        return found

    def _half(self, value: torch.Tensor, *, check: bool) -> tuple[np.ndarray, int]:
        most, over = float(value.abs().amax()), 0
        if np.isnan(most) and check:
            problem = "gives no numbers (NaN) for some item"
            raise SourceError(self.backbone.source.spec, problem, "its weights are damaged")
        if most > LARGEST:
            over = int((value.abs() > LARGEST).sum())
            value = value.clamp(-LARGEST, LARGEST)
        return value.half().contiguous().cpu().numpy(), over


def lengthened(state: torch.Tensor, column: str) -> torch.Tensor:
    """States of texts `[..., T, D + 1]`, zero where their mask hides them, padded or cut to the length that
    the column names; other states as they are."""
    length = keys.cut_of(column)[1]
    if length is None:
        return state
    state = state * split(state)[1]  # what stands there else depends on the batch
    return functional.pad(state[..., :length, :], (0, 0, 0, max(0, length - state.shape[-2])))

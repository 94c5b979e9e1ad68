"""Stretches of a list of layers as modules of their own, sharing its parameters under their own names."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from headstart.sources.cuts.segments import NeverTrains


@dataclass(frozen=True)
class Layers(ABC):
    """How a network is cut: shared by a backbone and its copies, never changed.

    Pieces are numbered: 0 is everything before the first layer, `n` layer n; what comes after the last
    layer belongs to the last piece.
    """

    layers: str
    """Path of the list of layers."""
    count: int
    width: int
    closing: tuple[str, ...]
    """Paths of the modules after the last layer."""
    half: bool
    """Whether it can be computed in bfloat16; one that cannot stays in float32 where others do not."""

    def piece(self, path: str) -> int:
        """The piece that the module at a path belongs to."""
        if path.startswith(f"{self.layers}."):
            return int(path[len(self.layers) + 1 :].partition(".")[0]) + 1
        if any(path == closing or path.startswith(f"{closing}.") for closing in self.closing):
            return self.count
        return 0

    @abstractmethod
    def states(self, network: nn.Module, x: Tensor, start: int, cuts: tuple[int, ...]) -> list[Tensor]:
        """The states at some cuts behind `start`, from one pass that begins with `x` at `start`.

        Cut 0 is the input, cut n stands before layer n.
        """

    def precision(self, device: str) -> AbstractContextManager[Any]:
        """float32 for a network that cannot be computed in bfloat16, whatever is asked for around it."""
        if self.half or not torch.is_autocast_enabled(device):
            return nullcontext()
        return torch.autocast(device, enabled=False)

    @torch.no_grad()
    def halves(self, network: nn.Module, x: Tensor) -> bool:
        """Whether bfloat16 is enough: some fill up with numbers too large for it, or mix types."""
        try:
            # nothing is kept of the weights in bfloat16: those of a large network would not fit beside it
            with torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
                found = self.states(network, x, 0, (self.count + 1,))[0]
        except (RuntimeError, TypeError, ValueError):
            return False
        return bool(found.isfinite().all())


class Part(nn.Module):
    """A stretch of a network, from one cut to another.

    Parameters of the stretch are registered under their names in the network. The other layers are there,
    but not part of this module.
    """

    def __init__(self, network: nn.Module, plan: Layers, start: int, stop: int) -> None:
        super().__init__()
        self._network: Any
        object.__setattr__(self, "_network", network)  # not a part of this module
        self._plan, self._start, self._stop = plan, start, stop
        self.training = False
        _register(self, network, "", plan, range(start, stop))

    def forward(self, x: Tensor) -> Tensor:
        if self._start == self._stop:
            return x
        return self._plan.states(self._network, x, self._start, (self._stop,))[0]

    def _apply(self, fn: Any, recurse: bool = True) -> Part:
        self._network._apply(fn, recurse)  # a stretch moved to a device cannot run without the rest
        return self


class Trunk(NeverTrains, Part):
    """A stretch that never trains."""

    @property
    def evaluated(self) -> nn.Module:
        return self._network  # type: ignore[no-any-return]


def _register(target: nn.Module, module: nn.Module, path: str, plan: Layers, pieces: range) -> None:
    """Register in `target` what of `module` belongs to the pieces, whole submodules where possible."""
    if plan.piece(path) in pieces:
        for name, parameter in module.named_parameters(recurse=False):
            target.register_parameter(name, parameter)
    for name, child in module.named_children():
        inner = f"{path}.{name}" if path else name
        found = set(_pieces(child, inner, plan))
        if found <= set(pieces):
            if found:
                target.add_module(name, child)
        elif found & set(pieces):
            holder = nn.Module()
            holder.training = False
            target.add_module(name, holder)
            _register(holder, child, inner, plan, pieces)


def _pieces(module: nn.Module, path: str, plan: Layers) -> Iterator[int]:
    for name, part in module.named_modules(prefix=path):
        own = (*part.parameters(recurse=False), *part.buffers(recurse=False))
        if own or not any(True for _ in part.children()):
            yield plan.piece(name)

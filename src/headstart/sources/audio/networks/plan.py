"""How a network of sounds is cut, and run window by window."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart.sources.audio.networks.families import FAMILIES, Family, first_of
from headstart.sources.layers.parts import Layers


@dataclass(frozen=True)
class Plan(Layers):
    """How a network of sounds is cut.

    The input is `[B, C + 1, T]`, the mask as last row; states are `[B, T', D + 1]`, the mask as last channel.
    What is longer than a window is read window by window, and their states stand one after the other.
    """

    arch: str
    """A name in `FAMILIES`."""
    window: int
    """Frames of a window."""
    fill: float
    """Value of a band that fills up what is too short."""

    @property
    def family(self) -> Family:
        """What is particular to such networks."""
        return FAMILIES[self.arch]

    def states(self, network: nn.Module, x: Tensor, start: int, cuts: tuple[int, ...]) -> list[Tensor]:
        """See `Layers`."""
        size = self.family.steps(network, self.window) if start else self.window
        with self.precision(x.device.type):
            if not start and torch.compiler.is_compiling():
                return self._side_by_side(network, x, cuts)
            found = [
                self._window(network, part, start, cuts) for part in x.split(size, dim=1 if start else -1)
            ]
        return [torch.cat(states, 1) for states in zip(*found, strict=True)]

    def _side_by_side(self, network: nn.Module, x: Tensor, cuts: tuple[int, ...]) -> list[Tensor]:
        """The same for any number of windows, as a graph has to be: each as a row, all of them full."""
        count = (x.shape[-1] + self.window - 1) // self.window
        x = functional.pad(x, (0, count * self.window - x.shape[-1]))
        rows = x.unflatten(-1, (count, self.window)).transpose(1, 2).flatten(0, 1)  # [B * W, C + 1, window]
        found = self._window(network, rows, 0, cuts)
        return [state.unflatten(0, (-1, count)).flatten(1, 2) for state in found]

    def _window(self, network: Any, x: Tensor, start: int, cuts: tuple[int, ...]) -> list[Tensor]:
        if start:
            hidden, mask = x[..., :-1], x[..., -1]
        else:
            x = functional.pad(x, (0, max(0, self.family.least(network) - x.shape[-1])))
            values, mask = x[:, :-1], x[:, -1]
            values = values.masked_fill(mask[:, None] == 0, self.fill)
            hidden, mask = self.family.stem(network, values, mask)
        # attention over nothing gives NaN: a window without a recording sees its first state
        seen = torch.cat([torch.ones_like(mask[:, :1]), mask[:, 1:]], 1)
        found, layers = {1: hidden}, network.get_submodule(self.layers)
        first, last = max(0, start - 1), max(cuts) - 1
        given = self._given(network, hidden, seen, first) if last > first else {}
        for number in range(first, last):
            hidden = first_of(layers[number](hidden, **given))
            if number + 1 == self.count:
                hidden = self.family.close(network, hidden)
            found[number + 2] = hidden
        return [torch.cat([found[cut], mask[..., None].to(found[cut].dtype)], -1) for cut in cuts]

    def _given(self, network: Any, hidden: Tensor, seen: Tensor, first: int) -> dict[str, Any]:
        with torch.set_grad_enabled(torch.is_grad_enabled() and first == 0):  # of the first layer, where any
            return self.family.given(network, hidden, seen)

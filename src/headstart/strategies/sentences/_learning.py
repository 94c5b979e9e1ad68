"""What an arm trains of a network that writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import nn

from headstart.core.generator import Generator
from headstart.strategies.gradient import _adapters

LATER = 0.5
"""Share of the decoder's layers that fine-tuning trains."""


def all_of(generator: Generator, seed: int) -> Callable[[], None]:  # noqa: ARG001
    """Every parameter that is no formula's."""
    generator.module.requires_grad_(True)
    _leave_formulas(generator.module)
    return lambda: None


def later_layers(generator: Generator, seed: int) -> Callable[[], None]:  # noqa: ARG001
    """The last layers of the decoder, and the norm behind them."""
    layers = generator.layers()
    generator.module.requires_grad_(False)
    for part in (*layers[len(layers) - max(1, round(LATER * len(layers))) :], *generator.last()):
        part.requires_grad_(True)
    return lambda: None


@dataclass(frozen=True)
class LowRank:
    """LoRA on linear layers of the decoder."""

    targets: tuple[str, ...] = ()
    """Names of linear layers, or the last parts of such; empty: all of them inside its layers."""

    def names(self, generator: Generator) -> list[str]:
        """Of the layers meant. Raises `BadOption` for a target that matches none."""
        inside = {id(part) for layer in generator.layers() for part in layer.modules()}
        every = [
            name
            for name, part in generator.module.named_modules()
            if id(part) in inside and _adapters.is_linear(part)
        ]
        return _adapters.meant(every, self.targets)

    def __call__(self, generator: Generator, seed: int) -> Callable[[], None]:
        body: nn.Module = generator.module
        _adapters.inject(body, self.names(generator), seed)

        def end() -> None:
            changed = any(bool(p.any()) for name, p in body.named_parameters() if "lora_B" in name)
            if not changed:
                raise FloatingPointError("the adapter equals its base: LoRA has changed no weight")
            _adapters.LowRank().end(body)

        return end


def _leave_formulas(network: nn.Module) -> None:
    for part in network.modules():
        if "Sinusoidal" in type(part).__name__:
            part.requires_grad_(False)

"""Gates on the layers of a network: one forward pass may read, replace or leave out what crosses them.

The network's own code runs as it is. What a pass is to do lies in a context variable, so that several
threads can use one network at once, each for another purpose.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn


@dataclass
class Act:
    """What one forward pass does at the gates. Gate `n` stands before layer `n`, from 0."""

    given: Tensor | None = None
    """Takes the place of what arrives at the gate `start`."""
    start: int = 0
    left_out: int | None = None
    """How layers before `start` answer without being run: 0 for the state alone, n for a tuple of it and
    n - 1 times None. None: they run, for they hand on more than a state."""
    wanted: frozenset[int] = frozenset()
    stop: int | None = None
    """The pass ends at this gate, with `Stopped`."""
    seen: dict[int, Tensor] = field(default_factory=dict)
    """Gate -> what arrived there."""


class Stopped(Exception):
    """All that was wanted of a forward pass has been seen."""


ACT: ContextVar[Act | None] = ContextVar("act", default=None)


@contextmanager
def acting(act: Act) -> Iterator[Act]:
    """Forward passes inside do as `act` says, in this thread; one that stops early ends the block."""
    token = ACT.set(act)
    try:
        yield act
    except Stopped:
        pass
    finally:
        ACT.reset(token)


def install(network: nn.Module, layers: str) -> None:
    """Put a gate before every layer of the list at path `layers`, and one before the module that holds it."""
    listed = network.get_submodule(layers)
    assert isinstance(listed, nn.ModuleList)
    for number, layer in enumerate(listed):
        layer.forward = Gate(layer, number)
    owner = network.get_submodule(layers.rpartition(".")[0])
    if owner is not network:
        owner.forward = OuterGate(owner)


class Gate:
    """Stands in for the `forward` of a layer; it is copied together with the layer."""

    def __init__(self, layer: nn.Module, number: int) -> None:
        self.layer, self.number = layer, number

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        act = ACT.get()
        if act is None:
            return type(self.layer).forward(self.layer, *args, **kwargs)
        arrived = args[0] if args else kwargs["hidden_states"]
        if act.given is not None and self.number == act.start:
            args, kwargs = _replaced(args, kwargs, act.given)
            arrived = act.given
        if self.number in act.wanted:
            act.seen[self.number] = arrived
        # the exporter keeps a stack of the modules it is in, which an exception would leave askew: it follows
        # the pass to its end, and drops what no output needs
        if self.number == act.stop and not torch.compiler.is_compiling():
            raise Stopped
        if act.given is None or self.number >= act.start:
            return type(self.layer).forward(self.layer, *args, **kwargs)
        if act.left_out is not None:
            return (arrived, *[None] * (act.left_out - 1)) if act.left_out else arrived
        with torch.no_grad():  # what it hands on beside its output is not what is trained
            return type(self.layer).forward(self.layer, *args, **kwargs)


class OuterGate:
    """Stands in for the `forward` of what holds the layers: it may use what arrives a second time.

    DeBERTa's convolution reads the embeddings after the first layer.
    """

    def __init__(self, owner: nn.Module) -> None:
        self.owner = owner

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        act = ACT.get()
        if act is not None and act.given is not None and act.start == 0:
            arrived = args[0] if args else kwargs.get("hidden_states")
            if isinstance(arrived, Tensor) and arrived.shape == act.given.shape:
                args, kwargs = _replaced(args, kwargs, act.given)
        return type(self.owner).forward(self.owner, *args, **kwargs)


def _replaced(args: Sequence[Any], kwargs: dict[str, Any], given: Tensor) -> tuple[Any, dict[str, Any]]:
    if args:
        return (given, *args[1:]), kwargs
    return args, {**kwargs, "hidden_states": given}

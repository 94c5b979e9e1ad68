"""Parts of a network as modules of their own, sharing its parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any, Self

import torch
from torch import fx, nn

from headstart.sources.cuts.flow import Flow, needed


class NeverTrains(nn.Module):
    """A part that never trains: eval mode whatever its parents do, and no gradients."""

    def train(self, mode: bool = True) -> Self:  # noqa: ARG002 - the mode is what is refused
        return super().train(False)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        with evaluating(self.evaluated), torch.no_grad() if torch.is_grad_enabled() else nullcontext():
            return super().__call__(*args, **kwargs)

    @property
    def evaluated(self) -> nn.Module:
        """What runs: this, or the network that it is a stretch of."""
        return self


class Frozen(NeverTrains, fx.GraphModule):
    """A part of a graph that never trains."""


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Every part of `module` in eval mode, and afterwards each in the mode it was in.

    The same layers may be in training as part of another segment.
    """
    training = [part for part in module.modules() if part.training]
    for part in training:
        part.training = False
    try:
        yield
    finally:
        for part in training:
            part.training = True


def segment(
    flow: Flow, network: nn.Module, start: fx.Node, outputs: Sequence[fx.Node], *, frozen: bool = False
) -> fx.GraphModule:
    """State at `start` -> states at `outputs` (one tensor, or a tuple for several).

    Layers and parameters are those of `network`, under their own names.
    """
    keep = needed(flow, start, outputs)
    if keep is None:
        raise ValueError(f"{start.name} is not a cut: something else crosses there")
    graph = fx.Graph()
    entry = graph.placeholder("x")
    copies: dict[fx.Node, fx.Node] = {start: entry}
    for node in flow.graph.nodes:
        if node in keep:
            # a source from before the start can only be a shape that is read of the state as well
            copies[node] = graph.node_copy(node, lambda source: copies.get(source, entry))
    results = tuple(copies[node] for node in outputs)
    graph.output(results[0] if len(results) == 1 else results)
    module = (Frozen if frozen else fx.GraphModule)(network, graph, class_name="Segment")
    for part in module.modules():
        if part is module or type(part) is nn.Module:  # made to hold the network's own layers
            part.training = False
    return module

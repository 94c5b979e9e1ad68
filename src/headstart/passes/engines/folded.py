"""Networks that are graphs, channels last, their BatchNorms folded into the convolutions before them."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.utils.fusion import fuse_conv_bn_weights

from headstart.core.backbone import Graphed
from headstart.passes.engines.base import States, no_graph

PLAIN = ("Conv2d", "Conv2dSame")
"""Classes that convolve with their weights as they are; some standardise them first."""


@dataclass(frozen=True)
class Folded:
    """An `Engine` in the numbers of `dtype`."""

    PRECISION: str
    SETUP: float
    dtype: torch.dtype
    compiled: bool = False
    """By torch: a little quicker, and a minute or more to build."""

    def suits(self, backbone: Any, device: str) -> str:
        """See `Engine`."""
        return no_graph(backbone, device)

    def build(self, backbone: Any, cuts: tuple[str, ...]) -> States:
        """See `Engine`."""
        graph: Any = folded_graph(backbone, cuts, self.dtype)
        run = torch.compile(graph, dynamic=True) if self.compiled else graph

        def states(x: Tensor) -> dict[str, Tensor]:
            found = run(x.to(self.dtype))
            return dict(zip(cuts, found if len(cuts) > 1 else (found,), strict=True))

        return states


FOLDED = Folded("float32, folded", 0.3, torch.float32)
FUSED = Folded("bfloat16, folded", 0.5, torch.bfloat16)
COMPILED = Folded("bfloat16, compiled", 90.0, torch.bfloat16, compiled=True)


def folded_graph(backbone: Graphed, cuts: tuple[str, ...], dtype: torch.dtype) -> fx.GraphModule:
    """Batch -> states, both in `dtype`; a copy of the network."""
    graph: fx.GraphModule = backbone.copy().graph(cuts)
    graph.eval()
    fold(graph)
    return graph.to(dtype).to(memory_format=torch.channels_last)


def fold(graph: fx.GraphModule) -> int:
    """Fold, in place, each BatchNorm whose input is a convolution's and nobody else's; how many."""
    modules, count = dict(graph.named_modules()), 0
    uses = Counter(node.target for node in graph.graph.nodes if node.op == "call_module")
    for node in list(graph.graph.nodes):
        norm = modules.get(str(node.target)) if node.op == "call_module" else None
        if not isinstance(norm, nn.BatchNorm2d) or norm.running_mean is None or norm.running_var is None:
            continue
        before = node.args[0]
        layer = modules.get(str(before.target)) if before.op == "call_module" else None
        alone = uses[before.target] == uses[node.target] == len(before.users) == 1
        after = _after(norm)
        if (
            not isinstance(layer, nn.Conv2d)
            or type(layer).__name__ not in PLAIN
            or not alone
            or after is None
        ):
            continue
        layer.weight, layer.bias = fuse_conv_bn_weights(
            layer.weight, layer.bias, norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias
        )
        if isinstance(after, nn.Identity):
            node.replace_all_uses_with(before)
            graph.graph.erase_node(node)
        else:
            graph.add_submodule(f"after_{count}", after)
            node.target = f"after_{count}"
        count += 1
    graph.recompile()
    return count


def _after(norm: nn.BatchNorm2d) -> nn.Module | None:
    """What a BatchNorm does when it has normalised; None where that is not known."""
    if type(norm) is nn.BatchNorm2d:
        return nn.Identity()
    parts = [getattr(norm, name, None) for name in ("drop", "act")]  # timm's, with an activation inside
    if all(isinstance(part, nn.Module) for part in parts):
        return nn.Sequential(*parts).eval()  # type: ignore[arg-type]
    return None

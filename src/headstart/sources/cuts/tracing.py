"""A network's data flow as a graph: traced by torch.fx, free of in-place operations."""

from __future__ import annotations

import inspect
import math
import operator
import sys
from typing import Any

import torch
from torch import fx, nn
from torch.fx.proxy import TraceError

from headstart.errors import SourceError

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict, nn.ParameterList, nn.ParameterDict)
RANDOM_IN_TRAINING = {"DropPath", "StochasticDepth", "DropBlock2d", "DropBlock2D"}
"""Modules that look at `self.training`; followed instead of kept whole they would be frozen in eval."""
MOST_ATTEMPTS = 16

_OUT_OF_PLACE = {
    operator.iadd: operator.add,
    operator.isub: operator.sub,
    operator.imul: operator.mul,
    operator.itruediv: operator.truediv,
}
_DROPOUTS = {
    torch.nn.functional.dropout: nn.Dropout,
    torch.nn.functional.dropout1d: nn.Dropout1d,
    torch.nn.functional.dropout2d: nn.Dropout2d,
    torch.nn.functional.dropout3d: nn.Dropout3d,
}


class Tracer(fx.Tracer):
    """Follows a network down to modules that must stay whole.

    Whole are: layers of torch.nn and classes derived from them; what the library at hand marks as
    not traceable; layers that behave differently in training; and every module that owns buffers,
    so that a buffer lives in one module only, however many graphs share it.
    """

    def __init__(self, whole: frozenset[type] = frozenset()) -> None:
        # a network of theirs cannot exist without them
        timm, ops = sys.modules.get("timm.layers"), sys.modules.get("torchvision.ops")
        super().__init__(
            autowrap_modules=(math,) if ops is None else (math, ops),
            autowrap_functions=() if timm is None else tuple(timm.get_notrace_functions()),
        )
        self._whole = tuple(whole | _untraceable(timm, ops))
        self.entered: list[nn.Module] = []

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:  # noqa: ARG002
        if isinstance(m, self._whole) or type(m).__name__ in RANDOM_IN_TRAINING:
            return True
        if not isinstance(m, CONTAINERS) and any(
            base.__module__.startswith("torch.nn.modules") and base is not nn.Module
            for base in type(m).__mro__
        ):
            return True
        return any(True for _ in m.buffers(recurse=False))

    def call_module(self, m: nn.Module, forward: Any, args: Any, kwargs: Any) -> Any:
        self.entered.append(m)
        out = super().call_module(m, forward, args, kwargs)
        self.entered.pop()  # not in a finally: after a failure the innermost module is on top
        return out


def trace(network: nn.Module, spec: str) -> fx.Graph:
    """The graph of `network` in eval mode, valid in train mode too.

    `network` is put into eval mode and its layers are set to work out of place: a state at a cut
    must not be changed by what follows. A module that cannot be followed is taken as a whole.

    Raises `SourceError` when the network's outermost part cannot be followed.
    """
    network.eval()
    for module in network.modules():
        if getattr(module, "inplace", False) is True:
            module.inplace = False  # type: ignore[assignment]
    whole: frozenset[type] = frozenset()
    for _ in range(MOST_ATTEMPTS):
        tracer = Tracer(whole)
        try:
            return _tidy(tracer.trace(network, _defaults(network)), network)
        except (
            TraceError,
            TypeError,
            RuntimeError,
            ValueError,
            AttributeError,
            KeyError,
            IndexError,
        ) as error:
            kinds = {type(m) for m in tracer.entered[-1:]} - whole
            if not kinds:
                reason = str(error).splitlines()[0] if str(error) else type(error).__name__
                raise SourceError(spec, f"its network cannot be followed ({reason})") from error
            whole |= kinds
    raise SourceError(spec, "its network cannot be followed: too many of its parts depend on their data")


def _defaults(network: nn.Module) -> dict[str, Any]:
    """Arguments other than the first, at their defaults: masks and the like stay out of the graph."""
    arguments = list(inspect.signature(network.forward).parameters.values())[1:]
    return {a.name: a.default for a in arguments if a.default is not a.empty}


def _drop_other_inputs(graph: fx.Graph) -> None:
    """Remove the traces that fixed arguments leave: their placeholders and what asserts their value."""
    others = [n for n in graph.nodes if n.op == "placeholder"][1:]
    doomed = set(others)
    for node in graph.nodes:
        if node.op != "output" and any(source in doomed for source in node.all_input_nodes):
            doomed.add(node)
    for node in reversed(list(graph.nodes)):
        if node in doomed:
            graph.erase_node(node)


def _tidy(graph: fx.Graph, network: nn.Module) -> fx.Graph:
    """Out-of-place operations; functional dropout as modules, which know whether they are training."""
    _drop_other_inputs(graph)
    for number, node in enumerate(list(graph.nodes)):
        if node.op == "call_function" and node.target in _OUT_OF_PLACE:
            node.target = _OUT_OF_PLACE[node.target]
        if node.op == "call_method" and node.target.endswith("_") and not node.target.endswith("__"):
            node.target = node.target[:-1]
        if node.op == "call_function" and node.target in _DROPOUTS:
            probability = node.kwargs.get("p", node.args[1] if len(node.args) > 1 else 0.5)
            name = f"dropout_{number}"
            network.add_module(name, _DROPOUTS[node.target](probability).eval())
            node.op, node.target, node.args, node.kwargs = "call_module", name, node.args[:1], {}
        elif node.kwargs.get("inplace") is True:
            node.kwargs = {**node.kwargs, "inplace": False}
    return graph


def _untraceable(timm: Any, ops: Any) -> frozenset[type]:
    found: set[type] = set()
    if timm is not None:
        found |= set(timm.get_notrace_modules())
    if ops is not None:
        found |= {x for x in vars(ops).values() if isinstance(x, type) and issubclass(x, nn.Module)}
        found -= {ops.MLP, ops.Conv2dNormActivation, ops.Conv3dNormActivation, ops.SqueezeExcitation}
    return frozenset(found)

"""Where a graph can be cut: the nodes through which all later data flows."""

from __future__ import annotations

import operator
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import torch
from torch import fx, nn

BATCH = 2
"""Images in the batch that shapes are found with."""
MOST_CUTS = 70

SHAPE_ATTRIBUTES = {"shape", "ndim", "dtype", "device", "requires_grad", "is_cuda"}
SHAPE_METHODS = {"size", "dim", "numel", "stride", "is_floating_point", "ndimension"}
NOTHING_IN_EVAL = {"Identity", "DropPath", "StochasticDepth", "DropBlock2d"}

Shape = tuple[int, ...]


@dataclass(frozen=True)
class Cut:
    """A place to cut: the node whose value is the state there."""

    name: str
    node: fx.Node
    shape: Shape
    """Of the state, batch first."""
    path: str = ""
    """Path of the innermost module or operation."""
    ends: tuple[str, ...] = ()
    """Paths of the modules whose output this is, the outermost first."""


@dataclass(frozen=True)
class Flow:
    """A graph with what is known about its nodes."""

    graph: fx.Graph
    data: frozenset[fx.Node]
    """Nodes whose value depends on the content of the input, and not on its shape only."""
    shapes: dict[fx.Node, Shape]
    """Shapes of floating-point tensors."""

    @property
    def start(self) -> fx.Node:
        return next(n for n in self.graph.nodes if n.op == "placeholder")

    @property
    def end(self) -> fx.Node:
        """The node whose value the network returns."""
        output = next(n for n in reversed(self.graph.nodes) if n.op == "output")
        return output.all_input_nodes[0]


def analyse(graph: fx.Graph, network: nn.Module, size: tuple[int, int, int]) -> Flow:
    """Kinds and shapes of all nodes, for an input of `size` (channels, height, width)."""
    return Flow(graph, _data_nodes(graph), _shapes(graph, network, size))


def reads_shape(node: fx.Node) -> bool:
    """Whether the node reads something of a tensor other than its content."""
    if node.op == "call_function" and node.target is getattr:
        return node.args[1] in SHAPE_ATTRIBUTES
    return node.op == "call_method" and node.target in SHAPE_METHODS


def _data_nodes(graph: fx.Graph) -> frozenset[fx.Node]:
    data: set[fx.Node] = set()
    for node in graph.nodes:
        if node.op == "placeholder":
            if not data:
                data.add(node)
        elif not reads_shape(node) and any(source in data for source in node.all_input_nodes):
            data.add(node)
    return frozenset(data)


class _ShapeReader(fx.Interpreter):
    """Runs a graph on an empty image and keeps the shapes of float tensors; skips the heavy layers."""

    def __init__(self, network: nn.Module, graph: fx.Graph) -> None:
        super().__init__(network, graph=graph)
        self.shapes: dict[fx.Node, Shape] = {}

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        module = self.fetch_attr(str(target))
        if isinstance(module, nn.Linear) and len(args) == 1:
            return args[0].new_zeros(*args[0].shape[:-1], module.out_features)
        plain = type(module).forward is nn.Conv2d.forward and not isinstance(module.padding, str)
        if plain and len(args) == 1:
            shape = args[0].shape
            return args[0].new_zeros(shape[0], module.out_channels, *_convolved(module, shape))
        return super().call_module(target, args, kwargs)

    def run_node(self, n: fx.Node) -> Any:
        value = super().run_node(n)
        if isinstance(value, torch.Tensor) and value.is_floating_point():
            self.shapes[n] = tuple(map(int, value.shape))
        return value


def _convolved(layer: Any, shape: Shape) -> Shape:
    """Height and width after a convolution, by its definition."""
    return tuple(
        (length + 2 * pad - dilation * (kernel - 1) - 1) // stride + 1
        for length, pad, dilation, kernel, stride in zip(
            shape[2:], layer.padding, layer.dilation, layer.kernel_size, layer.stride, strict=True
        )
    )


def _shapes(graph: fx.Graph, network: nn.Module, size: tuple[int, int, int]) -> dict[fx.Node, Shape]:
    # on real tensors: several times faster than torch's fake ones
    reader = _ShapeReader(network, graph)
    with torch.no_grad():
        reader.run(torch.zeros(BATCH, *size))
    return reader.shapes


def needed(flow: Flow, start: fx.Node, outputs: Iterable[fx.Node]) -> set[fx.Node] | None:
    """The nodes between the state at `start` and `outputs`, or None when something else crosses there.

    A shape read from an earlier tensor crosses, unless it is that of the state itself.
    """
    found: set[fx.Node] = set()
    stack = list(outputs)
    while stack:
        node = stack.pop()
        if node is start or node in found:
            continue
        if node.op == "placeholder":
            return None
        found.add(node)
        if reads_shape(node) and stands_for(flow, start, node):
            continue
        stack += node.all_input_nodes
    return found


def stands_for(flow: Flow, start: fx.Node, reader: fx.Node) -> bool:
    """Whether what `reader` reads of its tensor can as well be read of the state at `start`."""
    tensor = reader.all_input_nodes[0]
    if tensor not in flow.data or tensor is start or not tensor < start:
        return False
    if flow.shapes.get(tensor) == flow.shapes.get(start) is not None:
        return True
    return _only_batch(reader)


def _only_batch(reader: fx.Node) -> bool:
    """Whether nothing but the batch size is used of a shape."""
    if reader.op == "call_method" and reader.target == "size" and reader.args[1:] == (0,):
        return True
    whole = reader.op == "call_method" and reader.target == "size" and len(reader.args) == 1
    if not whole and not (reader.target is getattr and reader.args[1] == "shape"):
        return False
    used = [user for user in reader.users if user.users]
    return bool(used) and all(_takes_first(user) for user in used)


def _takes_first(node: fx.Node) -> Any:
    return node.op == "call_function" and node.target is operator.getitem and node.args[1] == 0


def find_cuts(flow: Flow, network: nn.Module) -> list[Cut]:
    """All cuts in order, the input first. Each state is one float tensor, batch first."""
    order = _leading_to(flow, flow.end)
    place = {node: i for i, node in enumerate(order)}
    silent = {n for n in order if _does_nothing(n, network)}
    names = _names(order, silent)
    cuts, reach = [], 0
    for i, node in enumerate(order):
        shape = flow.shapes.get(node, ())
        state = 2 <= len(shape) <= 4 and shape[0] == BATCH and node not in silent
        if reach <= i and state and needed(flow, node, [flow.end]) is not None:
            name, path, ends = names.get(node, ("input", "input", ()))
            cuts.append(Cut(name, node, shape, path, ends))
        reach = max([reach, *(place[user] for user in node.users if user in place)])
    return cuts


def _leading_to(flow: Flow, end: fx.Node) -> list[fx.Node]:
    """The data nodes that `end` depends on through data, in order."""
    found, stack = {end}, [end]
    while stack:
        for source in stack.pop().all_input_nodes:
            if source in flow.data and source not in found:
                found.add(source)
                stack.append(source)
    return [node for node in flow.graph.nodes if node in found]


def _does_nothing(node: fx.Node, network: nn.Module) -> bool:
    """Identity in eval: such a layer goes with what follows it, so that it acts when that is trained."""
    if node.op != "call_module":
        return False
    kind = type(network.get_submodule(str(node.target))).__name__
    return kind in NOTHING_IN_EVAL or "Dropout" in kind


def _names(order: list[fx.Node], silent: set[fx.Node]) -> dict[fx.Node, tuple[str, str, tuple[str, ...]]]:
    """Each node by the outermost module that ends with it; others by module and operation."""
    last: dict[str, fx.Node] = {}
    for node in order:
        if node not in silent:
            for key in node.meta.get("nn_module_stack", {}):
                last[key] = node
    names: dict[fx.Node, tuple[str, str, tuple[str, ...]]] = {}
    taken: set[str] = {"input"}
    for node in order[1:]:
        stack = list(node.meta.get("nn_module_stack", {}))
        ending = [key for key in stack if last.get(key) is node]
        inner = stack[-1].partition("@")[0] if stack else ""
        operation = re.sub(r"_\d+$", "", node.name)
        path = inner if node.op == "call_module" else ".".join(filter(None, [inner, operation]))
        plain = ending[0].partition("@")[0] if ending else path
        name, number = plain, 1
        while name in taken:
            name, number = f"{plain}_{number}", number + 1
        taken.add(name)
        names[node] = (name, path, tuple(key.partition("@")[0] for key in ending))
    return names


def thin(cuts: list[Cut], keep: set[str]) -> list[Cut]:
    """At most `MOST_CUTS`: first go states inside a module, then ends of the innermost modules."""
    depths = sorted({cut.name.count(".") for cut in cuts}, reverse=True)
    for depth, inside in [(d, i) for i in (True, False) for d in depths]:
        if len(cuts) <= MOST_CUTS:
            break
        cuts = [c for c in cuts if c.name in keep or c.name.count(".") != depth or (inside and c.ends)]
    return cuts

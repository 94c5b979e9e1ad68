"""The Backbone of every traceable network: its cuts found by following the data."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor, fx, nn

from headstart.core import fingerprint, untrusted
from headstart.core.backbone import Dense, Stage
from headstart.core.features import Tap
from headstart.core.source import Source
from headstart.errors import SourceError, UnknownName
from headstart.modalities.image.preprocessing import ImagePreprocessing, image_input
from headstart.sources.cuts import flow as flows
from headstart.sources.cuts import stages
from headstart.sources.cuts.segments import evaluating, segment
from headstart.sources.cuts.stages import Layout
from headstart.sources.cuts.tracing import trace

LEARNED = (nn.Linear, nn.modules.conv._ConvNd)
GRAPHS_KEPT = 8
"""Combinations of cuts whose graphs a backbone keeps."""


@dataclass(frozen=True)
class Plan:
    """What tracing found: shared by a backbone and its copies, never changed."""

    flow: flows.Flow
    cuts: dict[str, fx.Node]
    stages: tuple[Stage, ...]
    layouts: dict[str, Layout]
    """By stage name."""
    head: bool
    """Whether the network goes on after the embedding."""

    @property
    def embedding(self) -> fx.Node:
        return list(self.cuts.values())[-1]

    def node(self, cut: str) -> fx.Node:
        """The node whose value is the state at a cut. Raises `UnknownName`."""
        if cut not in self.cuts:
            raise UnknownName("cut", cut, list(self.cuts))
        return self.cuts[cut]

    def layout(self, stage: str) -> Layout:
        """How the state at a stage lies in memory. Raises `UnknownName`."""
        if stage not in self.layouts:
            raise UnknownName("stage", stage, list(self.layouts))
        return self.layouts[stage]


def make_plan(network: nn.Module, source: Source, *, head: bool = True) -> Plan:
    """Trace a network and find its cuts, its stages and its embedding.

    The embedding is the last cut before the first layer of the classifier, which is the last layer
    with weights (or two, when a network averages two); without a head it is the output.
    Raises `SourceError` when the network cannot be followed, or not be run on images of the source's size.
    """
    contract = image_input(source)
    try:
        with untrusted.parsing():  # a network's own code runs: it may raise anything
            return _plan(network, source, contract, head)
    except untrusted.Damaged as error:
        size = f"{contract.size[0]} x {contract.size[1]} pixels"
        problem = f"its network cannot be run on images of {size} ({error})"
        raise SourceError(source.spec, problem, "correct its input size or its architecture") from error


def _plan(network: nn.Module, source: Source, contract: ImagePreprocessing, head: bool) -> Plan:
    size = (contract.channels, *contract.size)
    flow = flows.analyse(trace(network, source.spec), network, size)
    cuts = flows.find_cuts(flow, network)
    if head:
        layer = _classifier_layer(flow, network)
        cuts = [cut for cut in cuts if layer is not None and cut.node < layer]
    if len(cuts) < 2:
        raise SourceError(source.spec, "no place was found where its network could be cut")
    layouts = [stages.layout_of(cut, network, contract.size) for cut in cuts]
    chosen = stages.choose(cuts, layouts, min(contract.size))
    kept = flows.thin(cuts, {"input", *(stage.cut for stage, _ in chosen)})
    return Plan(
        flow,
        {cut.name: cut.node for cut in kept},
        tuple(stage for stage, _ in chosen),
        {stage.name: layout for stage, layout in chosen},
        head,
    )


def _classifier_layer(flow: flows.Flow, network: nn.Module) -> fx.Node | None:
    learned = [
        node
        for node in flow.graph.nodes
        if node.op == "call_module"
        and node in flow.data
        and isinstance(network.get_submodule(str(node.target)), LEARNED)
    ]
    return learned[-1] if learned else None


class TracedBackbone:
    """A `headstart.core.backbone.Backbone` around a torch module.

    `trunk` and `states` evaluate: eval mode, whatever mode the layers are in. `full` and `tail`
    follow the mode of their layers, so that a tail can be trained.
    """

    def __init__(
        self,
        network: nn.Module,
        source: Source,
        plan: Plan,
        *,
        classifier: bool = True,
        rebuild: Callable[[], nn.Module] | None = None,
        digest: str | None = None,
    ) -> None:
        self.source = source
        self.cuts = tuple(plan.cuts)
        self.stages = plan.stages
        self.embedding = Tap(plan.stages[-1].name, 1)
        self._network, self._plan, self._rebuild = network, plan, rebuild
        classifier = classifier and plan.head
        self._start, self._end = plan.flow.start, plan.embedding
        self.graph = partial(graph_of, network, plan)
        """See `Graphed`."""
        self._graphs: dict[tuple[str, ...], fx.GraphModule] = {}
        self.module = segment(plan.flow, network, self._start, [self._end])
        self.classifier = segment(plan.flow, network, self._end, [plan.flow.end]) if classifier else None
        self.detector: nn.Module | None = None
        """The whole detector whose trunk this is."""
        if digest is not None:
            self.digest = digest

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.source.spec or self.source.name}, {len(self.cuts)} cuts)"

    @cached_property
    def digest(self) -> str:
        """Of architecture and weights as loaded: fixed before anything can be trained."""
        tensors = dict(self.module.state_dict())
        if self.classifier is not None:
            tensors |= {f"classifier.{k}": v for k, v in self.classifier.state_dict().items()}
        return digest_of(self.source, tensors)

    def full(self, x: Tensor) -> Tensor:
        """The embedding state of a normalised batch."""
        embedding: Tensor = self.module(x)
        return embedding

    def trunk(self, cut: str) -> fx.GraphModule:
        """Module: normalised batch -> state at `cut`. Always in eval mode, without gradients."""
        node = self._plan.node(cut)
        return segment(self._plan.flow, self._network, self._start, [node], frozen=True)

    def tail(self, cut: str) -> fx.GraphModule:
        """Module: state at `cut` -> embedding state. Its layers are those of `module`."""
        _ = self.digest  # what follows may train the weights
        return segment(self._plan.flow, self._network, self._plan.node(cut), [self._end])

    def states(self, x: Tensor, cuts: tuple[str, ...]) -> dict[str, Tensor]:
        """The states at several cuts from one forward pass in eval mode."""
        wanted = tuple(dict.fromkeys(cuts))
        if wanted not in self._graphs:
            while len(self._graphs) >= GRAPHS_KEPT:
                del self._graphs[next(iter(self._graphs))]
            self._graphs[wanted] = self.graph(wanted)
        graph = self._graphs[wanted]
        with evaluating(graph):
            found = graph(x)
        return dict(zip(wanted, found if len(wanted) > 1 else (found,), strict=True))

    def pool(self, state: Tensor, tap: Tap) -> Tensor:
        """State -> float32 `[B, D]`, averaged over `grid` x `grid` cells and flattened."""
        return stages.pool(state, self._plan.layout(tap.stage), tap.grid, str(tap))

    def dense(self, state: Tensor, stage: str) -> Dense:
        """State at a stage -> the cells of its map, `[B, 1, 1, D]` of a vector. Raises `UnknownName`."""
        cells = stages.as_map(state, self._plan.layout(stage))
        values = cells.movedim(1, -1)  # [B, C, H, W] -> [B, H, W, C]
        return Dense(values, torch.ones(values.shape[:-1], dtype=torch.bool, device=values.device))

    def width(self, tap: Tap) -> int:
        """Numbers that a tap gives of an image. Raises `UnknownName` for a stage that is not there."""
        return self._plan.layout(tap.stage).channels * max(1, int(tap.grid)) ** 2

    def example(self, batch: int) -> np.ndarray:
        """uint8 `[batch, 3, H, W]`: black images of the source's own size."""
        return np.zeros((batch, 3, *image_input(self.source).size), dtype=np.uint8)

    def taps(self) -> tuple[Tap, ...]:
        """The taps worth storing. One that only repeats the embedding is left out."""
        repeated = repeats_embedding(self, self._plan, self._network)
        return tuple(
            Tap(stage.name, grid)
            for stage in self.stages
            for grid in stages.grids(self._plan.layout(stage.name))
            if (stage.name, grid) != (repeated, 1)
        )

    def normalise(self, pixels: Tensor) -> Tensor:
        """uint8 `[B, 3, H, W]` -> float32 `[B, channels, H, W]` by the source's mean and std."""
        contract = image_input(self.source)
        return stages.normalise(pixels, contract.mean, contract.std, contract.channels)

    def fresh(self, seed: int) -> Self:
        """The same architecture with new random weights; the global generators are left alone."""
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(seed)  # that of the CPU only
            network = self._rebuild() if self._rebuild is not None else _reset(copy.deepcopy(self._network))
        source = replace(self.source, sha256=None, prior=None, labels=None)
        anew = self._rebuild is not None
        plan = make_plan(network, source, head=self._plan.head) if anew else self._plan
        return type(self)(
            network,
            source,
            plan,
            classifier=self.classifier is not None,
            rebuild=self._rebuild,
        )

    def copy(self) -> Self:
        """An independent copy of weights and all, to be trained. It keeps the digest it came from."""
        return type(self)(
            copy.deepcopy(self._network),
            self.source,
            self._plan,
            classifier=self.classifier is not None,
            rebuild=self._rebuild,
            digest=self.digest,
        )


def graph_of(network: nn.Module, plan: Plan, cuts: tuple[str, ...]) -> fx.GraphModule:
    """Module: normalised batch -> the states at these cuts, in the mode of its layers."""
    return segment(plan.flow, network, plan.flow.start, [plan.node(cut) for cut in cuts])


def repeats_embedding(backbone: TracedBackbone, plan: Plan, network: nn.Module) -> str | None:
    """The stage whose mean is the embedding, as in networks that end in global average"""
    if len(plan.stages) < 2:
        return None
    stage, last = plan.stages[-2:]
    layout = plan.layout(stage.name)
    if stage.channels != last.channels or layout.kind == stages.VECTOR:
        return None
    where = next(network.parameters()).device
    state = torch.linspace(-1, 1, stage.channels * layout.height * layout.width, device=where).cos()
    state = stages.from_map(state.reshape(1, stage.channels, layout.height, layout.width), layout)
    tail = segment(plan.flow, network, plan.node(stage.cut), [plan.embedding], frozen=True)
    with torch.no_grad():
        embedding = backbone.pool(tail(state), Tap(last.name, 1))
        mean = backbone.pool(state, Tap(stage.name, 1))
    same = embedding.shape == mean.shape and torch.allclose(embedding, mean, atol=1e-5)
    return stage.name if same else None


def digest_of(source: Source, tensors: dict[str, Any]) -> str:
    """Fingerprint of an architecture and its weights."""
    recipe = fingerprint.of_json(dict(source.architecture))
    return fingerprint.of_parts([recipe, of_tensors(tensors)])


def of_tensors(tensors: dict[str, Any]) -> str:
    """Fingerprint of floating-point tensors by name; their precision does not count."""
    floats = {name: t for name, t in tensors.items() if t.is_floating_point()}
    return fingerprint.of_parts(
        part
        for name in sorted(floats)
        for part in (name, fingerprint.of_array(floats[name].detach().float().cpu().numpy()))
    )


def _reset(network: nn.Module) -> nn.Module:
    """New random weights by each layer's own rule, for networks that cannot be rebuilt."""
    for module in network.modules():
        reset = getattr(module, "reset_parameters", None)
        if callable(reset):
            reset()
        elif own := list(module.parameters(recurse=False)):
            for parameter in own:
                if parameter.ndim > 1:
                    nn.init.trunc_normal_(parameter, std=0.02)
    return network

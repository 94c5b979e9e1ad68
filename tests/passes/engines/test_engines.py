"""Every engine gives what the network as it is gives."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from headstart import sources
from headstart.core.source import Source
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.passes.engines import EAGER, ENGINES, folded
from headstart.passes.steps.forward import Forward
from headstart.sources.cuts.traced import TracedBackbone
from headstart.store.disk import keys
from headstart.testing.fakes import TinyBackbone

CPU = torch.device("cpu")
PIXELS = np.random.default_rng(0).integers(0, 255, (3, 3, 32, 32), dtype=np.uint8)
QUICK = [name for name in ENGINES if name != "compiled"]
"""Without the one that takes a minute to build."""


@pytest.fixture
def backbone() -> TracedBackbone:
    torch.manual_seed(0)
    architecture = {
        "library": "headstart",
        "arch": "small-resnet",
        "kwargs": {"widths": [4, 8, 8, 12]},
        "num_classes": 5,
    }
    network: nn.Module = sources.build(architecture, classifier=True)
    for layer in network.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_mean.uniform_(-0.2, 0.2)  # type: ignore[union-attr, operator]
            layer.running_var.uniform_(0.5, 1.5)  # type: ignore[union-attr, operator]
    source = Source("", "small", architecture=architecture, input=ImagePreprocessing((32, 32)))
    return sources.backbone_from_module(network, source)


def features(backbone: TracedBackbone, name: str) -> dict[str, np.ndarray]:
    columns = [keys.tap_column(tap) for tap in backbone.taps()]
    with Forward(backbone, CPU, ENGINES[name]).ready(columns) as forward:
        return forward(PIXELS, columns)[0]


@pytest.mark.parametrize("name", [name for name in QUICK if name != EAGER])
def test_features_agree_with_the_network_as_it_is(backbone: TracedBackbone, name: str) -> None:
    if problem := ENGINES[name].suits(backbone, "cpu"):
        pytest.skip(problem)
    before = backbone.digest, {key: value.clone() for key, value in backbone.module.state_dict().items()}
    expected, found = features(backbone, EAGER), features(backbone, name)
    single = ENGINES[name].PRECISION.startswith("float32")
    for column, rows in expected.items():
        scale = np.abs(rows.astype(float)).max()
        atol = scale * (2e-3 if single else 3e-2)
        np.testing.assert_allclose(found[column].astype(float), rows.astype(float), atol=atol, rtol=0)
    assert before[0] == backbone.digest
    for key, value in backbone.module.state_dict().items():
        assert torch.equal(value, before[1][key])


def test_precisions_tell_engines_apart() -> None:
    assert len({engine.PRECISION for engine in (ENGINES[name] for name in ENGINES)}) == len(ENGINES)


def test_batch_norms_are_folded_where_only_they_read_a_convolution(backbone: TracedBackbone) -> None:
    inner = tuple(stage.cut for stage in backbone.stages)
    norms = sum(isinstance(part, nn.BatchNorm2d) for part in backbone.module.modules())
    graph = folded.folded_graph(backbone, inner, torch.float32)
    called = {str(node.target) for node in graph.graph.nodes if node.op == "call_module"}
    left = sum(isinstance(part, nn.BatchNorm2d) for name, part in graph.named_modules() if name in called)
    assert norms > left
    read = graph.get_submodule(next(name for name in called if "conv" in name))
    assert isinstance(read, nn.Conv2d)


class Activated(nn.BatchNorm2d):
    """A BatchNorm with its activation inside, as timm has them."""

    def __init__(self, width: int) -> None:
        super().__init__(width)
        self.drop, self.act = nn.Identity(), nn.ReLU()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.act(self.drop(super().forward(x)))  # type: ignore[no-any-return]


class Odd(nn.BatchNorm2d):
    """A BatchNorm of which it is not known what it does."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x) * 2


@pytest.mark.parametrize(("kind", "count"), [(nn.BatchNorm2d, 1), (Activated, 1), (Odd, 0)])
def test_what_a_batch_norm_does_beside_is_kept(kind: type[nn.BatchNorm2d], count: int) -> None:
    torch.manual_seed(0)
    norm = kind(4)
    nn.init.normal_(norm.running_mean)  # type: ignore[arg-type]
    network = nn.Sequential(nn.Conv2d(3, 4, 3), norm).eval()
    x = torch.randn(2, 3, 8, 8)
    tracer = torch.fx.Tracer()
    tracer.is_leaf_module = lambda m, name: not isinstance(m, nn.Sequential)  # type: ignore[method-assign]
    graph = torch.fx.GraphModule(network, tracer.trace(network)).eval()
    with torch.no_grad():
        expected = network(x)
        assert folded.fold(graph) == count
        assert torch.allclose(graph(x), expected, atol=1e-5)


def test_what_an_engine_does_not_suit() -> None:
    assert "no graph" in ENGINES["fused"].suits(TinyBackbone(), "cpu")
    assert ENGINES["autocast"].suits(TinyBackbone(), "cpu") == ""
    assert "processors" in ENGINES["folded"].suits(TinyBackbone(), "cuda")

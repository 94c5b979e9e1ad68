"""Every family of networks keeps the Backbone contract: small variants, random weights. Those of torchvision
that have none are made narrow (tests/narrow.py)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

import narrow
from headstart import sources
from headstart.core.source import Source
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.sources.networks import opening
from headstart.testing import backbone as suite


def family(spec: str, side: int = 64, least: int = 20, marks: Any = (), **kwargs: Any) -> Any:
    """Spec, input side, least number of cuts, constructor arguments."""
    return pytest.param(spec, side, least, kwargs, id=spec, marks=marks)


FAMILIES = [
    family("torchvision/resnet18"),
    family("torchvision/inception_v3", 96, marks=pytest.mark.slow, init_weights=False),
    family("timm/mobilenetv1_100"),
    family("timm/mobilenetv2_050", drop_path_rate=0.1),
    family("timm/mobilenetv3_small_050"),
    family("timm/tinynet_e"),
    family("timm/convnext_atto", dims=(8, 16, 24, 32)),
    family("torchvision/squeezenet1_1"),
    family("timm/regnety_002"),
    family("timm/vit_tiny_patch16_224", img_size=64, depth=8, embed_dim=48, num_heads=3, drop_rate=0.1),
    family("timm/swin_tiny_patch4_window7_224", img_size=64, embed_dim=24, depths=(1, 1, 2, 2)),
    family("headstart/small-resnet", 32, 10),
    family("timm/resnet18", channels=(8, 16, 24, 32)),
    family("torchvision/vgg11", 32),
    family("torchvision/mobilenet_v2", width_mult=0.25),
    family("torchvision/mobilenet_v3_small"),
    family("torchvision/efficientnet_b0"),
    family("timm/tf_efficientnet_lite0"),
    family("torchvision/convnext_tiny"),
    family("torchvision/densenet121"),
    family("timm/densenet121", growth_rate=8, block_config=(2, 2, 2, 2)),
    family("torchvision/regnet_y_400mf"),
    family("torchvision/vit_b_32", image_size=64),
    family("torchvision/swin_t", least=10),
    family("timm/deit_tiny_distilled_patch16_224", 64, 10, img_size=64, depth=3),
]


@pytest.fixture(autouse=True)
def _narrow() -> Iterator[None]:
    with narrow.narrowed():
        yield


def network_of(spec: str, side: int, kwargs: dict[str, Any]) -> tuple[Any, Source]:
    library, _, arch = spec.partition("/")
    architecture = {"library": library, "arch": arch, "kwargs": kwargs, "num_classes": 10}
    source = Source(spec, arch, architecture=architecture, input=ImagePreprocessing((side, side)))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return sources.build(architecture, classifier=True), source


def same_logits(network: Any, backbone: Any, side: int) -> bool:
    x = torch.randn(2, 3, side, side, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        return torch.allclose(backbone.classifier(backbone.full(x)), network(x), atol=1e-5)


@pytest.mark.parametrize(("spec", "side", "least", "kwargs"), FAMILIES)
def test_family(spec: str, side: int, least: int, kwargs: dict[str, Any]) -> None:
    network, source = network_of(spec, side, kwargs)
    backbone = opening.wrap(network, source)
    assert same_logits(network, backbone, side)
    suite.check_backbone(backbone, least_cuts=least)


@pytest.mark.parametrize("build", [narrow.vgg11, narrow.densenet121])
def test_module_of_ones_own(build: Any) -> None:
    torch.manual_seed(0)
    network = build(num_classes=10).eval()
    backbone = sources.backbone_from_module(network, Source("", "own", input=ImagePreprocessing((32, 32))))
    assert same_logits(network, backbone, 32)
    suite.check_backbone(backbone, least_cuts=20, rebuild=False)


@pytest.mark.parametrize("spec", ["timm/swin_tiny_patch4_window7_224", "timm/vit_tiny_patch16_224"])
def test_parts_move_with_the_whole(spec: str) -> None:
    """Parameters and buffers are shared, so that one call moves them for every trunk and tail."""
    kwargs = (
        {"img_size": 64, "embed_dim": 24, "num_heads": (1, 2, 4, 8)} if "swin" in spec else {"img_size": 64}
    )
    network, source = network_of(spec, 64, {**kwargs, "depths": (1, 1, 2, 1)} if "swin" in spec else kwargs)
    backbone = opening.wrap(network, source)
    middle = backbone.stages[1].cut
    trunk, tail = backbone.trunk(middle), backbone.tail(middle)
    backbone.module.double()
    x = torch.randn(1, 3, 64, 64, dtype=torch.float64)
    with torch.no_grad():
        assert torch.allclose(tail(trunk(x)), backbone.full(x))
        assert backbone.states(x, (middle,))[middle].dtype == torch.float64

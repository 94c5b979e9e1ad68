"""Every family of networks keeps the Backbone contract: small variants, random weights."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from headstart import sources
from headstart.core.source import Source
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.sources import opening
from headstart.testing import backbone as suite

SLOW = pytest.mark.slow


def family(spec: str, side: int = 64, least: int = 20, marks: Any = (), **kwargs: Any) -> Any:
    """Spec, input side, least number of cuts, constructor arguments."""
    return pytest.param(spec, side, least, kwargs, id=spec, marks=marks)


FAMILIES = [
    family("torchvision/resnet18"),
    family("torchvision/inception_v3", 96, init_weights=False),
    family("timm/mobilenetv1_100"),
    family("timm/mobilenetv2_050", drop_path_rate=0.1),
    family("timm/mobilenetv3_small_050"),
    family("timm/efficientnet_b0"),
    family("timm/convnext_atto"),
    family("torchvision/squeezenet1_1"),
    family("timm/regnety_002"),
    family("timm/vit_tiny_patch16_224", img_size=64, depth=8, drop_rate=0.1),
    family("timm/swin_tiny_patch4_window7_224", img_size=64, embed_dim=24, depths=(1, 1, 2, 2)),
    family("headstart/small-resnet", 32, 10),
    family("timm/resnet18", marks=SLOW),
    family("torchvision/vgg11", 32, marks=SLOW),
    family("torchvision/mobilenet_v2", marks=SLOW),
    family("torchvision/mobilenet_v3_small", marks=SLOW),
    family("torchvision/efficientnet_b0", marks=SLOW),
    family("torchvision/convnext_tiny", marks=SLOW),
    family("torchvision/densenet121", marks=SLOW),
    family("timm/densenet121", marks=SLOW),
    family("torchvision/regnet_y_400mf", marks=SLOW),
    family("torchvision/vit_b_32", image_size=64, marks=SLOW),
    family("torchvision/swin_t", marks=SLOW),
    family("timm/deit_tiny_distilled_patch16_224", 64, 10, img_size=64, depth=3, marks=SLOW),
]


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


def small_vgg() -> nn.Module:
    """VGG-11 as torchvision makes it, its 100-million-weight classifier narrowed."""
    from torchvision.models import vgg

    network = vgg.VGG(vgg.make_layers(vgg.cfgs["A"], batch_norm=True), num_classes=10, init_weights=False)
    network.classifier[0] = nn.Linear(512 * 7 * 7, 32)
    network.classifier[3] = nn.Linear(32, 32)
    network.classifier[6] = nn.Linear(32, 10)
    return network.eval()


def small_densenet() -> nn.Module:
    """DenseNet as torchvision makes it, with two layers a block."""
    from torchvision import models

    return models.DenseNet(8, (2, 2, 2, 2), 16, num_classes=10, drop_rate=0.1).eval()


@pytest.mark.parametrize("build", [small_vgg, small_densenet])
def test_module_of_ones_own(build: Any) -> None:
    torch.manual_seed(0)
    network = build()
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

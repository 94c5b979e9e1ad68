"""Stages of well-known networks are those that people name."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from headstart import sources
from headstart.core.source import Source
from headstart.modalities.image.preprocessing import ImagePreprocessing
from headstart.sources.cuts.stages import MAP, MAP_LAST, TOKENS, VECTOR, grid_of, layout_of
from headstart.sources.networks import opening

EXPECTED = {
    "torchvision/resnet18": "relu layer1 layer2 layer3 layer4",
    "timm/convnext_atto": "stages.0 stages.1 stages.2 stages",
    "timm/mobilenetv1_100": "blocks.0 blocks.1 blocks.2 blocks.3 blocks",
    "torchvision/mobilenet_v2": "features.1 features.3 features.6 features.13 features",
    "timm/regnety_002": "stem s1 s2 s3 s4",
    "torchvision/squeezenet1_1": "features.1 features.4 features.7 features.11",
    "timm/vit_tiny_patch16_224": "blocks.1 blocks.3 blocks.5 blocks.7 blocks.9 norm",
}


def backbone_of(spec: str, side: int = 224, **kwargs: Any) -> Any:
    library, _, arch = spec.partition("/")
    architecture = {"library": library, "arch": arch, "kwargs": kwargs, "num_classes": 3}
    with torch.random.fork_rng(devices=[]):
        network = sources.build(architecture, classifier=True)
    return opening.wrap(
        network, Source(spec, arch, architecture=architecture, input=ImagePreprocessing((side, side)))
    )


@pytest.mark.parametrize("spec", EXPECTED)
def test_names(spec: str) -> None:
    stages = backbone_of(spec).stages
    assert " ".join(s.name for s in stages[:-1]) == EXPECTED[spec]
    assert stages[-1].name == "embedding"


def test_tokens() -> None:
    backbone = backbone_of("timm/vit_tiny_patch16_224", 64, img_size=64, depth=4)
    assert backbone.stages[0].side == 4
    state = backbone.states(torch.randn(2, 3, 64, 64), (backbone.stages[0].cut,)).popitem()[1]
    assert state.shape == (2, 17, 192)
    taps = {str(t): backbone.pool(state, t) for t in backbone.taps() if t.stage == backbone.stages[0].name}
    name = backbone.stages[0].name
    assert torch.equal(taps[f"{name}/g0"], state[:, 0])
    assert torch.allclose(taps[f"{name}/g1"], state[:, 1:].mean(1), atol=1e-6)
    corner = state[:, 1:].reshape(2, 4, 4, 192)[:, :2, 2:].mean((1, 2))
    assert torch.allclose(taps[f"{name}/g2"].reshape(2, 192, 2, 2)[:, :, 0, 1], corner, atol=1e-6)


def test_maps_with_channels_last() -> None:
    backbone = backbone_of("timm/swin_tiny_patch4_window7_224", 64, img_size=64, embed_dim=24)
    stage = backbone.stages[0]
    assert (stage.channels, stage.side) == (24, 16)
    state = backbone.states(torch.randn(1, 3, 64, 64), (stage.cut,)).popitem()[1]
    assert state.shape == (1, 16, 16, 24)
    tap = next(t for t in backbone.taps() if t.stage == stage.name and t.grid == 1)
    assert torch.allclose(backbone.pool(state, tap), state.mean((1, 2)), atol=1e-6)


@pytest.mark.parametrize(
    ("shape", "size", "kind"),
    [
        ((2, 8, 7, 7), (224, 224), MAP),
        ((2, 7, 7, 8), (224, 224), MAP_LAST),
        ((2, 16, 4, 4), (32, 32), MAP),
        ((2, 64, 6, 8), (48, 64), MAP),
        ((2, 6, 8, 64), (48, 64), MAP_LAST),
        ((2, 512, 1, 1), (32, 32), MAP),
        ((2, 50, 64), (224, 224), TOKENS),
        ((2, 64), (224, 224), VECTOR),
    ],
)
def test_layouts(shape: tuple[int, ...], size: tuple[int, int], kind: str) -> None:
    from types import SimpleNamespace

    found = layout_of(SimpleNamespace(shape=shape), torch.nn.Identity(), size)  # type: ignore[arg-type]
    assert found.kind == kind
    assert found.channels in (8, 16, 64, 512)


def test_grid_of() -> None:
    assert grid_of(196, 1.0) == (14, 14)
    assert grid_of(12, 3 / 4) == (3, 4)

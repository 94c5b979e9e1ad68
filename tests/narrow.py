"""Families of torchvision as it makes them, but narrow and short: what is asked of them does not depend on width."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from torch import nn
from torchvision.models import _api, convnext, densenet, efficientnet, regnet, swin_transformer, vgg
from torchvision.models import vision_transformer as vit


def vgg11(*, num_classes: int) -> nn.Module:
    """Its eight convolutions, with normalisation."""
    widths = [width if width == "M" else width // 8 for width in vgg.cfgs["A"]]  # type: ignore[operator]
    network = vgg.VGG(vgg.make_layers(widths, batch_norm=True), num_classes=num_classes, init_weights=False)
    network.classifier[0] = nn.Linear(64 * 7 * 7, 32)
    network.classifier[3] = nn.Linear(32, 32)
    network.classifier[6] = nn.Linear(32, num_classes)
    return network


def densenet121(**options: Any) -> nn.Module:
    return densenet.DenseNet(8, (2, 2, 2, 2), 16, drop_rate=0.1, **options)


def swin_t(**options: Any) -> nn.Module:
    return swin_transformer.SwinTransformer([4, 4], 24, [2, 2], [1, 2], [7, 7], **options)


def vit_b_32(*, image_size: int, **options: Any) -> nn.Module:
    return vit.VisionTransformer(image_size, 32, 12, 2, 32, 64, **options)


def convnext_tiny(**options: Any) -> nn.Module:
    widths = ((8, 16), (16, 24), (24, 32), (32, None))
    return convnext.ConvNeXt(
        [convnext.CNBlockConfig(entering, left, 2) for entering, left in widths], 0.1, **options
    )


def efficientnet_b0(**options: Any) -> nn.Module:
    shapes = ((1, 3, 1, 8, 8, 1), (6, 3, 2, 8, 16, 2), (6, 5, 2, 16, 24, 2), (6, 3, 1, 24, 24, 2))
    return efficientnet.EfficientNet([efficientnet.MBConvConfig(*shape) for shape in shapes], 0.2, **options)


def regnet_y_400mf(**options: Any) -> nn.Module:
    blocks = regnet.BlockParams.from_init_params(
        depth=8, w_0=16, w_a=8.0, w_m=2.0, group_width=8, se_ratio=0.25
    )
    return regnet.RegNet(blocks, **options)


BUILDERS: dict[str, Callable[..., nn.Module]] = {
    build.__name__: build
    for build in (vgg11, densenet121, swin_t, vit_b_32, convnext_tiny, efficientnet_b0, regnet_y_400mf)
}


@contextmanager
def narrowed() -> Iterator[None]:
    """torchvision gives these for their names."""
    with pytest.MonkeyPatch.context() as patch:
        for name, build in BUILDERS.items():

            def made(*, weights: None, build: Callable[..., nn.Module] = build, **options: Any) -> nn.Module:
                return build(**options)

            made.__module__ = "torchvision.models.narrow"  # among those that it lists
            patch.setitem(_api.BUILTIN_MODELS, name, made)
        yield

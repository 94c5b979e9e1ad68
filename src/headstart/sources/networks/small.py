"""The small residual networks whose weights ship inside the package (see `pretraining/`)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from headstart.errors import BadOption

DEFAULTS: Mapping[str, Any] = {
    "widths": (32, 64, 128, 256),
    "strides": (1, 2, 2, 2),
    "depths": (1, 1, 1, 1),
    "stem_stride": 2,
    "channels": 3,
}
"""What `build` assumes for arguments that are not given: 1.23 million parameters, 10 layers deep."""


class Block(nn.Module):
    """Two 3x3 convolutions with batch norm and a shortcut (He et al., CVPR 2016, basic block)."""

    def __init__(self, entering: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(entering, width, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.act1 = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(width, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.act2 = nn.ReLU(inplace=True)
        self.shortcut: nn.Module = nn.Identity()
        if stride != 1 or entering != width:
            self.shortcut = nn.Sequential(
                nn.Conv2d(entering, width, 1, stride, bias=False), nn.BatchNorm2d(width)
            )

    def forward(self, x: Tensor) -> Tensor:
        y = self.act1(self.bn1(self.conv1(x)))
        return self.act2(self.bn2(self.conv2(y)) + self.shortcut(x))


class SmallResNet(nn.Module):
    """Stem, four stages, global average, linear classifier; `[B, channels, H, W]` -> `[B, K]`.

    Without classes `fc` is the identity and the output is the pooled embedding `[B, widths[-1]]`.
    """

    def __init__(
        self,
        widths: Sequence[int],
        strides: Sequence[int],
        depths: Sequence[int],
        *,
        stem_stride: int,
        channels: int,
        num_classes: int,
    ) -> None:
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(channels, widths[0], 3, stem_stride, 1, bias=False),
            nn.BatchNorm2d(widths[0]),
            nn.ReLU(inplace=True),
        )
        entering = (widths[0], *widths[:3])
        self.stage1 = _stage(entering[0], widths[0], strides[0], depths[0])
        self.stage2 = _stage(entering[1], widths[1], strides[1], depths[1])
        self.stage3 = _stage(entering[2], widths[2], strides[2], depths[2])
        self.stage4 = _stage(entering[3], widths[3], strides[3], depths[3])
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(1))
        self.fc = nn.Linear(widths[3], num_classes) if num_classes else nn.Identity()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = self.stage1(x)
        x = self.stage2(x)
        x = self.stage3(x)
        x = self.stage4(x)
        return self.fc(self.pool(x))


def _stage(entering: int, width: int, stride: int, depth: int) -> nn.Sequential:
    blocks = [Block(entering, width, stride)]
    blocks += [Block(width, width, 1) for _ in range(depth - 1)]
    return nn.Sequential(*blocks)


def build(kwargs: Mapping[str, Any], num_classes: int) -> nn.Module:
    """A small residual network with random weights, in train mode, on the CPU.

    `kwargs` may hold "widths", "strides" and "depths" (four whole numbers each, one a stage),
    "stem_stride" and "channels"; what is missing comes from `DEFAULTS`. `num_classes` 0 means no
    classifier. Raises `BadOption` for unknown keys and for values that make no network.
    """
    unknown = sorted(set(kwargs) - set(DEFAULTS))
    if unknown:
        raise BadOption("kwargs of small-resnet", ", ".join(unknown), f"among {', '.join(DEFAULTS)}")
    options = {**DEFAULTS, **kwargs}
    for key in ("widths", "strides", "depths"):
        value = options[key]
        if not isinstance(value, list | tuple) or len(value) != 4 or not all(map(_positive, value)):
            raise BadOption(f"{key} of small-resnet", value, "four whole numbers from 1, one a stage")
    for key in ("stem_stride", "channels"):
        if not _positive(options[key]):
            raise BadOption(f"{key} of small-resnet", options[key], "a whole number from 1")
    if not isinstance(num_classes, int) or num_classes < 0:
        raise BadOption("num_classes", num_classes, "a whole number from 0")
    return SmallResNet(**options, num_classes=num_classes)


def _positive(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1

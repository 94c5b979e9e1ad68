"""A small U-Net (Ronneberger et al., 2015) that is trained as the arm `scratch` is: its pixels, views, steps and loss."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d

from headstart.core.maps import VOID
from headstart.core.strategy import Request
from headstart.strategies.dense import _decoding, decoder
from headstart.strategies.gradient._design import Design
from headstart.train.batches import Batches
from headstart.train.device import reproducible
from headstart.train.groups import parameter_groups
from headstart.train.loop import train

WIDTHS = (16, 32, 64, 128, 192)
"""Channels, level by level: 1.6 million parameters with what goes up again."""


def block(inputs: int, outputs: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for width in (inputs, outputs):
        layers += [nn.Conv2d(width, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
    return nn.Sequential(*layers)


class UNet(nn.Module):
    """Pixels uint8 `[B, 3, H, W]`, or as many flat -> scores `[B, K, H, W]`."""

    def __init__(self, size: tuple[int, int], outputs: int) -> None:
        super().__init__()
        self.size = size
        self.down = nn.ModuleList(block(a, b) for a, b in zip((3, *WIDTHS), WIDTHS, strict=False))
        self.up = nn.ModuleList(block(a + b, b) for a, b in zip(WIDTHS[:0:-1], WIDTHS[-2::-1], strict=True))
        self.head = nn.Conv2d(WIDTHS[0], outputs, 1)

    def forward(self, pixels: Tensor) -> Tensor:
        x, kept = pixels.float().view(-1, 3, *self.size) / 64 - 2, []
        for number, layer in enumerate(self.down):
            x = layer(max_pool2d(x, 2) if number else x)
            kept.append(x)
        for layer, beside in zip(self.up, kept[-2::-1], strict=True):
            x = layer(torch.cat([interpolate(x, beside.shape[2:], mode="nearest"), beside], 1))
        z: Tensor = self.head(x)
        return z


@dataclass(frozen=True)
class Pixels(_decoding.Arm):
    """Masks at half of the size that is read: the arm compares them at a quarter."""

    def targets(self, rows: np.ndarray) -> np.ndarray:
        height, width = self.backbone.source.input.size
        return np.stack(
            [
                np.stack(
                    [
                        frame.nearest(self.request.dataset.targets[row], (height // 2, width // 2), VOID)
                        for frame in self.frames(row)
                    ]
                )
                for row in rows.tolist()
            ]
        )


def learnt(request: Request, choices: dict[str, Any]) -> tuple[UNet, Any]:
    """(the network, how it reads images) by a design of the arm, on all rows."""
    arm = Pixels(request, request.network, Design.from_json(choices), decoder.Scratch.kind)
    rows, recipe = request.split.development, arm.design.recipe
    with reproducible(request.seed):
        net = UNet(arm.backbone.source.input.size, request.task.outputs)
    batches = Batches(
        arm.views, rows, arm.targets(rows), min(arm.design.batch_size, len(rows)), request.seed, by_view=True
    )
    groups = parameter_groups(nn.Identity(), net, recipe)
    train(net, batches, recipe, param_groups=groups, loss=arm.loss(rows), choice=arm.design.choice)
    return net.eval(), arm.backbone.source.input

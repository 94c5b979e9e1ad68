"""A backbone, some of its maps, and a head that says at every place of the first whether the middle of an
object is there, and how far its sides are (CenterNet, Zhou et al., 2019; distances as in FCOS, Tian et al.,
2019)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, max_pool2d, relu

from headstart.core.features import Tap
from headstart.core.task import Task
from headstart.nets import taps
from headstart.nets.base import Net, Parts, Recipe
from headstart.nets.found import MOST, settled, thresholds
from headstart.nets.taps import Taps

WIDTH = 96
DEPTH = 2
"""Blocks on the largest map; each smaller one, on which the sides of large objects are near, has one."""


class Block(nn.Module):
    """A 3 x 3 convolution of each channel, one of all channels at each place, and what was there before."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.near = nn.Conv2d(width, width, 3, padding=1, groups=width, bias=False)
        self.mix = nn.Conv2d(width, width, 1, bias=False)
        self.norm = nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return relu(x + self.norm(self.mix(self.near(x))))


class Head(nn.Module):
    """Maps `[B, C, h, w]`, the largest first -> (log-odds of middles `[B, K, h, w]`, logarithms of the
    distances to left, top, right and bottom in cells `[B, 4, h, w]`)."""

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        for number, width in enumerate(channels):
            self.register_buffer(f"mean{number}", torch.zeros(width))
            self.register_buffer(f"scale{number}", torch.ones(width))
        self.lateral = nn.ModuleList(nn.Conv2d(width, WIDTH, 1, bias=False) for width in channels)
        self.norms = nn.ModuleList(nn.BatchNorm2d(WIDTH) for _ in channels)
        self.blocks = nn.ModuleList(
            nn.Sequential(*(Block(WIDTH) for _ in range(1 if number else DEPTH)))
            for number in range(len(channels))
        )
        self.middle = nn.Conv2d(WIDTH, outputs, 1)
        self.sides = nn.Conv2d(WIDTH, 4, 1)

    def forward(self, maps: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        x: Tensor | None = None
        for number, one in reversed(list(enumerate(maps))):
            mean, scale = self.get_buffer(f"mean{number}"), self.get_buffer(f"scale{number}")
            level = self.lateral[number]((one - mean[:, None, None]) * scale[:, None, None])
            if x is not None:
                level = level + interpolate(x, level.shape[2:], mode="bilinear", align_corners=False)
            x = self.blocks[number](relu(self.norms[number](level)))
        assert x is not None
        return self.middle(x), self.sides(x)


def corners(sides: Tensor) -> Tensor:
    """`[B, 4, h, w]` in cells: left, top, right, bottom, from logarithms of distances to the middle of each
    cell."""
    height, width = sides.shape[2:]
    far = sides.clamp(max=8).exp()
    y = torch.arange(height, device=sides.device)[:, None] + 0.5
    x = torch.arange(width, device=sides.device)[None] + 0.5
    return torch.stack([x - far[:, 0], y - far[:, 1], x + far[:, 2], y + far[:, 3]], 1)


def decoded(middles: Tensor, sides: Tensor, most: int = MOST) -> Tensor:
    """float32 `[B, M, 6]`: the best places that are higher than those around them, see `nets.found`."""
    _, outputs, height, width = middles.shape
    peaks = middles.where(middles == max_pool2d(middles, 3, 1, 1), torch.full_like(middles, -1e4))
    best, at = peaks.flatten(1).topk(min(most, outputs * height * width), dim=1)
    place = at % (height * width)
    size = torch.tensor([width, height, width, height], device=middles.device)
    boxes = corners(sides).flatten(2).movedim(1, 2)  # [B, h * w, 4]
    boxes = boxes.gather(1, place[..., None].expand(-1, -1, 4)) / size
    scores = best.sigmoid()
    number = (at // (height * width)).to(scores.dtype)
    return torch.cat([boxes, number[..., None], scores[..., None]], -1)


class Boxes(Taps):
    """`head(maps)`."""

    of_maps = True

    def __init__(self, task: Task, parts: Parts, backbone: Any, taps: Sequence[Tap]) -> None:
        super().__init__(task, parts, backbone, taps)
        self.settled = thresholds(task, parts)

    def head_of(self, parts: Parts, widths: Sequence[int], outputs: int) -> Head:
        head = Head(widths, outputs)
        shapes = {name: (tuple(t.shape), t.dtype) for name, t in head.state_dict().items()}
        found = {name: parts.take(f"head.{name}", shape).to(dtype) for name, (shape, dtype) in shapes.items()}
        head.load_state_dict(found)
        return head

    def raw(self, prepared: Tensor) -> Tensor:
        return settled(decoded(*self.head(self.maps(prepared))), self.settled)


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    return taps.build(recipe, Boxes)

"""A backbone, some of its maps, and a light decoder over them: scores for every pixel.

The decoder is a feature pyramid (Lin et al., CVPR 2017) of depthwise convolutions: every map goes through a
1 x 1 convolution of its own, is scaled to the largest one and added.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from headstart.nets import taps
from headstart.nets.base import Net, Parts, Recipe

WIDTH = 64
"""Channels."""
GROUPS = 8
"""Of channels that are normalised together (Wu & He, ECCV 2018): batches are too small for BatchNorm."""
BLOCKS = 2


class Decoder(nn.Module):
    """Maps `[B, C, h, w]`, the largest first -> scores `[B, K, h, w]` at the size of the largest."""

    mean: Tensor
    scale: Tensor

    def __init__(self, channels: Sequence[int], outputs: int) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.register_buffer("mean", torch.zeros(sum(channels)))
        self.register_buffer("scale", torch.ones(sum(channels)))
        self.lateral = nn.ModuleList(nn.Conv2d(depth, WIDTH, 1) for depth in channels)
        self.norm = nn.GroupNorm(GROUPS, WIDTH)
        self.blocks = nn.ModuleList(
            nn.Sequential(
                nn.Conv2d(WIDTH, WIDTH, 3, padding=1, groups=WIDTH, bias=False),
                nn.Conv2d(WIDTH, WIDTH, 1, bias=False),
                nn.GroupNorm(GROUPS, WIDTH),
                nn.ReLU(),
            )
            for _ in range(BLOCKS)
        )
        self.head = nn.Conv2d(WIDTH, outputs, 1)

    def standardise(self, maps: Sequence[Tensor]) -> None:
        """Take mean and standard deviation of each channel from maps of some items."""
        self.mean.copy_(torch.cat([one.mean((0, 2, 3)) for one in maps]))
        sd = torch.cat([one.std((0, 2, 3)) for one in maps])
        self.scale.copy_(torch.where(sd > 1e-6, 1 / sd.clamp_min(1e-6), 0))

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        parts = (self.lateral, self.mean.split(self.channels), self.scale.split(self.channels))
        found: Any = 0
        for one, lateral, mean, scale in zip(maps, *parts, strict=True):
            level = lateral((one - mean[:, None, None]) * scale[:, None, None])
            if level.shape[2:] != maps[0].shape[2:]:
                level = interpolate(level, maps[0].shape[2:], mode="bilinear", align_corners=False)
            found = found + level
        found = self.norm(found).relu()
        for block in self.blocks:
            found = found + block(found)
        z: Tensor = self.head(found)  # [B, WIDTH, h, w] -> [B, K, h, w]
        return z


class Decoded(taps.Taps):
    """`scores = decoder(maps)`."""

    of_maps = True

    def head_of(self, parts: Parts, widths: Sequence[int], outputs: int) -> nn.Module:
        decoder = Decoder(widths, outputs)
        kept = {
            name: parts.take(f"head.{name}", tuple(tensor.shape))
            for name, tensor in decoder.state_dict().items()
        }
        decoder.load_state_dict(kept)
        return decoder

    def raw(self, prepared: Tensor) -> Tensor:
        z: Tensor = self.head(self.maps(prepared))
        return z


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    return taps.build(recipe, Decoded)

"""A linear model of every place on its colours, textures and position, and on their products."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from headstart.core.task import Task
from headstart.nets.base import Net, Parts, Recipe

CELL = 4
"""Pixels of a side of a place."""
AROUND = (3, 11)
"""Places of a side of the surroundings whose means are features, too."""
PLAIN = 17
WIDTH = PLAIN + PLAIN * (PLAIN + 1) // 2


def features(prepared: Tensor) -> Tensor:
    """uint8 `[B, 3, H, W]` -> float32 `[B, WIDTH, H / 4, W / 4]`: means of colours of each place and of two
    surroundings, how much brightness varies and how steeply in each direction, the place; and all products of
    two of these."""
    x = prepared.float() / 255 - 0.5
    grey = x.mean(1, keepdim=True)
    across = functional.pad((grey[..., 1:] - grey[..., :-1]).abs(), (0, 1))
    down = functional.pad((grey[..., 1:, :] - grey[..., :-1, :]).abs(), (0, 0, 0, 1))
    cells = functional.avg_pool2d(torch.cat([x, across, down, grey**2], 1), CELL, ceil_mode=True)
    colours, steep, square = cells[:, :3], 4 * cells[:, 3:5], cells[:, 5:]
    near, far = (_mean(cells, side) for side in AROUND)
    vary = [(_spread(square, colours)), _spread(near[:, 5:], near[:, :3])]
    height, width = cells.shape[2:]
    y = torch.linspace(-1, 1, height, device=x.device)[:, None].expand(height, width)
    z = torch.linspace(-1, 1, width, device=x.device)[None].expand(height, width)
    place = torch.stack([y, z])[None].expand(x.shape[0], 2, height, width)  # len() would fix it in a graph
    plain = torch.cat(
        [colours, near[:, :3], far[:, :3], steep, 4 * near[:, 3:5], *vary, place], 1
    )  # [B, 17, h, w]
    rows, columns = torch.triu_indices(PLAIN, PLAIN, device=x.device)
    return torch.cat([plain, plain[:, rows] * plain[:, columns]], 1)


def _mean(cells: Tensor, side: int) -> Tensor:
    return functional.avg_pool2d(cells, side, 1, side // 2, count_include_pad=False)


def _spread(square: Tensor, colours: Tensor) -> Tensor:
    """Standard deviation of brightness, from its mean square and the mean colours."""
    return 2 * (square - colours.mean(1, keepdim=True) ** 2).clamp(min=0).add(1e-6).sqrt()


class Colours(Net):
    """`scores = head(features)` for every place."""

    def __init__(self, task: Task, parts: Parts) -> None:
        super().__init__(task, parts)
        self.head = parts.linear("head", WIDTH, task.outputs)

    def raw(self, prepared: Tensor) -> Tensor:
        scores = torch.einsum("kd,bdhw->bkhw", self.head.weight, features(prepared))
        return scores + self.head.bias[None, :, None, None]


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    recipe.only()
    return Colours(recipe.task, recipe.parts)

"""From the state at a stage to one feature vector an image."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from headstart.errors import BadOption
from headstart.sources.stages import MAP_LAST, TOKENS, VECTOR, Layout, grid_of

GRIDS = (1, 2, 4)
MOST_FEATURES = 2048
"""Widest tap worth storing; a grid of 1 is always kept."""


def grids(layout: Layout) -> tuple[int, ...]:
    """The grids worth storing at a stage; 0 is the class token."""
    if layout.kind == VECTOR:
        return (1,)
    found = tuple(
        g for g in GRIDS if g == 1 or (layout.channels * g * g <= MOST_FEATURES and g <= layout.side)
    )
    if layout.kind != TOKENS:
        return found
    return (*((0,) if layout.prefix else ()), *(g for g in found if g <= 2))


def pool(state: Tensor, layout: Layout, cells: int | str, name: str) -> Tensor:
    """State -> float32 `[B, channels * max(1, grid)**2]`, averaged over `grid` x `grid` cells.

    The channel comes before the cell in the flattened order. For tokens grid 0 is the class token;
    other tokens in front of the patches are left out. Raises `BadOption` for a grid the state has not.
    """
    grid = cells if isinstance(cells, int) else -1
    if grid < 0 or (grid == 0 and not layout.prefix) or (grid > 1 and layout.kind == VECTOR):
        known = ", ".join(map(str, grids(layout)))
        raise BadOption(f"the grid of tap {name}", cells, f"one of {known}")
    if layout.kind == VECTOR:
        return state.flatten(1).float()
    if layout.kind == TOKENS and grid == 0:
        return state[:, 0].float()
    table = as_map(state, layout)
    if grid == 1:
        return table.mean((2, 3)).float()
    return F.adaptive_avg_pool2d(table, grid).flatten(1).float()


def as_map(state: Tensor, layout: Layout) -> Tensor:
    """Any state as `[B, C, H, W]`."""
    if layout.kind == VECTOR:
        return state[:, :, None, None]
    if layout.kind == MAP_LAST:
        return state.permute(0, 3, 1, 2)  # [B, H, W, C] -> [B, C, H, W]
    if layout.kind == TOKENS:
        patches = state[:, layout.prefix :]
        height, width = layout.height, layout.width
        if patches.shape[1] != height * width:  # an image of another size
            height, width = grid_of(patches.shape[1], height / width)
        # [B, T, C] -> [B, C, T] -> [B, C, H, W]
        return patches.transpose(1, 2).reshape(patches.shape[0], -1, height, width)
    return state


def from_map(cells: Tensor, layout: Layout) -> Tensor:
    """`[B, C, H, W]` as a state of that layout; tokens before the patches are zero."""
    if layout.kind == MAP_LAST:
        return cells.permute(0, 2, 3, 1)
    if layout.kind == TOKENS:
        patches = cells.flatten(2).transpose(1, 2)  # [B, C, H, W] -> [B, C, T] -> [B, T, C]
        return torch.cat([patches.new_zeros(len(patches), layout.prefix, layout.channels), patches], 1)
    return cells


LUMA = (0.299, 0.587, 0.114)
"""ITU-R BT.601: how a grey value is made of red, green and blue."""


def normalise(pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...], channels: int) -> Tensor:
    """uint8 `[B, 3, H, W]` -> float32 `[B, channels, H, W]`; 1 channel is the luma of three."""
    x = pixels.float() / 255
    if channels == 1:
        x = (x * torch.tensor(LUMA, device=x.device)[:, None, None]).sum(1, keepdim=True)
    centre = torch.tensor(mean, device=x.device)[:, None, None]
    spread = torch.tensor(std, device=x.device)[:, None, None]
    return (x - centre) / spread

"""A linear model on how loud the bands of a spectrogram are, how much that varies, and how fast."""

from __future__ import annotations

import torch
from torch import Tensor

from headstart.core.task import Task
from headstart.nets.base import Block, Net, Parts, Recipe

STATISTICS = 4
"""Numbers of each band: mean and standard deviation of its values, and of their changes."""


class Bands(Net):
    """Statistics over time, standardised, then a linear head."""

    def __init__(self, task: Task, parts: Parts, rows: int) -> None:
        super().__init__(task, parts)
        width = STATISTICS * rows
        self.bands = Block(mean=parts.take("bands.mean", (width,)), sd=parts.take("bands.sd", (width,)))
        self.head = parts.linear("head", width, task.outputs)

    def raw(self, prepared: Tensor) -> Tensor:
        x = (statistics(prepared) - self.bands.get_buffer("mean")) / self.bands.get_buffer("sd")
        z: Tensor = self.head(x)
        return z


def statistics(prepared: Tensor) -> Tensor:
    """float32 `[B, bands + 1, T]`, the last row the mask -> `[B, 4 * bands]`, of the frames that it shows."""
    values, mask = prepared[:, :-1], prepared[:, -1:]
    changes, both = values[..., 1:] - values[..., :-1], mask[..., 1:] * mask[..., :-1]
    return torch.cat([*_moments(values, mask), *_moments(changes, both)], 1)


def _moments(values: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    """[B, bands, T], [B, 1, T] -> mean and standard deviation [B, bands]; zeros where nothing is shown."""
    count = mask.sum(-1).clamp(min=1.0)
    mean = (values * mask).sum(-1) / count
    spread = ((values - mean[..., None]) ** 2 * mask).sum(-1) / count
    return mean, (spread + 1e-12).sqrt()


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    recipe.only()
    rows, *rest = recipe.input.signature().shape
    if recipe.input.max_length is None or recipe.input.signature().dtype != "float32" or len(rest) != 1:
        raise recipe.error("has an input that is no recording")
    return Bands(recipe.task, recipe.parts, int(rows) - 1)

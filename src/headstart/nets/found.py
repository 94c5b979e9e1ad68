"""What networks that give boxes share: rows of boxes, with scores that are moved to where they are said."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from headstart.core.task import Task
from headstart.nets.base import Block, Net, Parts

MOST = 300
"""Boxes of an image."""


def thresholds(task: Task, parts: Parts) -> Block:
    """Of a network, see `settled`."""
    return Block(thresholds=parts.take("settled.thresholds", (task.outputs,)))


def settled(rows: Tensor, levels: Block) -> Tensor:
    """Rows `[B, M, 6]` whose scores have the log-odds less the threshold of their class; 0 stays."""
    scores = rows[..., 5]
    odds = torch.logit(scores.clamp(1e-6, 1 - 1e-6))
    moved = torch.sigmoid(odds - levels.get_buffer("thresholds")[rows[..., 4].long()])
    return torch.cat([rows[..., :5], moved.where(scores > 0, torch.zeros_like(scores))[..., None]], -1)


class Found(Net):
    """Subclasses give `found`."""

    def __init__(self, task: Task, parts: Parts) -> None:
        super().__init__(task, parts)
        self.settled = thresholds(task, parts)

    @abstractmethod
    def found(self, prepared: Tensor) -> Tensor:
        """A prepared batch -> float32 `[B, M, 6]`: left, top, right, bottom in 0 to 1, class, score; 0 for no
        box."""

    def raw(self, prepared: Tensor) -> Tensor:
        return settled(self.found(prepared), self.settled)

"""What networks that give boxes share: rows of boxes, with scores that are moved to where they are said."""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Tensor

from headstart.core.task import Task
from headstart.nets.base import Block, Net, Parts

MOST = 300
"""Boxes of an image."""


class Found(Net):
    """Subclasses give `found`."""

    def __init__(self, task: Task, parts: Parts) -> None:
        super().__init__(task, parts)
        self.settled = Block(thresholds=parts.take("settled.thresholds", (task.outputs,)))

    @abstractmethod
    def found(self, prepared: Tensor) -> Tensor:
        """A prepared batch -> float32 `[B, M, 6]`: left, top, right, bottom in 0 to 1, class, score; 0 for no
        box."""

    def raw(self, prepared: Tensor) -> Tensor:
        rows = self.found(prepared)
        scores = moved(rows[..., 5], self.settled.get_buffer("thresholds")[rows[..., 4].long()])
        return torch.cat([rows[..., :5], scores[..., None]], -1)


def moved(scores: Tensor, thresholds: Tensor) -> Tensor:
    """Scores with their log-odds less the thresholds, of the same shape; 0 stays."""
    safe = scores.clamp(1e-6, 1 - 1e-6)
    return torch.where(scores > 0, torch.sigmoid(torch.logit(safe) - thresholds), torch.zeros_like(scores))

"""A whole detector, whose own classes are those of the target by name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart import sources
from headstart.nets.base import Recipe
from headstart.nets.found import MOST, Found


class Detector(Found):
    """See `sources.networks.detectors`; `columns` are the source's classes of each target label."""

    def __init__(self, recipe: Recipe, detector: Any, columns: Sequence[Sequence[int]]) -> None:
        super().__init__(recipe.task, recipe.parts)
        self.detector = detector
        self._number = {int(source): number for number, own in enumerate(columns) for source in own}

    def found(self, prepared: Tensor) -> Tensor:
        if torch.compiler.is_exporting():
            raise NotImplementedError("the post-processing of a detector is nothing that a graph can give")
        out = np.zeros((len(prepared), MOST, 6), np.float32)
        for row, one in enumerate(sources.boxes_of(self.detector, prepared)):
            table = np.column_stack([one[name].cpu().numpy() for name in ("boxes", "labels", "scores")])
            kept = [(*line[:4], self._number[int(line[4])], line[5]) for line in table.tolist()
                    if int(line[4]) in self._number][:MOST]  # fmt: skip
            if kept:
                out[row, : len(kept)] = kept
        return torch.from_numpy(out).to(prepared.device)


def build(recipe: Recipe) -> Detector:
    """See `headstart.nets`."""
    recipe.only("architecture", "columns")
    columns = recipe.field("columns", (list, tuple))
    sound = len(columns) == recipe.task.outputs and all(
        isinstance(own, list | tuple) and all(type(number) is int for number in own) for own in columns
    )
    if not sound:
        raise recipe.error("has columns that are none of its labels")
    detector = sources.detector(recipe.field("architecture", Mapping), recipe.parts.under("detector"))
    return Detector(recipe, detector, columns)

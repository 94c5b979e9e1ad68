"""The source's own classifier, its classes summed into the target's labels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from headstart import sources, tasks
from headstart.core.task import Task
from headstart.nets.base import Net, Parts, Recipe
from headstart.tasks.base import Labels

EDGE = 1e-7
"""Probabilities of a multi-label prediction are kept this far from 0 and 1."""


class Classifier(Net):
    """Probabilities of the listed source classes, summed for each label.

    For one label per image they are renormalised over the labels; for several labels per image
    each sum stands by itself.
    """

    def __init__(self, task: Task, parts: Parts, backbone: Any, columns: Sequence[Sequence[int]]) -> None:
        super().__init__(task, parts)
        self.trunk = backbone.module
        self.classifier = backbone.classifier
        self._backbone = backbone
        self._columns = [list(column) for column in columns]

    def raw(self, prepared: Tensor) -> Tensor:
        embedding = self._backbone.full(self._backbone.normalise(prepared))
        source = self.classifier(embedding).float().log_softmax(1)  # [B, source classes]
        log_p = torch.stack([source[:, column].logsumexp(1) for column in self._columns], 1)  # [B, K]
        if tasks.for_task(self.task).exclusive:
            return log_p  # the softmax that follows renormalises
        return torch.logit(log_p.exp(), eps=EDGE)


def build(recipe: Recipe) -> Net:
    """See `headstart.nets`."""
    recipe.only("architecture", "columns")
    architecture = recipe.field("architecture", Mapping)
    columns = recipe.field("columns", (list, tuple))
    if not isinstance(tasks.for_task(recipe.task), Labels):
        raise recipe.error(f"cannot answer a {recipe.task.kind} task")
    if len(columns) != recipe.task.outputs or not all(columns):
        raise recipe.error(f"names source classes for {len(columns)} of {recipe.task.outputs} labels")
    parts = recipe.parts
    backbone = sources.from_state(architecture, recipe.input, parts.under("trunk"), parts.under("classifier"))
    if backbone.classifier is None:
        raise recipe.error("has a source without a classifier")
    return Classifier(recipe.task, parts, backbone, columns)

"""The network that a task wants of a source: for places and boxes it reads whole images as maps."""

from __future__ import annotations

from typing import Any

from headstart import sources, tasks
from headstart.core.backbone import Backbone
from headstart.core.dataset import Dataset
from headstart.tasks.base import Places

LONGEST, SHORTEST = 480, 96
"""Of images that are read as maps, the longer side in pixels, at most and at least."""


def suited(backbone: Backbone, dataset: Dataset) -> Backbone:
    """The network as the data's task wants it: where answers are places or boxes over whole images of their
    proportions. Raises `SourceError` for one without maps."""
    if dataset.task is None or not isinstance(tasks.for_task(dataset.task), Places):
        return backbone
    targets: Any = dataset.targets
    height, width = targets.extent()
    factor = min(max(height, width, SHORTEST), LONGEST) / max(height, width)
    return sources.mapped(backbone, (round(factor * height), round(factor * width)))

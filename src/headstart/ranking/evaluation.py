"""Sources measured on the same labelled items, in the same folds."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.backbone import Backbone
from headstart.core.dataset import Dataset
from headstart.core.features import Extractor, Features, FeatureSpec
from headstart.core.source import Source
from headstart.core.split import Split
from headstart.core.strategy import Request
from headstart.core.task import Task
from headstart.measure.partition import blind_sample
from headstart.ranking import scoring
from headstart.ranking.scoring import Scored
from headstart.ranking.standing import Standing, standing
from headstart.tasks.base import Places

MOST = 5_000
"""Labelled items that are looked at; an accuracy over so many is known to half a point."""
OF_PLACES = 300
"""The same where each answer is one for thousands of places, or boxes."""


def looked_at(dataset: Dataset, split: Split, seed: int, most: int = MOST) -> Dataset:
    """The labelled items outside of the test part, or `most` of them, in whole groups: those of a smaller
    number are among those of a larger one. They are drawn without a look at their labels."""
    task = dataset.task
    limit = OF_PLACES if task is not None and isinstance(tasks.for_task(task), Places) else MOST
    rows = blind_sample(split, min(most, limit), seed=seed)
    return replace(dataset.subset(rows), split=None, groups=split.groups[rows], group_names=())


@dataclass(frozen=True)
class Evaluation:
    """What sources are measured on."""

    items: Dataset
    """See `looked_at`."""
    task: Task
    split: Split
    """Of these items."""
    extract: Extractor
    seed: int

    def measure(
        self, source: Source, backbone: Backbone, also: Sequence[str] = (), *, few: bool = False
    ) -> Scored:
        """A source that is open, with the time and passes it took now; `few` and what is raised are those of
        `scoring.score`."""
        start, counted = time.perf_counter(), Counted(self.extract)
        request = Request(self.items, self.task, self.split, counted, backbone, seed=self.seed)
        found = scoring.score(request, also, few=few)
        weights = sum(p.numel() for p in backbone.module.parameters())
        known = replace(
            backbone.source,
            spec=source.spec,
            parameters=backbone.source.parameters or weights,
            size_bytes=backbone.source.size_bytes or 4 * weights,
        )
        return replace(found, source=known, seconds=time.perf_counter() - start, passes=counted.passes)

    @property
    def held(self) -> np.ndarray:
        """int64 `[M]`: the items that are held out at all."""
        return self.split.development[scoring.held_out(self.split, self.task)]

    @property
    def units(self) -> int:
        """Independent ones among those: near-duplicates, and rows of one group, count once."""
        return len(np.unique(self.split.groups[self.held]))

    def standing(self, scored: Sequence[Scored]) -> list[Standing]:
        """The sources, best first. Raises `RankingError`."""
        held = self.held
        y = self.items.targets[held]
        return standing(self.task, y, scored, groups=self.split.groups[held], seed=self.seed)


class Counted:
    """An extractor that adds up its passes."""

    def __init__(self, extractor: Extractor) -> None:
        self._extractor, self.passes = extractor, 0.0

    def __call__(self, backbone: Any, spec: FeatureSpec) -> Features:
        found = self._extractor(backbone, spec)
        self.passes += found.forward_passes
        return found

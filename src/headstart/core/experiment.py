"""Experiment: what all arms of a run share, and all that a comparison of them may look at."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from headstart.core.dataset import Dataset
from headstart.core.split import Split
from headstart.core.targets import Targets
from headstart.core.task import Task


@dataclass(frozen=True, eq=False)
class Experiment:
    """Data, task, split and seed. Another split makes another experiment."""

    dataset: Dataset
    task: Task
    split: Split
    seed: int = 0
    gains: dict[Any, Any] = field(default_factory=dict, repr=False)
    """Paired gains computed so far: a verdict is formed several times in a run (`evidence.leaderboard`)."""

    @property
    def targets(self) -> Targets:
        """The labels of the data."""
        return self.dataset.targets

    @cached_property
    def development(self) -> Dataset:
        """The data as a strategy sees them: no label of a test row is there."""
        return self.dataset.view(labels=self.split.development)

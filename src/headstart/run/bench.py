"""The workbench of one run: data, split, store and loaded sources, and the requests made from them."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from headstart import sources, strategies
from headstart.core.backbone import Backbone
from headstart.core.budget import Budget
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener
from headstart.core.evidence import Cost
from headstart.core.features import Features, FeatureSpec
from headstart.core.source import Source
from headstart.core.split import Split
from headstart.core.strategy import Progress, Request, Settings, Status, Trial, arm_name
from headstart.core.task import CLASSIFICATION, Task
from headstart.errors import BadOption, StoreError, UnknownName
from headstart.run.extract import StoreExtractor
from headstart.run.folder import RunFolder
from headstart.run.plan import Step


class Timed:
    """An extractor that adds up the seconds of its passes."""

    def __init__(self, extractor: StoreExtractor) -> None:
        self._extractor = extractor
        self.seconds = 0.0

    def __call__(self, backbone: Any, spec: FeatureSpec) -> Features:
        features = self._extractor(backbone, spec)
        self.seconds += features.seconds
        return features

    def missing(self, backbone: Any, spec: FeatureSpec) -> float:
        """Share of the items, 0 to 1, that a pass would have to compute."""
        return self._extractor.missing(backbone, spec)


LOADED_AT_ONCE = 2
"""Networks kept in memory; others are loaded again when needed."""


@dataclass
class Bench:
    """Everything the arms of one run share."""

    dataset: Dataset
    task: Task
    split: Split
    extractor: Timed
    sources: Mapping[str, Source]
    """By the name used in arms."""
    folder: RunFolder
    listen: Listener
    seed: int = 0
    settings: Settings = Settings()
    download: bool = False
    reserve: float = 0.0
    """Seconds kept back for training the winner on all rows."""
    passes: dict[str, float] = field(default_factory=dict)
    """Seconds that a pass takes, by source."""
    estimates: dict[str, float] = field(default_factory=dict)
    """Seconds by arm name."""
    paid: dict[str, float] = field(default_factory=dict)
    """Seconds of passes made before the first arm, by source: they belong to its probe."""
    read: set[str] = field(default_factory=set)
    """Sources whose pass is made, by this run or by one before it."""
    gains: dict[Any, Any] = field(default_factory=dict, repr=False)
    """Paired gains computed so far (`run.gains`)."""
    _loaded: dict[str, Backbone] = field(default_factory=dict, repr=False)

    @property
    def per_class(self) -> float | None:
        """Labels a class to learn from, on average; None where there are no classes, one an item."""
        if self.task.kind != CLASSIFICATION:
            return None
        return len(self.split.development) / self.task.outputs

    def backbone(self, name: str | None) -> Backbone | None:
        """The network of a source, loaded on first use."""
        if name is None:
            return None
        if name not in self._loaded:
            while len(self._loaded) >= LOADED_AT_ONCE:
                del self._loaded[next(iter(self._loaded))]
            self._loaded[name] = sources.load(self.sources[name], download=self.download)
        return self._loaded[name]

    def request(self, arm: str, source: str | None, seconds: float) -> Request:
        """What an arm's strategy may touch; it gets a folder of its own only when it runs."""
        return Request(
            dataset=self.dataset,
            task=self.task,
            split=self.split,
            features=self.extractor,
            backbone=self.backbone(source),
            budget=Budget(seconds),
            reserve=self.reserve,
            seed=self.seed,
            settings=self.settings,
            progress=self.progress(arm),
        )

    def progress(self, arm: str) -> Progress:
        """A callback that turns progress into events."""

        def tell(what: str, done: int, total: int) -> None:
            self.listen(Event("progress", {"arm": arm, "what": what, "done": done, "total": total}))

        return tell

    def estimate(self, strategy: str, source: str | None, seconds_per_pass: float) -> float:
        """Seconds an arm is expected to take, before it is known what else will run."""
        request = self.request(arm_name(strategy, source), source, float("inf"))
        return strategies.get(strategy).cost(request, seconds_per_pass).seconds

    def run(self, step: Step) -> Trial:
        """Run one arm. What breaks in an arm (memory, a diverged training) ends that arm only."""
        strategy = strategies.get(step.strategy)
        start = time.monotonic()
        request = self.request(step.arm, step.source, step.seconds)
        request = replace(request, workdir=self.folder.workdir(step.arm))
        try:
            trial = strategy.fit(request)
        except (UnknownName, BadOption) as error:  # a stage to freeze that only other sources have
            trial = failed(request, step, str(error), status="not applicable")
        except (RuntimeError, MemoryError, FloatingPointError, StoreError) as error:
            words = str(error).strip().splitlines()
            trial = failed(
                request, step, f"{type(error).__name__}: {words[0] if words else 'no reason given'}"
            )
        seconds = max(time.monotonic() - start, trial.cost.seconds)  # more where a stopped run did a part
        if step.strategy == "probe" and step.source is not None:
            seconds += self.paid.pop(step.source, 0.0)
        cost = replace(trial.cost, seconds=seconds, peak_bytes=peak_memory())
        return replace(trial, arm=step.arm, strategy=step.strategy, source=step.source, cost=cost)


def failed(request: Request, step: Step, reason: str, *, status: Status = "failed") -> Trial:
    """The record of an arm that broke."""
    import numpy as np

    shape = (request.split.repeats, len(request.dataset), request.task.outputs)
    nothing = np.full(shape, np.nan, dtype=np.float32)
    return Trial(step.arm, step.strategy, step.source, nothing, Cost(), status, reason)


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

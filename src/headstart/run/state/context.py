"""The context of one run: data, split, store and loaded sources, and the requests made from them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, Any

from headstart import sources, strategies, tasks
from headstart.core import fingerprint
from headstart.core.backbone import Backbone
from headstart.core.broken import why
from headstart.core.budget import Budget
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener
from headstart.core.evidence import Cost
from headstart.core.experiment import Experiment
from headstart.core.features import FeatureSpec
from headstart.core.model import Model
from headstart.core.source import Source
from headstart.core.split import Split
from headstart.core.strategy import Peer, Progress, Request, Settings, Status, Trial, arm_name
from headstart.core.task import Task
from headstart.errors import BadOption, UnknownName
from headstart.passes.suited import suited
from headstart.planning.seen import Step
from headstart.predict.retained import Retained
from headstart.run.state.closing import Closing
from headstart.run.state.folder import RunFolder
from headstart.store.features import StoredFeatures

if TYPE_CHECKING:  # data are read while torch is imported
    from headstart.passes.extractor import StoreExtractor
    from headstart.passes.steps.choice import Choice


Beside = Callable[["StoreExtractor", Backbone, FeatureSpec], AbstractContextManager[None]]


class Timed:
    """An extractor that adds up the seconds of its passes."""

    def __init__(self, extractor: StoreExtractor, beside: Beside | None = None) -> None:
        """`beside`: brings others to a pass that is made inside its block."""
        self._extractor, self._beside = extractor, beside
        self.seconds = 0.0
        self.engine = extractor.engine
        """The one that was asked for."""

    def __call__(self, backbone: Backbone, spec: FeatureSpec) -> StoredFeatures:
        with nullcontext() if self._beside is None else self._beside(self._extractor, backbone, spec):
            features = self._extractor(backbone, spec)
        self.seconds += features.seconds
        return features

    def missing(self, backbone: Backbone, spec: FeatureSpec) -> float:
        """Share of the items, 0 to 1, that a pass would have to compute."""
        return self._extractor.missing(backbone, spec)

    def measured(self, backbone: Backbone) -> float:
        """Seconds that a pass of a source takes, from a few items."""
        from headstart.passes import extractor

        return extractor.measure_pass(backbone, self._extractor.dataset, self._extractor)

    def over(self, dataset: Dataset) -> Timed:
        """The same of some of the items, by the engines that were chosen."""
        from headstart.passes.extractor import StoreExtractor

        whole = self._extractor
        part = StoreExtractor(whole.store, dataset, progress=whole.progress, engine=whole.engine)
        part.choices = whole.choices
        return Timed(part, self._beside)

    def choice(self, backbone: Backbone, kept: object = None) -> Choice:
        """The engine for a source's passes; the one that was kept by a run which goes on now."""
        from headstart.passes.steps.choice import Choice

        found = Choice.of(kept) if isinstance(kept, Mapping) else None
        if found is not None:
            self._extractor.choices.setdefault(backbone.digest, found)
        return self._extractor.choice(backbone)


LOADED_AT_ONCE = 2
"""Networks kept in memory; others are loaded again when needed."""


@dataclass
class Context:
    """Everything the arms of one run share."""

    experiment: Experiment
    extractor: Timed
    sources: Mapping[str, Source]
    """By the name used in arms."""
    folder: RunFolder
    listen: Listener
    settings: Settings = Settings()
    asked: str = ""
    """Fingerprint of what makes two runs the same, with their time; see `Request`."""
    download: bool = False
    reserve: float = 0.0
    """Seconds kept back for training the winner on all rows."""
    closing: Closing = field(default_factory=lambda: Closing(float("inf")), repr=False)
    """What the end of the run takes."""
    passes: dict[str, float] = field(default_factory=dict)
    """Seconds that a pass takes, by source."""
    estimates: dict[str, float] = field(default_factory=dict)
    """Seconds by arm name."""
    paid: dict[str, float] = field(default_factory=dict)
    """Seconds of passes made before the first arm, by source: they belong to its probe."""
    broken: dict[str, str] = field(default_factory=dict)
    """Sources that were left out because they broke, with the reason."""
    left_out: dict[str, str] = field(default_factory=dict)
    """Sources that are not probed, with the reason; see `run.search`."""
    slower: dict[str, float] = field(default_factory=dict)
    """How often the time of a pass its network takes as it is, by source: passes have quicker engines."""
    timing: list[dict[str, Any]] = field(default_factory=list)
    """{"step", "predicted", "took"} of what is no arm, in seconds."""
    expected: float | None = None
    """Seconds that the arm which runs has said that it takes, since it began."""
    retain: Dataset | None = None
    """What a model that ships may not have forgotten."""
    forgot: dict[str, Retained] = field(default_factory=dict)
    """Arms that do not ship, for they have."""
    read: set[str] = field(default_factory=set)
    """Sources whose pass is made, by this run or by one before it."""
    _loaded: dict[str, Backbone] = field(default_factory=dict, repr=False)

    @property
    def dataset(self) -> Dataset:
        return self.experiment.dataset

    @property
    def task(self) -> Task:
        return self.experiment.task

    @property
    def split(self) -> Split:
        return self.experiment.split

    @property
    def seed(self) -> int:
        return self.experiment.seed

    @contextmanager
    def timed(self, step: str, predicted: float) -> Iterator[None]:
        """Note what a step that is no arm took, beside what it was expected to."""
        start = time.monotonic()
        yield
        took = time.monotonic() - start
        self.timing.append({"step": step, "predicted": round(predicted, 3), "took": round(took, 3)})

    def backbone(self, name: str) -> Backbone:
        """The network of a source, loaded on first use."""
        if name not in self._loaded:
            while len(self._loaded) >= LOADED_AT_ONCE:
                del self._loaded[next(iter(self._loaded))]
            start, processor = time.monotonic(), time.process_time()
            found = sources.load(self.sources[name], download=self.download)
            size = sum(4 * p.numel() for p in found.module.parameters())
            self.closing.note(time.monotonic() - start, time.process_time() - processor, size)
            told = found.source.note.removeprefix(self.sources[name].note).removeprefix("; ")
            if told:  # what was chosen or left out in its file
                self.listen(Event("note", {"label": name, "text": told}))
            self._loaded[name] = suited(found, self.dataset)
        return self._loaded[name]

    def request(self, arm: str, source: str | None, seconds: float, folds: int = 0) -> Request:
        """What an arm's strategy may touch; it gets a folder of its own only when it runs."""
        return Request(
            dataset=self.experiment.development,
            task=self.task,
            split=self.split,
            features=self.extractor,
            backbone=None if source is None else self.backbone(source),
            budget=Budget(seconds),
            reserve=self.reserve,
            seed=self.seed,
            settings=self.settings,
            progress=self.progress(arm),
            folds=folds,
            engine=self.extractor.engine,
        )

    def progress(self, arm: str) -> Progress:
        """A callback that turns progress into events."""

        def tell(what: str, done: int, total: int) -> None:
            self.listen(Event("progress", {"arm": arm, "what": what, "done": done, "total": total}))

        return tell

    def estimate(self, strategy: str, source: str | None, seconds_per_pass: float) -> float:
        """Seconds an arm is expected to take, before it is known what else will run."""
        request = self.request(arm_name(strategy, source), source, float("inf"))
        arm = strategies.get(strategy, self.task)
        fixed = arm.cost(
            request, 0.0
        ).seconds  # closed forms and the like, as if they ran alone on a usual core
        return arm.cost(request, seconds_per_pass).seconds + (self.closing.usual - 1) * fixed

    def peers(self, names: Iterable[str], trials: Mapping[str, Trial]) -> tuple[Peer, ...]:
        """Arms that have run, for a strategy that builds on them."""

        def refit(trial: Trial) -> Model:
            request = self.request(trial.arm, trial.source, float("inf"))
            own = self.peers(trial.choices.get("members", ()), trials)
            request = replace(request, workdir=self.folder.workdir(trial.arm), peers=own)
            return strategies.get(trial.strategy, self.task).refit(request, trial)

        found = [trials[name] for name in names]
        return tuple(Peer(one, self.sources.get(one.source or ""), partial(refit, one)) for one in found)

    def run(self, step: Step, peers: tuple[Peer, ...] = ()) -> Trial:
        """Run one arm. Whatever it raises (memory, a diverged training, a fault in it) ends that arm only.

        Raises `RunError` where the run folder cannot be written any more.
        """
        strategy = strategies.get(step.strategy, self.task)
        start = time.monotonic()
        self.expected = None

        def expects(seconds: float) -> None:
            self.expected = time.monotonic() - start + seconds

        try:
            request = self.request(step.arm, step.source, step.seconds, 1 if step.part else step.folds)
            request = replace(
                request,
                part=step.part,
                expects=expects,
                workdir=self.folder.workdir(step.arm),
                asked=fingerprint.of_parts([self.asked, step.arm]) if self.asked else "",
                peers=peers,
            )
            trial = strategy.fit(request)
        except (UnknownName, BadOption) as error:  # a stage to freeze that only other sources have
            trial = self.failed(step.arm, step.strategy, step.source, str(error), status="not applicable")
        except BaseException as error:
            trial = self.failed(step.arm, step.strategy, step.source, why(error, self.folder.path))
        seconds = max(time.monotonic() - start, trial.cost.seconds)  # more where a stopped run did a part
        if strategies.facts(step.strategy).ranks and step.source is not None:
            seconds += self.paid.pop(step.source, 0.0)
        cost = replace(trial.cost, seconds=seconds, peak_bytes=peak_memory())
        return replace(
            trial, arm=step.arm, strategy=step.strategy, source=step.source or trial.source, cost=cost
        )

    def failed(
        self, arm: str, strategy: str, source: str | None, reason: str, *, status: Status = "failed"
    ) -> Trial:
        """The record of an arm that broke."""
        kind = tasks.for_task(self.task).predictions
        nothing = kind.empty(self.split.repeats, len(self.dataset), self.task.outputs)
        return Trial(arm, strategy, source, nothing, Cost(), status, reason)


def peak_memory() -> int:
    """The largest resident size of this process so far, in bytes; 0 where the system does not tell."""
    try:
        import resource
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024

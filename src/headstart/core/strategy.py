"""Strategy: one way to use a source (or none), and the trial it leaves behind."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np

from headstart.core.backbone import Backbone
from headstart.core.budget import Budget
from headstart.core.dataset import Dataset
from headstart.core.evidence import Cost
from headstart.core.features import Extractor, Tap
from headstart.core.model import Model
from headstart.core.predictions import Column, both
from headstart.core.source import Source
from headstart.core.split import Split
from headstart.core.task import Task

Status = Literal["done", "cut off", "not applicable", "failed"]
Progress = Callable[[str, int, int], None]
"""Called with what is going on, how much is done, and how much there is."""


def silent(what: str, done: int, total: int) -> None:
    """Progress that nobody watches."""


@dataclass(frozen=True)
class Settings:
    """What a user may set by hand. None means: decided from the data."""

    optimizer: str | None = None
    lr: float | None = None
    head_lr: float | None = None
    epochs: int | None = None
    batch_size: int | None = None
    freeze: str | None = None
    """Stage up to and including which the trunk stays frozen; "none" trains everything."""
    augment: str | None = None
    """Name of a view recipe of the modality, or "none"."""
    views: int | None = None
    lora_targets: str | None = None
    """Linear layers that LoRA changes, by their names or the last parts of these, with commas between."""
    label_map: Mapping[str, str] | None = None
    """Source label -> target label, for direct use."""
    layer_rates: str | None = None
    """"auto-rgn": the learning rate of each stage by its first gradients."""
    prompt: str | None = None
    """What a source that writes is given before each item; "" for nothing."""

    def to_json(self) -> dict[str, Any]:
        """Without what earlier versions did not have, where it is not set: what they kept is found by it."""
        found = {k: dict(v) if isinstance(v, Mapping) else v for k, v in vars(self).items()}
        unset = {k for k in ("layer_rates", "prompt") if found[k] is None}
        return {k: v for k, v in found.items() if k not in unset}


@dataclass(frozen=True)
class Trial:
    """One arm, measured.

    `predictions` are out-of-fold, and may be given as the array of `Dense`. An arm stopped by its budget has
    fewer repeats or folds filled.
    """

    arm: str
    strategy: str
    source: str | None
    predictions: Column = Column()
    cost: Cost = Cost()
    status: Status = "done"
    reason: str = ""
    """Why it was cut off, not applicable or failed; otherwise a word on what was chosen."""
    choices: Mapping[str, Any] = field(default_factory=dict)
    """What was decided inside (taps, C, cut, epochs), as JSON; enough for `refit`."""
    digest: str = ""
    """Of the backbone's weights."""

    @property
    def covered(self) -> np.ndarray:
        """bool `[R, N]`: the cells in which the arm has a prediction."""
        return self.predictions.covered


def common(ours: Trial, theirs: Trial) -> tuple[Trial, Trial]:
    """Both arms with only the predictions in cells that both have."""
    others = ~both(ours.predictions, theirs.predictions)
    kept = [replace(trial, predictions=trial.predictions.hide(others)) for trial in (ours, theirs)]
    return kept[0], kept[1]


@dataclass(frozen=True)
class Peer:
    """Another arm of the run, for a strategy that builds on what others have predicted."""

    trial: Trial
    source: Source | None
    refit: Callable[[], Model] = field(repr=False)
    """Trains it on all development rows."""


@dataclass(frozen=True)
class Request:
    """Everything a strategy may touch. Made by `run`; strategies never import it."""

    dataset: Dataset
    """With the labels of the development rows alone."""
    task: Task
    split: Split
    features: Extractor
    backbone: Backbone | None = None
    budget: Budget = Budget()
    reserve: float = 0.0
    """Seconds kept back, beyond the budget, for training the winner on all rows."""
    seed: int = 0
    settings: Settings = Settings()
    workdir: Path | None = None
    """A folder of this arm's own for checkpoints; exact resume reads it."""
    asked: str = ""
    """Fingerprint of all that was asked for, its time and this arm: for that, what the clock says is kept on
    this machine, so that the same command does the same again. Empty: it is not kept."""
    progress: Progress = silent
    expects: Callable[[float], None] = lambda _: None
    """Told how many seconds the rest of the arm takes, once its pace is measured."""
    folds: int = 0
    """Folds to go on to where a plan that was settled on had room for fewer; 0: as settled."""
    part: float = 0.0
    """Share of the steps of a training after which it pauses; 0: none."""
    weights: np.ndarray | None = field(default=None, repr=False)
    """float64 `[N]`: how often each row counts in a linear fit; None: all once."""
    engine: str = "auto"
    """What was asked for to compute with; "eager" is plain float32, also in training."""
    peers: tuple[Peer, ...] = ()
    """For an ensemble: the arms to average."""
    target: np.ndarray | None = field(default=None, repr=False)
    """For an adapter: int64, the rows of the data set that are items of the target domain. Their labels do
    not exist in it."""
    taps: tuple[Tap, ...] = ()
    """For an adapter: what the linear head reads; empty: the embedding."""
    penalty: float | None = None
    """For an adapter: that of the linear head; None: chosen anew by cross-validation."""
    columns: np.ndarray | None = field(default=None, repr=False)
    """For an adapter: bool `[D]`, which columns of what the head reads it may look at; to it all others are
    0. None: all."""

    @property
    def network(self) -> Backbone:
        """The backbone, of an arm that has one."""
        assert self.backbone is not None
        return self.backbone

    @property
    def reads(self) -> tuple[Tap, ...]:
        """The taps of an adapter's head."""
        return self.taps or (self.network.embedding,)

    @property
    def digest(self) -> str:
        """Of the backbone's weights; "" without one."""
        return self.backbone.digest if self.backbone is not None else ""

    def arm(self, strategy: str) -> str:
        """What the strategy's arm on this backbone is called."""
        return arm_name(strategy, self.network.source.name)

    def view(self, rows: np.ndarray) -> Request:
        """The same with the labels of these rows (int64) alone: what is trained on a part sees no other."""
        return replace(self, dataset=self.dataset.view(labels=rows))


@runtime_checkable
class Strategy(Protocol):
    """The contract; `headstart.testing.strategy` holds its conformance suite."""

    name: str

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """An estimate before anything runs; `seconds_per_pass` is measured on 32 items."""

    def fit(self, request: Request) -> Trial:
        """Out-of-fold predictions over the split's folds, within the budget."""

    def refit(self, request: Request, trial: Trial) -> Model:
        """The model on all development rows, with the choices of the trial."""


class Learnt(Protocol):
    """A head in closed form on stored maps, asked for models of any rows: each takes about a second."""

    @property
    def taps(self) -> tuple[Tap, ...]:
        """The maps that it reads."""

    @property
    def stand_in(self) -> str:
        """What it is called where the arm itself trains for longer; "" where it is what the arm ships."""

    def __call__(self, train: np.ndarray, test: np.ndarray) -> Iterable[Any]:
        """Learn from the labels of some rows (int64): the answer of each of the others, as predictions hold
        it."""

    def error(self) -> float:
        """Its mean squared error on items left out, of a model of all development rows."""


@runtime_checkable
class Maps(Strategy, Protocol):
    """A strategy whose head reads stored maps."""

    def closed(self, request: Request) -> Learnt:
        """Its head in closed form."""


@runtime_checkable
class FromStore(Protocol):
    """A strategy whose model can be asked by what the pass has stored of an item, without its network."""

    def stored_answers(self, request: Request, model: Model, rows: np.ndarray) -> np.ndarray:
        """float32 `[n, K]`: what `model` says of these rows (int64). `refit` has made it; it may have
        been given a temperature since."""


@runtime_checkable
class Adapted(Protocol):
    """What an adapter has learnt from labelled rows of the source and unlabelled ones of the target."""

    @property
    def choices(self) -> Mapping[str, Any]:
        """What was decided inside, as JSON."""

    def predict(self, rows: np.ndarray) -> np.ndarray:
        """float32 `[n, K]`: what the model says of these rows (int64), taken as items of the target."""

    def of_source(self, rows: np.ndarray) -> np.ndarray:
        """float32 `[n, K]`: the same of rows taken as items of the source, mapped as those learnt from
        were."""

    def model(self) -> Model:
        """An ordinary model that gives `predict`."""


@runtime_checkable
class Adapter(Strategy, Protocol):
    """A strategy that also looks at `Request.target`; `headstart.testing.adapters` holds its conformance
    suite.

    Its `fit` gives out-of-fold predictions of source rows (`Adapted.of_source`), its `refit` the model.
    """

    def adapt(self, request: Request) -> Adapted:
        """Learn from the rows that have a label in the request's data, and from `Request.target`.

        Raises `NotApplicable` where it cannot be used, with the reason.
        """


class NotApplicable(Exception):
    """Why an adapter cannot be used here, in a few words."""


@runtime_checkable
class Prepares(Protocol):
    """A strategy that imports for seconds, by which its first arm is not to be judged."""

    def ready(self) -> None:
        """Import all of it."""


def arm_name(strategy: str, source: str | None) -> str:
    """How an arm is called in the leaderboard and in its folder's name."""
    return f"{source}: {strategy}" if source else strategy

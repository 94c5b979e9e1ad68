"""What an adaptation asks: of whom, with which items, and what adapters may touch of them."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart import modalities, nets, sources, strategies, tasks
from headstart.core import words
from headstart.core.backbone import Backbone
from headstart.core.budget import parse_seconds
from headstart.core.dataset import Dataset
from headstart.core.features import Tap
from headstart.core.model import Model
from headstart.core.strategy import Request, arm_name
from headstart.core.targets import Dense
from headstart.core.task import Task
from headstart.data import splits
from headstart.data.checks import doctor
from headstart.data.items.entries import BadItem
from headstart.errors import DataError, PathError, RunError
from headstart.passes.extractor import StoreExtractor
from headstart.run.state.folder import load_trial, slug
from headstart.store.store import FeatureStore
from headstart.strategies.shared._shipping import state
from headstart.tasks.base import Confidence
from headstart.workflows.inputs.finished import best_source, data_of


@dataclass(frozen=True)
class Wanted:
    """What is asked for."""

    out: Path
    budget: str | float = "5min"
    labels: Any = None
    """Labelled items of the target, as `headstart.load` reads them; looked at when all is decided."""
    seed: int = 0
    labelled: Any = None
    """The run's data, where it is not at the place it was read from."""
    download: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    """Of tables: `path_column`, `text_column`, `pair_column`; those of the run's data if there."""
    made_by: str = ""
    """The command that asked for it, where that is another."""

    def command(self, folder: Path, inputs: Any) -> str:
        """The command line that asks for the same; "" where something was given in Python."""
        several = inputs if isinstance(inputs, list | tuple) else [inputs]
        if self.made_by:
            return self.made_by
        if not all(isinstance(one, str | Path) for one in (*several, self.labels or "", self.labelled or "")):
            return ""
        parts = ["headstart", "adapt", str(folder), *map(str, several), "--seed", str(self.seed)]
        parts += ["--budget", f"{self.seconds:g}s", "--out", str(self.out)]
        more = {"labels": self.labels, "data": self.labelled, **self.columns}
        for name, value in more.items():
            parts += [] if value is None else [f"--{name.replace('_', '-')}", str(value)]
        return shlex.join(parts)

    @property
    def seconds(self) -> float:
        """Raises `BadOption`."""
        return parse_seconds(self.budget) if isinstance(self.budget, str) else float(self.budget)


def by_classes(task: Task) -> bool:
    """Whether adapters can be chosen without labels of the target: by classes that come back. No such
    witness is known for numbers or for sets of labels."""
    methods = tasks.for_task(task)
    return methods.exclusive and isinstance(methods, Confidence)


def request_of(
    folder: Path,
    record: Mapping[str, Any],
    model: Model,
    items: Callable[[], Iterable[Any]],
    wanted: Wanted,
) -> tuple[Request, Request, int]:
    """What adapters may touch, the same with a network that has not seen the source's labels, and how many
    of the target's items cannot be read. `items` gives these; it is asked when the task can be adapted.

    Raises `RunError` for a task that cannot, and else what `workflows.adapt` names.
    """
    task = model.task
    methods = tasks.for_task(task)
    if methods.form:
        problem = f"its answers are {methods.form} ({methods.about(task)}), and adapters give rows of numbers"
        raise RunError(folder, problem, "give labels of the target to `headstart fit` instead")
    if not by_classes(task) and wanted.labels is None:
        raise RunError(
            folder,
            f"its answers are not one class an item ({methods.about(task)}): without labels of the target "
            "adapters are chosen by classes that come back (circular validation)",
            "give labelled items of the target with --labels (labels= in Python)",
        )
    whole = data_of(folder, record, wanted.labelled)
    known = whole.subset(np.flatnonzero(whole.labelled))
    given = known.task
    if given is None or given.kind != task.kind or not set(given.labels) <= set(task.labels):
        raise RunError(folder, "the labelled data has other labels than the run", "give the data of this run")
    levels = model.input.levels
    pool = Dataset("target", known.modality, tuple(items()), pairs=known.pairs, levels=levels)
    target, bad = _usable(pool, known)
    places = {number: [task.labels.index(label)] for number, label in enumerate(given.labels)}
    y = methods.renumbered(known.targets[:], places, task.outputs)
    split = splits.make_split(known, seed=wanted.seed)
    n = len(known) + len(target)
    padded = Dense(np.concatenate([y, np.zeros((len(target), *y.shape[1:]), y.dtype)]))
    both = Dataset(
        "both", known.modality, (*known.items, *target.items), task,
        padded.hidden(np.arange(len(known))), pairs=known.pairs, levels=levels,
    ).view(labels=split.development)  # fmt: skip
    free = int(split.groups.max(initial=0)) + 1
    split = replace(split, groups=np.concatenate([split.groups, free + np.arange(len(target))]))
    backbone, taps, original = _base(folder, record, model, wanted, known)
    request = Request(
        both, task, split, StoreExtractor(FeatureStore.default(), both), backbone, seed=wanted.seed,
        target=np.arange(len(known), n), taps=taps,
    )  # fmt: skip
    return request, replace(request, backbone=original, taps=()), bad


def _usable(pool: Dataset, known: Dataset) -> tuple[Dataset, int]:
    """The items that can be read, and how many cannot. Raises `DataError` for what nothing can be learnt
    from, `PathError` where nothing is."""
    one, several = modalities.nouns(pool.modality, pairs=pool.pairs)
    if not len(pool):
        raise DataError("the target", f"there are no {several} in it", "name where they are")
    target, errors = doctor.readable(pool)
    if not len(target):
        for item in pool.items:
            if isinstance(item, BadItem):
                raise PathError(item.id, item.problem, f"name where the {several} of the target are")
        raise DataError(
            "the target", f"none of {words.count(len(pool), one, several)} can be read; the first: "
            f"{errors[0].where}: {errors[0].message}", "check them with `headstart check`",
        )  # fmt: skip
    different = set(target.digests())
    if len(different) < 2:
        what = f"it is a single {one}" if len(target) == 1 else f"all {len(target):,} {several} are the same"
        raise DataError("the target", f"{what}: a domain is told by many different ones", "give more")
    if different <= set(known.digests()):
        raise DataError(
            "the target", f"its {several} are the run's own labelled ones: there is nothing to adapt to",
            f"give {several} of where the model will be used",
        )  # fmt: skip
    return target, len(pool) - len(target)


def _base(
    folder: Path, record: Mapping[str, Any], model: Model, wanted: Wanted, known: Dataset
) -> tuple[Backbone, tuple[Tap, ...], Backbone]:
    """The network whose features are adapted and what the head reads of it: those of the shipped model
    where it is a head on taps, else those of the best probe; and the network as its source has it."""
    name, backbone = best_source(folder, record, known, download=wanted.download)
    if nets.kind_of(model.net) == "taps":
        taps = tuple(map(Tap.parse, model.net["taps"]))
        trunk = {k.removeprefix("trunk."): v for k, v in model.tensors.items() if k.startswith("trunk.")}
        own = state(backbone.module, "trunk")
        if all(np.array_equal(own.get(f"trunk.{k}", np.zeros(0)), v) for k, v in trunk.items()):
            return backbone, taps, backbone  # whose features are stored already
        return sources.from_state(model.net["architecture"], model.input, trunk), taps, backbone
    trial = folder / "trials" / slug(arm_name(strategies.ranking(), name)) / "trial.json"
    chosen = load_trial(trial).choices.get("taps", ()) if trial.is_file() else ()
    return backbone, tuple(map(Tap.parse, chosen)), backbone

"""Two collections of items, a source domain and a target domain, read so that they can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart import data, modalities, tasks
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener
from headstart.core.task import Task
from headstart.data.checks import domains
from headstart.modalities.base import Examination
from headstart.run.state.folder import read_finished
from headstart.store.memo import Memo
from headstart.workflows.inputs.finished import data_of

MOST = 5_000
"""Items of each domain that are looked at; an AUC over so many is known to a point."""


@dataclass(frozen=True)
class Wanted:
    """What is asked for."""

    source: str | None = None
    """Whose features are looked at; None: that of the run, or the first on this machine."""
    seed: int = 0
    labelled: Any = None
    """The run's data, where it is not at the place it was read from."""
    download: bool = False
    reading: Mapping[str, Any] = field(default_factory=dict)
    """Options of `headstart.load`, for both domains."""


@dataclass(frozen=True, eq=False)
class Domain:
    """The items of one domain that can be read."""

    name: str
    """As the user wrote it."""
    dataset: Dataset
    looked: tuple[Examination, ...] = field(repr=False)
    unreadable: tuple[tuple[str, str], ...] = field(repr=False)
    """(id, problem)"""
    rows: np.ndarray | None = field(default=None, repr=False)
    """int64 `[N]`: where the items are in the run's data; None without a run, or where that has changed."""

    def __len__(self) -> int:
        return len(self.dataset)

    def drawn(self, seed: int) -> Domain:
        """At most `MOST` of its items, in their order."""
        if len(self) <= MOST:
            return self
        keep = np.sort(np.random.default_rng(seed).permutation(len(self))[:MOST])
        rows = None if self.rows is None else self.rows[keep]
        looked = tuple(self.looked[row] for row in keep)
        return replace(self, dataset=self.dataset.subset(keep), looked=looked, rows=rows)


@dataclass(frozen=True, eq=False)
class Domains:
    """Both of them, and the run that the source belongs to."""

    source: Domain
    target: Domain
    """Its labels, if it had any, are not there."""
    folder: Path | None = None
    record: Mapping[str, Any] = field(default_factory=dict, repr=False)
    notes: tuple[str, ...] = ()

    @property
    def task(self) -> Task | None:
        return self.source.dataset.task

    @property
    def nouns(self) -> tuple[str, str]:
        """What an item is called, and several."""
        return modalities.nouns(self.source.dataset.modality, pairs=self.source.dataset.pairs)

    def both(self) -> Dataset:
        """The items of the source, then those of the target; groups are kept, labels are not."""
        a, b = self.source.dataset, self.target.dataset
        groups = None
        if a.groups is not None or b.groups is not None:
            first = np.arange(len(a)) if a.groups is None else np.unique(a.groups, return_inverse=True)[1]
            second = np.arange(len(b)) if b.groups is None else np.unique(b.groups, return_inverse=True)[1]
            groups = np.concatenate([first, second + len(a)])
        made = Dataset(
            "both", a.modality, (*a.items, *b.items), groups=groups, pairs=a.pairs, levels=a.levels
        )
        made.remember((*a.digests(), *b.digests()))
        return made


def read(a: Any, b: Any, wanted: Wanted, listen: Listener) -> Domains:
    """Read both. `a` is data or the folder of a finished run, `b` data; labels of `b` are dropped here.

    Raises `DataError` where they cannot be compared (other kinds of data, no common label, too few or equal
    items, the same items), and what reading does.
    """
    folder = Path(a) if isinstance(a, str | Path) and (Path(a) / "run.json").is_file() else None
    record: Mapping[str, Any] = {}
    if folder is not None:
        record = read_finished(folder)
        source = data_of(folder, record, wanted.labelled)
        own = {k: v for k, v in dict(record.get("reading") or {}).items() if k in domains.COLUMNS and v}
        target = domains.read_target(b, wanted.reading, own)
    else:
        source = data.load(a, **wanted.reading)
        target = domains.read_target(b, wanted.reading, {})
    names = domains.name_of(a, source), domains.name_of(b, target)
    domains.same_kind(names, source, target)
    notes = domains.labels_agree(names, source.task, target.task)
    memo = Memo()
    known = folder is not None and source.fingerprint == record["question"]["data"]
    first = _domain(names[0], source, memo, listen, known=known)
    second = _domain(names[1], domains.bare(target).with_levels(first.dataset.levels), memo, listen)
    domains.different(names, first.dataset, second.dataset)
    if folder is not None and not known:
        notes += ("the run's data has changed, so its model is not asked: a linear model on the features is",)
    return Domains(first.drawn(wanted.seed), second.drawn(wanted.seed), folder, record, notes)


def _domain(name: str, dataset: Dataset, memo: Memo, listen: Listener, *, known: bool = False) -> Domain:
    def tell(done: int, total: int) -> None:
        listen(Event("progress", {"arm": "check", "what": f"reading {name}", "done": done, "total": total}))

    tasks.measurable(dataset.task, name, "shift")
    kept, looked, bad = domains.usable(name, dataset, memo, tell)
    return Domain(name, kept, looked, bad, np.arange(len(kept)) if known and not bad else None)

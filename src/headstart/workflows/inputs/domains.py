"""Two collections of items, a source domain and a target domain, read so that they can be compared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart import data, modalities, tasks
from headstart.core import words
from headstart.core.dataset import Dataset
from headstart.core.events import Event, Listener
from headstart.core.task import Task
from headstart.data.checks import doctor
from headstart.errors import DataError, UnknownName
from headstart.modalities.base import Examination
from headstart.run.state.folder import read_finished
from headstart.store.memo import Memo
from headstart.tasks.base import Labels
from headstart.workflows.inputs.finished import data_of

LEAST = 5
"""Items of each domain without which nothing can be held out."""
MOST = 5_000
"""Items of each domain that are looked at; an AUC over so many is known to a point."""
COLUMNS = ("path_column", "text_column", "pair_column")
ITEMS = (*COLUMNS, "white", "rate")
"""Options of reading that are about items."""


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
        own = {k: v for k, v in dict(record.get("reading") or {}).items() if k in COLUMNS and v}
        target = _target(b, wanted.reading, own)
    else:
        source = data.load(a, **wanted.reading)
        target = _target(b, wanted.reading, {})
    names = _name(a, source), _name(b, target)
    _same_kind(names, source, target)
    notes = _labels(names, source.task, target.task)
    memo = Memo()
    known = folder is not None and source.fingerprint == record["question"]["data"]
    first = _domain(names[0], source, memo, listen, known=known)
    bare = replace(target, task=None, targets=None, split=None, notes=())
    second = _domain(names[1], bare.with_levels(first.dataset.levels), memo, listen)
    _different(first, second)
    if folder is not None and not known:
        notes += ("the run's data has changed, so its model is not asked: a linear model on the features is",)
    return Domains(first.drawn(wanted.seed), second.drawn(wanted.seed), folder, record, notes)


def _target(b: Any, reading: Mapping[str, Any], own: Mapping[str, Any]) -> Dataset:
    """The target, read as the source is; its items alone where the source's other columns are not there, and
    by its usual names where those of the run's data (`own`) are not."""
    try:
        return data.load(b, **{**own, **reading})
    except UnknownName:
        of_items = {name: value for name, value in reading.items() if name in ITEMS}
        try:
            return data.load(b, items_only=True, **{**own, **of_items})
        except UnknownName:
            if not own:
                raise
            return data.load(b, items_only=True, **of_items)


def _name(given: Any, dataset: Dataset) -> str:
    return str(given) if isinstance(given, str | Path) else dataset.origin or dataset.name


def _domain(name: str, dataset: Dataset, memo: Memo, listen: Listener, *, known: bool = False) -> Domain:
    def tell(done: int, total: int) -> None:
        listen(Event("progress", {"arm": "check", "what": f"reading {name}", "done": done, "total": total}))

    tasks.one_an_item(dataset.task, name, "shift")
    kept, looked, bad = doctor.examined(dataset, memo=memo, progress=tell)
    several = modalities.nouns(kept.modality, pairs=kept.pairs)
    if len(kept) < LEAST:
        first = f"; the first that cannot be read, {bad[0][0]}: {bad[0][1]}" if bad else ""
        found = f"{words.count(len(kept), *several)} can be read{first}"
        raise DataError(name, found, f"at least {LEAST} are needed to compare two domains")
    if len(set(kept.digests())) == 1:
        raise DataError(name, f"all {len(kept):,} {several[1]} are the same one", "give different items")
    return Domain(name, kept, looked, bad, np.arange(len(kept)) if known and not bad else None)


def _same_kind(names: tuple[str, str], source: Dataset, target: Dataset) -> None:
    kinds = [modalities.nouns(one.modality, pairs=one.pairs)[1] for one in (source, target)]
    if kinds[0] != kinds[1]:
        problem = f"it holds {kinds[1]}, but {names[0]} holds {kinds[0]}"
        raise DataError(names[1], problem, "give two collections of one kind of data")


def _labels(names: tuple[str, str], source: Task | None, target: Task | None) -> tuple[str, ...]:
    """What is to be said of label sets that are not the same. Raises `DataError` where they share nothing."""
    if source is None or target is None or source.kind != target.kind:
        return ()
    if not isinstance(tasks.for_task(source), Labels):
        return ()
    ours, theirs = set(source.labels), set(target.labels)
    if not ours & theirs:
        shown = [words.few(sorted(one), 3) for one in (theirs, ours)]
        problem = f"its labels ({shown[0]}) are others than those of {names[0]} ({shown[1]})"
        raise DataError(names[1], problem, "give data of the same labels, or without labels")
    out = []
    if theirs - ours:
        shown_ = words.few(sorted(theirs - ours), 3)
        out.append(f"{names[1]} has labels that {names[0]} has not ({shown_}): no model of it can give them")
    if ours - theirs:
        out.append(f"{names[1]} lacks labels that {names[0]} has ({words.few(sorted(ours - theirs), 3)})")
    return tuple(out)


def _different(source: Domain, target: Domain) -> None:
    """Raises `DataError` where every item of the target is one of the source."""
    known = set(source.dataset.digests())
    if known.issuperset(target.dataset.digests()):
        problem = f"each of its {len(target):,} items is in {source.name}, too: it is the source itself"
        raise DataError(target.name, problem, "give items that are not in the source")

"""What the folds hold out, and what they never can: one judge for `check`, `plan` and `fit`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import words
from headstart.core.dataset import Dataset
from headstart.core.split import Split
from headstart.data.checks.findings import Finding, finding
from headstart.data.splits import group_of, make_split, strata
from headstart.errors import DataError
from headstart.measure.paired import FEWEST_UNITS
from headstart.tasks.base import Labels

CODES = ("HS407", "HS408", "HS409", "HS410", "HS411", "HS412")
"""The findings that are made here."""


@dataclass(frozen=True)
class Stratum:
    """A class, a label, or a fifth of the range of a number."""

    name: str
    """In words: "'bad'", or "values from 1 to 5"."""
    items: int
    """Development rows that have it."""
    held: int
    """Those of them that some fold holds out."""
    groups: int
    """Groups of rows that no fold parts in which they lie."""
    group: str = ""
    """Where these are one: the user's group by name, if all of them are in it."""
    domain: str = ""
    """Where folds are by domain, and all of them are of one: that one."""

    @property
    def reason(self) -> str:
        """Why no fold holds it out."""
        if self.domain:
            return f"lies in one domain ({self.domain!r})"
        if self.groups > 1:
            return "only lies in groups that must stay in the training part"
        if self.group:
            return f"lies in one group ({self.group})"
        return "consists of copies or near-copies of one another"


@dataclass(frozen=True)
class Coverage:
    """What the folds of a split hold out."""

    items: int
    """Development rows."""
    held: int
    """Those that some fold holds out; of a single hold-out, all but those of strata that it lacks."""
    strata: tuple[Stratum, ...]
    differ: bool
    """Whether the held-out targets are not all the same: else a constant answer is as good as any."""
    single: bool = False
    """Whether there is one hold-out, not folds."""

    @classmethod
    def of(cls, dataset: Dataset, split: Split) -> Coverage:
        """What a split of the data set holds out."""
        assert dataset.task is not None
        rows = split.development
        out = np.zeros(len(dataset), bool)
        for fold in split.folds:
            out[fold.test] = True
        members: dict[int, list[int]] = {}
        for row, labels in zip(rows.tolist(), strata(dataset, rows), strict=True):
            for label in labels:
                members.setdefault(label, []).append(row)
        members.pop(-1, None)  # every row of several labels counts there
        found = tuple(
            _stratum(dataset, split, out, label, np.array(members[label])) for label in sorted(members)
        )
        single = len(split.folds) == 1
        held = len(rows) - sum(s.items for s in found if not s.held) if single else int(out[rows].sum())
        differ = tasks.for_task(dataset.task).differ(dataset.targets[out])
        return cls(len(rows), held, found, differ, single)

    @property
    def never(self) -> tuple[Stratum, ...]:
        """Strata of which no fold holds out an item."""
        return tuple(s for s in self.strata if not s.held)

    @property
    def sentence(self) -> str:
        """What must be read with every score; empty where all is held out."""
        rest, share = self.items - self.held, f"{self.held:,} of {words.count(self.items, 'item')}"
        names = words.few([s.name for s in self.never])
        if not self.differ:
            covered = words.few([s.name for s in self.strata if s.held])
            never = f", and {names} never: no score says how well these are told apart" if names else ""
            return f"Only {covered} can be held out ({share}){never}."
        if names:
            one = len(self.never) == 1
            why = f", because it {self.never[0].reason}" if one and not self.single else ""
            is_are = "is" if one else "are"
            return f"{names} {is_are} never held out{why}: the scores are over the others, {share}."
        lost = f"{rest:,} of {self.items:,} items are never held out, and no score is about them"
        return f"{lost}: their groups must stay in the training part." if rest else ""

    def to_json(self) -> dict[str, Any]:
        """What run.json says of it; empty where all is held out."""
        if not self.sentence:
            return {}
        return {
            "items": self.items - self.held,
            "of": self.items,
            "classes": {s.name: s.items for s in self.never},
            "sentence": self.sentence,
        }


def _stratum(dataset: Dataset, split: Split, out: np.ndarray, label: int, rows: np.ndarray) -> Stratum:
    assert dataset.task is not None
    name = tasks.for_task(dataset.task).stratum(dataset.task, label, dataset.targets[rows])
    groups = len(np.unique(split.groups[rows]))
    known = np.full(len(dataset), -1) if not split.domains or dataset.domains is None else dataset.domains
    numbers = np.unique(known[rows])
    domain = dataset.domain_names[numbers[0]] if len(numbers) == 1 and numbers[0] >= 0 else ""
    return Stratum(name, len(rows), int(out[rows].sum()), groups, group_of(dataset, rows), domain)


def judge(dataset: Dataset, groups: np.ndarray | None = None) -> Iterator[Finding]:
    """HS407 where nothing can be held out, which is an error; else what `findings` says of the split.

    `groups` as for `make_split`: near-duplicates, say.
    """
    try:
        split = make_split(dataset, groups=groups)
    except DataError as error:
        yield finding("HS407", dataset.origin or dataset.name, error.problem)
        return
    yield from findings(dataset, split)


def findings(dataset: Dataset, split: Split) -> Iterator[Finding]:
    """HS408 to HS412: classes and items that are never held out, too few groups."""
    where, seen = dataset.origin or dataset.name, Coverage.of(dataset, split)
    for s in seen.never:
        why = "the part held out has none" if seen.single else f"it {s.reason}"
        yield finding("HS408", s.name, f"{why}: its {words.count(s.items, 'item')} can never be held out")
    if seen.held < seen.items and not seen.single:
        yield finding("HS409", where, f"{seen.items - seen.held:,} of {seen.items:,} items")
    if not seen.differ:
        covered = words.few([s.name for s in seen.strata if s.held])
        yield finding("HS410", where, f"only {covered}: arms cannot be compared")
    if dataset.groups is not None:
        held = np.concatenate([fold.test for fold in split.folds])
        count = len(np.unique(split.groups[held]))
        if count < FEWEST_UNITS:
            few = f"{words.count(count, 'group')} can be held out"
            yield finding("HS411", where, f"{few}, and on fewer than {FEWEST_UNITS} no verdict is possible")
    methods = tasks.for_task(dataset.task) if dataset.task is not None else None
    for s in seen.strata if isinstance(methods, Labels) and not methods.exclusive else ():
        if s.held and s.groups == 1 and s.items > 1:
            yield finding("HS412", s.name, f"it {s.reason}: when held out, none is left to learn from")

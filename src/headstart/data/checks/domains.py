"""A source and a target domain: the target read as the source is, and what makes two collections no pair."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from headstart import data, modalities, tasks
from headstart.core import words
from headstart.core.dataset import Dataset
from headstart.core.task import Task
from headstart.data.checks import doctor
from headstart.errors import DataError, UnknownName
from headstart.modalities.base import Examination
from headstart.tasks.base import Confidence, Labels

Progress = Callable[[int, int], None]
LEAST = 5
"""Items of each domain without which nothing can be held out."""
COLUMNS = ("path_column", "text_column", "pair_column")
ITEMS = (*COLUMNS, "white", "rate")
"""Options of reading that are about items."""

KINDS = {
    "inductive": "inductive: there are labels of the target, too",
    "transductive": "transductive: the task is the same, the domain another; labels are of the source alone",
    "unsupervised": "unsupervised: there are labels of neither domain",
}
"""Pan and Yang, "A Survey on Transfer Learning", IEEE TKDE 2010."""


def parted(dataset: Dataset) -> tuple[Dataset, Dataset | None]:
    """The data set without the domains of which no item has a label, and these; None where there are none."""
    if dataset.domains is None or not dataset.labelled.any():
        return dataset, None
    known = np.unique(dataset.domains[dataset.labelled])
    away = (dataset.domains >= 0) & ~np.isin(dataset.domains, known)
    if not away.any():
        return dataset, None
    numbers = np.unique(dataset.domains[away])
    name = words.few([dataset.domain_names[number] for number in numbers])
    target = bare(dataset.subset(np.flatnonzero(away)))
    return dataset.subset(np.flatnonzero(~away)), replace(target, name=name, origin=name)


def bare(dataset: Dataset) -> Dataset:
    """The items, without what is known of them."""
    return replace(dataset, task=None, targets=None, split=None, domains=None, notes=())


def target_of(
    given: Any, reading: Mapping[str, Any], source: Dataset, own: Dataset | None, memo: Any, tell: Progress
) -> Dataset | None:
    """The target that is asked for (`given`, read as the source is), else the unlabelled domain of the data
    (`own`), without labels and without what cannot be read; None where there is none.

    Raises `DataError` where the two are no pair of domains, or the task is none whose models are adapted.
    """
    if given is None and own is None:
        return None
    target = own
    if target is None:
        of_both = {name: said for name, said in reading.items() if name not in ("labels", "unlabelled")}
        target = read_target(given, of_both, {})
        target = replace(target, origin=name_of(given, target))
    assert source.task is not None
    names = source.origin or source.name, target.origin
    methods = tasks.for_task(source.task)
    if not (methods.exclusive and isinstance(methods, Confidence)):
        problem = f"the task is {source.task.kind}: without labels of the target only classes are adapted to"
        remedy = "leave the target out, and give labels of it: `headstart adapt RUN TARGET --labels FILE`"
        raise DataError(names[1], problem, remedy)
    same_kind(names, source, target)
    labels_agree(names, source.task, target.task)
    kept, _, _ = usable(names[1], bare(target).with_levels(source.levels), memo, tell)
    different(names, source, kept)
    return kept


def read_target(given: Any, reading: Mapping[str, Any], own: Mapping[str, Any]) -> Dataset:
    """The target, read as the source is; its items alone where the source's other columns are not there, or
    it has none that hold labels, and by its usual names where those of a run's data (`own`) are not."""
    if isinstance(given, Dataset):
        return given
    of_items = {name: value for name, value in reading.items() if name in ITEMS}
    ways = [{**own, **reading}, {**own, **of_items, "items_only": True}]
    ways += [{**of_items, "items_only": True}] if own else []
    for way in ways[:-1]:
        try:
            return data.load(given, **way)
        except (UnknownName, DataError):
            continue
    return data.load(given, **ways[-1])


def name_of(given: Any, dataset: Dataset) -> str:
    """What a domain is called: as it was written, if it was."""
    return str(given) if isinstance(given, str | Path) else dataset.origin or dataset.name


def usable(
    name: str, dataset: Dataset, memo: Any, tell: Progress
) -> tuple[Dataset, tuple[Examination, ...], tuple[tuple[str, str], ...]]:
    """(the items that can be read, what decoding them showed, (id, problem) of the others). Raises
    `DataError` for what is no domain: too few items, or all of them equal."""
    kept, looked, bad = doctor.examined(dataset, memo=memo, progress=tell)
    several = modalities.nouns(kept.modality, pairs=kept.pairs)
    if len(kept) < LEAST:
        first = f"; the first that cannot be read, {bad[0][0]}: {bad[0][1]}" if bad else ""
        found = f"{words.count(len(kept), *several)} can be read{first}"
        raise DataError(name, found, f"at least {LEAST} are needed to compare two domains")
    if len(set(kept.digests())) == 1:
        raise DataError(name, f"all {len(kept):,} {several[1]} are the same one", "give different items")
    return kept, looked, bad


def same_kind(names: tuple[str, str], source: Dataset, target: Dataset) -> None:
    """Raises `DataError` where the target holds another kind of data."""
    kinds = [modalities.nouns(one.modality, pairs=one.pairs)[1] for one in (source, target)]
    if kinds[0] != kinds[1]:
        problem = f"it holds {kinds[1]}, but {names[0]} holds {kinds[0]}"
        raise DataError(names[1], problem, "give two collections of one kind of data")


def labels_agree(names: tuple[str, str], source: Task | None, target: Task | None) -> tuple[str, ...]:
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


def different(names: tuple[str, str], source: Dataset, target: Dataset) -> None:
    """Raises `DataError` where every item of the target is one of the source."""
    if set(source.digests()).issuperset(target.digests()):
        problem = f"each of its {len(target):,} items is in {names[0]}, too: it is the source itself"
        raise DataError(names[1], problem, "give items that are not in the source")

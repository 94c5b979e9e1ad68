"""A data set with the items of another beside it, of which no label is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from headstart import modalities
from headstart.core.dataset import Dataset, Note
from headstart.errors import DataError

PREFIX = "unlabelled/"
"""Before the names of items that were given without labels."""


def with_unlabelled(dataset: Dataset, more: Dataset) -> Dataset:
    """All items of `dataset`, then those of `more` without a label, a group or a part.

    Raises `DataError` where they are of another kind, and where the data themselves have no label.
    """
    where = more.origin or more.name
    ours, theirs = (modalities.nouns(one.modality, pairs=one.pairs)[1] for one in (dataset, more))
    if ours != theirs:
        problem = f"it holds {theirs}, but {dataset.origin or dataset.name} holds {ours}"
        raise DataError(where, problem, f"give {ours} without labels")
    count = len(dataset)
    rows = np.concatenate([np.arange(count), np.zeros(len(more), np.int64)])
    groups, split, domains = dataset.groups, dataset.split, dataset.domains
    if groups is not None:
        groups = np.concatenate([groups, groups.max(initial=-1) + 1 + np.arange(len(more))])
    if split is not None:
        split = np.concatenate([split, np.full(len(more), "")])
    if domains is not None:
        domains = np.concatenate([domains, np.full(len(more), -1)])
    items = (*dataset.items, *(replace(item, id=PREFIX + item.id) for item in more.items))  # type: ignore[type-var]
    targets = dataset.targets.subset(rows).hidden(np.arange(count)) if dataset.task is not None else None
    names = (*dataset.group_names, *(item.id for item in items[count:])) if dataset.group_names else ()
    told = f"{len(more):,} {theirs} without a label"
    note = Note("HS310", where, told, tuple(range(count, len(items))))
    notes = (*dataset.notes, note)
    return replace(
        dataset, notes=notes, items=items, targets=targets, groups=groups, split=split, group_names=names,
        domains=domains,
    )  # fmt: skip

"""What can be said of labels, parts and duplicates without looking into an item."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import numpy as np

from headstart import modalities, tasks
from headstart.core.dataset import Dataset
from headstart.data import labels
from headstart.data.checks.findings import CODES, Finding, finding, said, targets
from headstart.tasks.base import Labels, Places, Says

FEW = 10
"""Classes with fewer items than this get a warning."""
UNEVEN = 10
"""How many times larger the largest class may be than the smallest without a warning."""


def label_findings(dataset: Dataset, usable: np.ndarray) -> Iterator[Finding]:
    """Of labels and their spread over the parts; `usable` (bool `[N]`) leaves broken items out."""
    where = dataset.origin or dataset.name
    if dataset.task is None or not dataset.labelled.any():
        if not any(note.code == "HS301" for note in dataset.notes):  # whose reader knows more
            yield finding("HS301", where)
        return
    yield from _missing(dataset)
    test = dataset.split == "test" if dataset.split is not None else np.zeros(len(dataset), dtype=bool)
    development = dataset.labelled & usable & ~test
    methods = tasks.for_task(dataset.task)
    if not isinstance(methods, Labels):
        values = dataset.targets[development]
        if isinstance(methods, Says):
            yield from said.findings(dataset, usable)
            return
        if isinstance(methods, Places):
            if len(values) and not methods.differ(values):  # where none is sound each says why itself
                some = methods.occurring(values, dataset.task.outputs).any()
                text = "are of one class" if some else "hold no class at all"
                yield finding("HS303", where, f"the {methods.called} of all {len(values)} images {text}")
            return
        if not methods.differ(values):
            yield finding(
                "HS303", where, f"all {len(values)} values of {dataset.task.labels[0]!r} are the same"
            )
        yield from targets.findings(dataset)
        return
    has = np.zeros((len(dataset), dataset.task.outputs), bool)
    has[dataset.labelled] = methods.membership(dataset.targets[dataset.labelled], dataset.task.outputs)
    yield from _sizes(dataset, has, development, test & dataset.labelled & usable, where)
    for group, differs in labels.alike(dataset.task.labels):
        shown = " / ".join(name if name.isprintable() else repr(name)[1:-1] for name in group)
        yield finding("HS319" if differs else "HS309", shown, differs)


def _missing(dataset: Dataset) -> Iterator[Finding]:
    """Labels that are not there; a test part wholly without labels is no mistake."""
    missing = ~dataset.labelled
    if dataset.split is not None:
        test = dataset.split == "test"
        if test.any() and missing[test].all():
            yield finding("HS302", "the test part", "none of its items has a label: nothing to test on")
            missing = missing & ~test
    told = {row for note in dataset.notes for row in note.rows}
    for row in np.flatnonzero(missing).tolist():
        if row not in told:
            yield finding("HS302", dataset.items[row].id, row=row)


def _sizes(
    dataset: Dataset, has: np.ndarray, development: np.ndarray, test: np.ndarray, where: str
) -> Iterator[Finding]:
    assert dataset.task is not None
    names, single = dataset.task.labels, tasks.for_task(dataset.task).exclusive
    counts, tested = has[development].sum(axis=0), has[test].sum(axis=0)
    some = counts[counts > 0]
    if single and len(some) < 2:
        only = f"only the class {names[int(counts.argmax())]!r}" if len(some) else "no class at all"
        read = [note.message for note in dataset.notes if note.code == "HS315"]
        words = f" ({'; '.join(read)}; {CODES['HS315'].remedy})" if read else ""
        yield finding("HS303", where, f"{only} among {int(development.sum())} labelled items{words}")
    if single and (found := _of_all(counts, tested, where)):
        yield found
        return
    for label, name in enumerate(names):
        number = int(counts[label])
        rows = np.flatnonzero(has[:, label])
        if not len(rows):
            yield finding("HS311", name)
        elif number == 0 and tested[label]:
            items = f"{int(tested[label])} items of the test part have it, none to learn from"
            for row in np.flatnonzero(has[:, label] & test).tolist() if single else ():
                yield finding("HS307", dataset.items[row].id, f"{name!r}: {items}", row)
            if not single:
                yield finding("HS308", name, items)
        elif number < 2 and single:
            for row in np.flatnonzero(has[:, label] & development).tolist():
                yield finding("HS304", dataset.items[row].id, f"the only item of the class {name!r}", row)
        elif number < FEW:
            yield finding("HS305", name, f"{number} items to learn from")
        elif test.any() and not tested[label]:
            yield finding("HS308", name, f"{number} items to learn from, none in the test part")
    if single and len(some) > 1 and some.max() > UNEVEN * some.min():
        large, small = names[int(counts.argmax())], names[int(np.where(counts > 0, counts, np.inf).argmin())]
        text = f"{large!r} has {some.max():,} items, {small!r} has {some.min():,}"
        yield finding("HS306", where, text)


def _of_all(counts: np.ndarray, tested: np.ndarray, where: str) -> Finding | None:
    """What is wrong with all labels, said once; `counts`, `tested` int `[C]`: how many items a class has."""
    some = counts[counts > 0]
    if not len(some) and tested.any():
        text = f"all {int(tested.sum())} labelled items are in the test part: none to learn from"
        return finding("HS307", where, text)
    if len(some) > 2 and some.max() == 1:
        text = f"each of the {len(some):,} labels is another: these are ids or texts, no classes"
        return finding("HS304", where, f"{text}; name the column of classes (--label-column)")
    return None


def group_findings(dataset: Dataset) -> Iterator[Finding]:
    """HS406 for each of the user's groups that has items in the given test part and outside it."""
    if dataset.groups is None or dataset.split is None:
        return
    test = dataset.split == "test"
    inside, beside = _first_rows(dataset.groups, test), _first_rows(dataset.groups, ~test)
    for group, (row, _) in inside.items():
        if group in beside:
            other, number = beside[group]
            named = f" {dataset.group_names[group]!r}" if dataset.group_names else ""
            text = f"its group{named} has {number:,} items outside the test part, such as"
            yield finding("HS406", dataset.items[row].id, f"{text} {dataset.items[other].id}", row)


def _first_rows(groups: np.ndarray, part: np.ndarray) -> dict[int, tuple[int, int]]:
    """Group -> its first row among those of the part, and how many it has there."""
    rows = np.flatnonzero(part)
    names, first, count = np.unique(groups[rows], return_index=True, return_counts=True)
    found = zip(rows[first].tolist(), count.tolist(), strict=True)
    return dict(zip(names.tolist(), found, strict=True))


def duplicate_findings(dataset: Dataset, digests: Sequence[str | None]) -> Iterator[Finding]:
    """Items with the same bytes: with different labels, across parts, or simply twice. Those without a digest
    are passed over."""
    same: dict[str, list[int]] = defaultdict(list)
    for row, digest in enumerate(digests):
        if digest is not None:
            same[digest].append(row)
    for rows in same.values():
        if len(rows) > 1:
            yield from _same(dataset, rows)


def _same(dataset: Dataset, rows: list[int]) -> Iterator[Finding]:
    """What is to be said of rows with the same bytes; each row but the first is named once."""
    ids = {row: dataset.items[row].id for row in rows}
    told: set[int] = set()
    room = modalities.get(dataset.modality)
    what = room.NOUN if room.IN_WORDS else "bytes"
    if dataset.split is not None:
        tests = [row for row in rows if dataset.split[row] == "test"]
        others = [row for row in rows if dataset.split[row] != "test"]
        if tests and others:
            yield finding("HS404", ids[tests[0]], f"the same {what} as {ids[others[0]]}", tests[0])
            told = {tests[0], others[0]}
    labels = {label_text(dataset, row) for row in rows} - {None}
    if len(labels) > 1:
        text = " and ".join(sorted(str(label) for label in labels))
        yield finding("HS403", ids[rows[1]], f"the same {what} as {ids[rows[0]]}, labelled {text}", rows[1])
        return
    for row in rows[1:]:
        if row not in told:
            yield finding("HS401", ids[row], f"the same {what} as {ids[rows[0]]}", row)


def label_text(dataset: Dataset, row: int) -> str | None:
    """The label of a row in words; None where there is none."""
    if dataset.task is None or not dataset.labelled[row]:
        return None
    given = tasks.for_task(dataset.task).value(dataset.task, dataset.targets[row])
    return "+".join(given) if isinstance(given, list) else f"{given:g}" if isinstance(given, float) else given

"""The data doctor: reads every item once and says all that is wrong, before anything is computed."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, MutableMapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np

from headstart import modalities, tasks
from headstart.core import fingerprint, targets
from headstart.core.dataset import Dataset, Item, TextItem
from headstart.core.untrusted import Damaged, parsing
from headstart.data.boxes import checks as boxes
from headstart.data.boxes.targets import Annotations
from headstart.data.checks import videos
from headstart.data.checks.duplicates import Pair, duplicate_groups, near_findings
from headstart.data.checks.findings import CODES, ORDER, Finding, Report, finding, held_out
from headstart.data.checks.findings.judge import duplicate_findings, group_findings, label_findings
from headstart.data.checks.findings.text_checks import text_findings
from headstart.data.folders.locate import missing
from headstart.data.masks import checks as masks
from headstart.data.masks.targets import Masks
from headstart.errors import ItemError
from headstart.modalities.base import Examination

MEMO_VERSION = 4
_CHUNK = 32

Memo = MutableMapping[str, dict]
"""Content fingerprint -> what was found when the item was decoded."""


def check(
    dataset: Dataset,
    *,
    memo: Memo | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Read and decode every item once, and judge items, labels, splits and files together.

    `memo` keeps what decoding showed, by content: with it a second check decodes nothing. The
    data set remembers the digests that were computed. Raises nothing for bad data: errors are
    part of the report.
    """
    room = modalities.get(dataset.modality)
    kept = memo if memo is not None and room.REMEMBERED else {}
    looked = list(_look(dataset, kept, progress))
    digests = tuple(digest for digest, _ in looked)
    if all(digest is not None for digest in digests):
        dataset.remember(tuple(digest or "" for digest in digests))
    settled = room.settle(dataset.levels, [seen for _, seen in looked])
    looked = [(digest, seen) for digest, seen in zip(digests, settled.looked, strict=True)]
    usable = np.array([not seen.problem for seen in settled.looked], dtype=bool)
    found = [*(_nothing_there(dataset, looked) or _item_findings(dataset, settled.looked))]
    found += [finding(code, dataset.origin or dataset.name, message) for code, message in settled.said]
    parts: list[Finding] = []
    if isinstance(dataset.targets, Masks):
        parts += masks.findings(dataset, dataset.targets, settled.looked)
    if isinstance(dataset.targets, Annotations):
        parts += boxes.findings(dataset, dataset.targets, settled.looked)
    sound = usable.copy()  # what a mask that cannot be read shows is not known
    sound[[one.row for one in parts if one.severity == "error" and one.row is not None]] = False
    found += label_findings(dataset, sound) if usable.any() or not len(usable) else ()
    found += parts
    if isinstance(dataset.targets, Masks | Annotations):
        found += videos.findings(dataset)
    # two items that cannot be read are broken, not alike
    found += duplicate_findings(dataset, [d if ok else None for d, ok in zip(digests, usable, strict=True)])
    found += group_findings(dataset)
    if room.IN_WORDS:
        found += text_findings(dataset)
    found += [finding(note.code, note.where, note.message) for note in dataset.notes]
    odd = [item.id for item in dataset.items if not item.id.isascii() and not isinstance(item, TextItem)]
    found += [finding("HS503", name) for name in odd]
    if dataset.labelled.any() and not any(f.severity == "error" for f in found):
        found += held_out.judge(dataset)
    found.sort(key=lambda f: (ORDER.index(f.severity), f.code))
    return Report(tuple(found), len(dataset), digests=digests, levels=settled.levels)


def levelled(dataset: Dataset, *, memo: Memo | None = None) -> Dataset:
    """The data set with the levels of its pictures found from all of them, where they are not given.

    Reads and decodes every item once, as `check` does, and judges nothing. Raises `BadOption` for levels of
    what has none.
    """
    room = modalities.get(dataset.modality)
    if dataset.levels is not None or not room.HAS_LEVELS:
        return dataset.with_levels(room.settle(dataset.levels, ()).levels)
    looked = list(_look(dataset, {} if memo is None else memo, None))
    return dataset.with_levels(room.settle(None, [seen for _, seen in looked]).levels)


def with_near(report: Report, dataset: Dataset, pairs: Sequence[Pair]) -> Report:
    """The report with the near-duplicates, and with what can be held out where these are kept together."""
    report = report.with_more(near_findings(dataset, pairs))
    others = tuple(f for f in report.findings if f.code not in held_out.CODES)
    if not pairs or any(f.severity == "error" for f in others) or not dataset.labelled.any():
        return report
    again = held_out.judge(dataset, duplicate_groups(dataset, pairs))
    return replace(report, findings=others).with_more([*again])


def readable(dataset: Dataset) -> tuple[Dataset, tuple[Finding, ...]]:
    """The data set without the items that cannot be used, and an error for each of those.

    Reads and decodes every item once, as `check` does, and judges nothing else.
    """
    looked = list(_look(dataset, {}, None))
    room = modalities.get(dataset.modality)
    settled = room.settle(dataset.levels, [seen for _, seen in looked], find=False)
    found = tuple(f for f in _item_findings(dataset, settled.looked) if f.severity == "error")
    kept, _ = drop_bad(dataset, Report(found, len(dataset), digests=tuple(digest for digest, _ in looked)))
    return kept, found


def examined(
    dataset: Dataset, *, memo: Memo | None = None, progress: Callable[[int, int], None] | None = None
) -> tuple[Dataset, tuple[Examination, ...], tuple[tuple[str, str], ...]]:
    """The items that can be used, with the levels of their pictures; what is known of each; and (id, problem)
    of the others. Reads every item once, and decodes those that `memo` does not know."""
    room = modalities.get(dataset.modality)
    looked = list(_look(dataset, memo if memo is not None and room.REMEMBERED else {}, progress))
    settled = room.settle(dataset.levels, [seen for _, seen in looked], find=dataset.levels is None)
    good = [row for row, seen in enumerate(settled.looked) if not seen.problem]
    kept = dataset.subset(good).with_levels(settled.levels)
    kept.remember(tuple(looked[row][0] or "" for row in good))
    bad = tuple(
        (item.id, seen.detail)
        for item, seen in zip(dataset.items, settled.looked, strict=True)
        if seen.problem
    )
    return kept, tuple(settled.looked[row] for row in good), bad


def drop_bad(dataset: Dataset, report: Report) -> tuple[Dataset, list[str]]:
    """The data set without the items that have errors, and the ids of those that were left out.

    Classes that no item is left of are taken out of the label space.
    """
    bad = set(report.bad_rows)
    keep = [row for row in range(len(dataset)) if row not in bad]
    kept = _without_empty_classes(dataset.subset(keep))
    digests = [report.digests[row] for row in keep] if report.digests else [None]
    if all(digest is not None for digest in digests):
        kept.remember(tuple(digest or "" for digest in digests))
    return kept, [dataset.items[row].id for row in sorted(bad)]


def _without_empty_classes(dataset: Dataset) -> Dataset:
    if dataset.task is None or not tasks.for_task(dataset.task).exclusive:
        return dataset
    held = np.unique(dataset.targets[dataset.labelled]).tolist() if dataset.labelled.any() else []
    if len(held) == dataset.task.outputs or not len(held):
        return dataset
    number = {old: new for new, old in enumerate(held)}
    y = targets.classes(number.get(old) for old in dataset.targets.to_list())
    task = replace(dataset.task, labels=tuple(dataset.task.labels[i] for i in held))
    return replace(dataset, task=task, targets=y)


def _look(
    dataset: Dataset, memo: Memo, progress: Callable[[int, int], None] | None
) -> Iterator[tuple[str | None, Examination]]:
    """(digest, examination) of every item, in order; decoded by several threads."""
    total = len(dataset)
    known = dataset.known_digests()
    room = dataset.modality
    if known is not None:
        remembered = [_remembered(memo, digest, room) for digest in known]
        if all(entry is not None for entry in remembered):
            yield from (
                (digest, seen) for digest, seen in zip(known, remembered, strict=True) if seen is not None
            )
            return
    chunks = [dataset.items[start : start + _CHUNK] for start in range(0, total, _CHUNK)]
    done = 0
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for results in pool.map(lambda chunk: [_examine(item, memo, room) for item in chunk], chunks):
            for digest, seen in results:
                if digest is not None and _remembered(memo, digest, room) is None:
                    _remember(memo, digest, room, seen)
            yield from results
            done += len(results)
            if progress is not None:
                progress(done, total)


def _examine(item: Item, memo: Memo, room: str) -> tuple[str | None, Examination]:
    try:
        data = item.read()
    except FileNotFoundError:
        return None, Examination(problem="HS101", detail=missing(getattr(item, "path", None), item.id))
    except ItemError as error:
        return None, Examination(problem=error.code, detail=error.problem)
    except Exception as error:  # items of other packages raise what they like
        text = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return None, Examination(problem="HS101", detail=f"cannot be read: {text}")
    digest = fingerprint.of_bytes(data)
    known = _remembered(memo, digest, room)
    if known is not None:
        return digest, known
    return digest, modalities.get(room).examine(data)


_TYPES = [(float, int) if kind is float else kind for kind in map(type, vars(Examination()).values())]


def _remembered(memo: Memo, digest: str, room: str) -> Examination | None:
    """What the bytes are as an item of that modality: the same bytes may be looked at as either. None where
    it is not known, or what is kept is damaged."""
    entry = memo.get(digest)
    if entry is None or entry.get("version") != MEMO_VERSION or entry.get(room) is None:
        return None
    try:
        with parsing():
            seen = Examination.from_json(entry[room])
            whole = all(isinstance(v, kind) for v, kind in zip(vars(seen).values(), _TYPES, strict=True))
            known = {*seen.facts, seen.problem} <= {"", *CODES}
            return seen if whole and known else None
    except Damaged:
        return None


def _remember(memo: Memo, digest: str, room: str, seen: Examination) -> None:
    entry = memo.get(digest)
    others = entry if entry is not None and entry.get("version") == MEMO_VERSION else {}
    memo[digest] = {**others, "version": MEMO_VERSION, room: seen.to_json()}


def _nothing_there(dataset: Dataset, looked: Sequence[tuple[str | None, Examination]]) -> list[Finding]:
    """One error for all items of a data set of which none is there; nothing for any other."""
    if len(looked) < 2 or any(seen.problem != "HS101" for _, seen in looked):
        return []
    first, why = dataset.items[0], looked[0][1].detail
    place = getattr(first, "path", None) or getattr(first, "archive", None)
    looked_for = os.path.abspath(place) if place and "no such file" in why else ""  # noqa: PTH100
    where = f", was looked for at {looked_for}" if looked_for else ""
    text = f"none of the {len(looked):,} items can be read: the first, {first.id}{where}: {why}"
    return [finding("HS511", dataset.origin or dataset.name, text)]


def _item_findings(dataset: Dataset, looked: Sequence[Examination]) -> Iterator[Finding]:
    for row, (item, seen) in enumerate(zip(dataset.items, looked, strict=True)):
        if seen.problem:
            yield finding(seen.problem, item.id, seen.detail, row)
        for fact in seen.facts if not seen.problem else ():
            yield finding(fact, item.id, seen.detail if len(seen.facts) == 1 else "", row)

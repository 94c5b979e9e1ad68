"""What gives the label away without being language: a mark, a number, an order; and what all texts share.

A word that stands in all texts of one class and nowhere else may be its topic ("routing" in questions on
routing numbers). It is told only when it is no word of a language ("[POS]", "id_17") or always stands at one
end. On seven text sets, and on 375 draws of 10, 25 and 100 texts a class from them, no such mark was found
where none was planted.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from os.path import commonprefix

import numpy as np

from headstart import tasks
from headstart.core.dataset import Dataset, TextItem
from headstart.data.checks.findings import Finding, finding

COVERED, ELSEWHERE = 0.98, 0.01
"""Share of a class's texts that have the mark, and at most this share of the others."""
LEAST, LEAST_WORDS = 10, 20
"""Texts of a class from which on marks, and words at one end, are told."""
MARKS = re.compile(r"[\[\]{}<>_#|=@*~^\\/+]|^\d+$")
"""What no word of a language has; "401k" and "mp3" are words."""
DISORDER = 0.02
"""Share of the neighbours that may be of another class in an order that tells the class."""
SHARED = 20
"""Letters at the beginning or the end of nine texts in ten that are worth telling."""


def findings(dataset: Dataset, texts: Sequence[str]) -> Iterator[Finding]:
    """HS312, HS313 and HS314 of classes; HS217 for what nearly all texts begin or end with."""
    yield from _boilerplate(dataset, texts)
    if dataset.task is None or not tasks.for_task(dataset.task).exclusive:
        return
    rows = np.flatnonzero(dataset.labelled & np.array([bool(text.strip()) for text in texts], dtype=bool))
    y = dataset.targets[rows]
    if len(np.unique(y)) < 2:
        return
    some = [texts[row] for row in rows.tolist()]
    yield from _marks(dataset, some, y)
    yield from _numbers(dataset, some, y)
    yield from _order(dataset, rows, y)


def _marks(dataset: Dataset, texts: Sequence[str], y: np.ndarray) -> Iterator[Finding]:
    """HS312 for marks that all texts of one class have and no others."""
    assert dataset.task is not None
    sizes = np.bincount(y, minlength=dataset.task.outputs)
    least = max(2, int(COVERED * min((n for n in sizes if n >= LEAST), default=len(y) + 1)))
    bags = [text.split() for text in texts]
    counts: dict[str, np.ndarray] = {}
    totals: dict[str, int] = {}
    for bag in bags:
        for word in set(bag):
            totals[word] = totals.get(word, 0) + 1
    common = {word for word, total in totals.items() if total >= least}
    for bag, label in zip(bags, y.tolist(), strict=True):
        for word in common & set(bag):
            counts.setdefault(word, np.zeros(len(sizes), np.int64))[label] += 1
    for word, found in sorted(counts.items()):
        label = int(found.argmax())
        own, rest = int(found[label]), totals[word] - int(found[label])
        if sizes[label] < LEAST or own < COVERED * sizes[label] or rest > ELSEWHERE * (len(y) - sizes[label]):
            continue
        inside = [bag for bag, of in zip(bags, y.tolist(), strict=True) if of == label and word in bag]
        end = _end(word, inside) if sizes[label] >= LEAST_WORDS else ""
        if end or MARKS.search(word.strip(".,;:!?\"'()-")) is not None:
            name = dataset.task.labels[label]
            text = f"{word!r} {end or 'stands'} in {own:,} of the {sizes[label]:,} texts of this class"
            yield finding("HS312", name, f"{text}, and in {rest:,} of the {len(y) - sizes[label]:,} others")


def _end(word: str, bags: Sequence[Sequence[str]]) -> str:
    first = sum(bag[0] == word for bag in bags)
    last = sum(bag[-1] == word for bag in bags)
    limit = COVERED * len(bags)
    return "comes first" if first >= limit else "comes last" if last >= limit else ""


def _numbers(dataset: Dataset, texts: Sequence[str], y: np.ndarray) -> Iterator[Finding]:
    """HS313 when the first or the last number of each text tells its class."""
    found = [re.findall(r"\d+(?:\.\d+)?", text) for text in texts]
    have = np.array([bool(numbers) for numbers in found], dtype=bool)
    if have.mean() < 0.9 or have.sum() < 2 * LEAST:
        return
    for place, name in ((0, "first"), (-1, "last")):
        numbers = np.array([float(few[place]) for few in found if few])
        if _tells(numbers, y[have]):
            examples = ", ".join(f"{number:g}" for number in numbers[:3])
            text = f"the {name} number of each text ({examples}, ...) tells the class by itself"
            yield finding("HS313", dataset.origin or dataset.name, text)
            return


def _tells(numbers: np.ndarray, y: np.ndarray) -> bool:
    """Whether classes lie side by side in the order of the numbers, more than their sizes would have it."""
    values, inverse, counts = np.unique(numbers, return_inverse=True, return_counts=True)
    table = np.zeros((len(values), int(y.max()) + 1), np.int64)
    np.add.at(table, (inverse, y), 1)
    base = table.sum(axis=0).max() / len(y)
    if base > 0.9:
        return False
    if len(values) < len(y) / 5:
        return bool(table.max(axis=1).sum() / len(y) >= 1 - DISORDER)
    order = table.argmax(axis=1)
    changes = int((np.diff(order) != 0).sum())
    pure = table.max(axis=1).sum() / len(y) >= 1 - DISORDER
    return bool(
        pure and changes <= len(np.unique(y)) - 1 + DISORDER * len(values) and counts.max() < len(y) / 2
    )


def _order(dataset: Dataset, rows: np.ndarray, y: np.ndarray) -> Iterator[Finding]:
    """HS314 when rows of a table, by their ids, come class by class."""
    if not all(isinstance(dataset.items[row], TextItem) for row in rows.tolist()):
        return  # files lie in folders of their classes
    ends = [re.findall(r"\d+", dataset.items[row].id) for row in rows.tolist()]  # linear, whatever ids hold
    if not all(ends) or len(y) < 10 * len(np.unique(y)):
        return
    place = np.array([float(numbers[-1]) for numbers in ends])
    parts = np.zeros_like(y) if dataset.split is None else dataset.split[rows]
    part = np.unique(parts, return_inverse=True)[1]
    order = np.lexsort((place, part))
    inside = np.diff(part[order]) == 0
    changes = int(((np.diff(y[order]) != 0) & inside).sum())
    if changes <= (len(np.unique(y)) - 1) * (part.max() + 1) + DISORDER * len(y):
        yield finding("HS314", dataset.origin or dataset.name)


def _boilerplate(dataset: Dataset, texts: Sequence[str]) -> Iterator[Finding]:
    """HS217 for what nine texts in ten begin or end with."""
    some = [text for text in texts if text.strip()]
    if len(some) < 2 * LEAST:
        return
    for name, turn in (("begin", 1), ("end", -1)):
        ordered = sorted(text[::turn] for text in some)
        width = int(np.ceil(0.9 * len(ordered)))
        windows = zip(ordered, ordered[width - 1 :], strict=False)
        shared = max(map(commonprefix, windows), key=len)
        if len(shared.strip()) >= SHARED and len(shared) < 0.9 * np.median(list(map(len, some))):
            same = shared[::turn]
            shown = same if len(same) <= 60 else f"{same[:28]} ... {same[-28:]}"
            yield finding("HS217", dataset.origin or dataset.name, f"nine texts in ten {name} with {shown!r}")

"""What can be wrong with texts that are to be said: findings of the doctor."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress

import numpy as np

from headstart import modalities, tasks
from headstart.core.dataset import Dataset
from headstart.core.words import shortened
from headstart.data.checks.findings import Finding, finding, languages
from headstart.errors import HeadstartError
from headstart.measure.texts.edits import normalised
from headstart.measure.texts.shared import squad
from headstart.modalities.base import Timed
from headstart.tasks.base import Says

SHOWN = 40
"""Characters of a text that are shown."""
LEAST = 10
"""Recordings from which on their paces are compared."""
FASTER, SLOWER, POSSIBLE = 3.0, 6.0, 25.0
"""How many times the usual pace is too fast, or too slow; and characters a second of a quick speaker."""


def findings(dataset: Dataset, usable: np.ndarray) -> Iterator[Finding]:
    """HS303 and HS340 to HS347: all the same; copies of their item; answers that their passage does not hold;
    texts far longer than their item; texts of the test part that the training part has, too; paths; a
    language that is not meant; characters that cannot be learnt; transcripts that cannot be what was said."""
    assert dataset.task is not None
    methods = tasks.for_task(dataset.task)
    assert isinstance(methods, Says)
    rows = np.flatnonzero(dataset.labelled & usable)
    wanted = dict(zip(rows.tolist(), dataset.targets[rows].tolist(), strict=True))
    if len(wanted) > 1 and len(set(wanted.values())) == 1:
        yield finding(
            "HS303", dataset.task.labels[0], f"all {len(wanted):,} texts are {_shown(*wanted.values())}"
        )
    room = modalities.get(dataset.modality)
    if methods.heard and isinstance(room, Timed):
        yield from _heard(dataset, wanted, room)
    own_texts = _own(dataset, wanted)
    for row, own in own_texts.items():
        name, target = dataset.items[row].id, wanted[row]
        if target == own.strip():
            yield finding("HS340", name, _shown(target), row)
        elif methods.part == "span" and squad(target) not in squad(own):
            yield finding("HS341", name, f"{_shown(target)} does not occur in its passage", row)
        elif methods.longest and len(target) > methods.longest * max(len(own), 20):
            yield finding("HS342", name, f"{len(target):,} characters for {len(own):,}", row)
    if dataset.split is not None and methods.longest:
        test = {row for row in wanted if dataset.split[row] == "test"}
        known = {wanted[row] for row in wanted.keys() - test}
        for row in sorted(test):
            if wanted[row] in known:
                yield finding("HS343", dataset.items[row].id, _shown(wanted[row]), row)
    for row, target in wanted.items():
        if _is_path(target) or target == dataset.items[row].id:
            yield finding("HS344", dataset.items[row].id, _shown(target), row)
    yield from _languages(dataset, wanted, own_texts, differs=methods.differs)
    if methods.spelt:
        yield from _characters(dataset, wanted)


def _own(dataset: Dataset, rows: Iterable[int]) -> dict[int, str]:
    """Row -> the item's own text; nothing of recordings, and of what cannot be read."""
    room, found = modalities.get(dataset.modality), {}
    for row in rows if room.IN_WORDS else ():
        with suppress(OSError, HeadstartError):  # told already
            found[row] = room.open_item(dataset.items[row].read(), None).own
    return found


def _is_path(text: str) -> bool:
    """Whether it names a file of a kind that items are kept in."""
    ending = re.fullmatch(r"\S*[^\s/\\](\.\w+)", text)
    known = (suffix for name in modalities.MODALITIES for suffix in modalities.get(name).SUFFIXES)
    return ending is not None and ending[1].lower() in known


def _languages(
    dataset: Dataset, wanted: Mapping[int, str], own: Mapping[int, str], *, differs: bool
) -> Iterator[Finding]:
    """HS345 where a part of the targets is in another language, or all are in that of the items."""
    language, mixed = languages.told(dataset, wanted)
    if mixed:
        yield finding("HS345", dataset.task.labels[0] if dataset.task else "", mixed)
    elif differs and language and language == languages.told(dataset, own)[0]:
        yield finding(
            "HS345", dataset.task.labels[0] if dataset.task else "", f"items and targets are {language}"
        )


def _characters(dataset: Dataset, wanted: Mapping[int, str]) -> Iterator[Finding]:
    """HS346: characters that nothing to learn from has, but for one text itself."""
    parts = {row: "" if dataset.split is None else str(dataset.split[row]) for row in wanted}
    places: dict[str, list[int]] = {}
    for row, target in wanted.items():
        for character in set(normalised(target)):
            places.setdefault(character, []).append(row)
    for character, rows in sorted(places.items()):
        learnt = [row for row in rows if parts[row] != "test"]
        if not learnt or rows == learnt[:1]:
            where = dataset.items[rows[0]].id
            many = f"in {len(rows):,} of the test part alone" if not learnt else "in this one alone"
            yield finding("HS346", where, f"{character!r} (U+{ord(character):04X}) is {many}", rows[0])


def _heard(dataset: Dataset, wanted: dict[int, str], room: Timed) -> Iterator[Finding]:
    """HS347: transcripts with far more or fewer characters a second than others."""
    paces: dict[int, float] = {}
    for row, target in wanted.items():
        item = dataset.items[row]
        try:
            seconds = room.seconds(item.read())
        except (OSError, HeadstartError):  # told already
            continue
        if seconds > 0 and target.strip():
            paces[row] = len("".join(target.split())) / seconds
    usual = float(np.median(list(paces.values()))) if len(paces) >= LEAST else 0.0
    for row, pace in paces.items():
        if usual and not usual / SLOWER <= pace <= max(usual * FASTER, POSSIBLE):
            many = f"{pace:.3g} characters a second, where {usual:.3g} are usual: {_shown(wanted[row])}"
            yield finding("HS347", dataset.items[row].id, many, row)


def _shown(text: str, *_: str) -> str:
    return repr(shortened(text, SHOWN))

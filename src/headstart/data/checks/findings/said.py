"""What can be wrong with texts that are to be said: findings of the doctor."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headstart import modalities, tasks
from headstart.core.dataset import Dataset
from headstart.core.words import shortened
from headstart.data.checks.findings import Finding, finding
from headstart.errors import HeadstartError
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
    """HS303 and HS340 to HS343, HS347: all the same; copies of their item; answers their passage does not
    hold; texts far longer than their item; texts of the test part that the training part has, too; and
    transcripts that cannot be what was said."""
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
    for row, target in wanted.items() if room.IN_WORDS else ():
        name = dataset.items[row].id
        try:
            own = room.open_item(dataset.items[row].read(), None).own
        except (OSError, HeadstartError):  # told already
            continue
        if target == own.strip():
            yield finding("HS340", name, _shown(target), row)
        elif methods.inside and squad(target) not in squad(own):
            yield finding("HS341", name, f"{_shown(target)} does not occur in its passage", row)
        elif methods.longest and len(target) > methods.longest * max(len(own), 20):
            yield finding("HS342", name, f"{len(target):,} characters for {len(own):,}", row)
    if dataset.split is not None and methods.longest:
        test = {row for row in wanted if dataset.split[row] == "test"}
        known = {wanted[row] for row in wanted.keys() - test}
        for row in sorted(test):
            if wanted[row] in known:
                yield finding("HS343", dataset.items[row].id, _shown(wanted[row]), row)


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

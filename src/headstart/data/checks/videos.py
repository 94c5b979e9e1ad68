"""Frames of one video in training and test, told by the names of the files."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator

from headstart.core.dataset import Dataset
from headstart.core.words import count
from headstart.data.checks.findings import Finding, finding

_FRAME = re.compile(r"(.*?)[-_. ]*(?:f|frame|fr)?[-_. ]*(\d+)", re.IGNORECASE | re.DOTALL)
"""A name that ends in the number of a frame."""
_ADDED = re.compile(r"(?:_(?:jpe?g|png|bmp))?\.rf\.[0-9a-z]+$", re.IGNORECASE)
"""What programs put behind the name of an image that they export."""
_SAYS = re.compile(
    r"clip|video|vid(?![a-z])|movie|mov(?![a-z])|mp4|avi|scene|seq|frame|camera|cam(?![a-z])", re.IGNORECASE
)
"""What names of videos hold."""
DIGITS = 3
"""Of the number of a frame, filled up with zeros, in names that do not say that they are of a video."""


def findings(dataset: Dataset) -> Iterator[Finding]:
    """HS413 for each video with frames in the test part and outside of it.

    A name says that it is of a video, or there are several beginnings before numbers of as many digits: one
    alone is the name of the data set.
    """
    if dataset.split is None:
        return
    rows: dict[str, list[int]] = defaultdict(list)
    for row, item in enumerate(dataset.items):
        name = _ADDED.sub("", item.id.rpartition("/")[2].rpartition(".")[0])
        match = _FRAME.fullmatch(name)
        if match is not None and match[1] and (_SAYS.search(name) or len(match[2]) >= DIGITS):
            rows[match[1]].append(row)
    classes = {label.lower() for label in dataset.task.labels} if dataset.task is not None else set()
    several = sum(len(some) > 1 for some in rows.values()) > 1
    for start, some in rows.items():
        first = dataset.items[some[0]].id.rpartition("/")[2]
        if not (_SAYS.search(first) or several) or start.lower() in classes:
            continue
        inside = [row for row in some if dataset.split[row] == "test"]
        beside = [row for row in some if dataset.split[row] != "test"]
        if inside and beside:
            text = (
                f"{count(len(beside), 'image')} outside of the test part and {len(inside):,} in it, such as"
            )
            names = " and ".join(dataset.items[some[0]].id for some in (beside, inside))
            yield finding("HS413", f"{start!r}", f"{text} {names}, seem to be frames of one video")

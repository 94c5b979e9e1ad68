"""What can be wrong with boxes: findings of the doctor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from headstart.core.dataset import Dataset
from headstart.core.words import count
from headstart.data.boxes.targets import Annotations
from headstart.data.checks.findings import Finding, finding
from headstart.modalities.base import Examination

TINY, SHARE = 2.0, 0.001
"""A side in pixels, and a share of the image, below which a box is tiny."""


def findings(dataset: Dataset, boxes: Annotations, looked: Sequence[Examination]) -> Iterator[Finding]:
    """HS333, HS334, HS338 and HS311: tiny boxes, images without boxes, annotations at a size of another
    shape, classes without boxes."""
    assert dataset.task is not None
    for row, (item, one) in enumerate(zip(dataset.items, boxes.boxes, strict=True)):
        if one is None:
            continue
        height, width = one.size
        if not looked[row].problem and (width, height) != looked[row].size:
            large = "{} x {}".format(*looked[row].size)
            yield finding("HS338", item.id, f"{width} x {height}, and the image has {large} pixels", row)
            continue
        if not len(one):
            yield finding("HS334", item.id, row=row)
        sides = one.corners[:, 2:] - one.corners[:, :2]
        tiny = (sides.min(axis=1) < TINY) | (sides.prod(axis=1) < SHARE * width * height)
        if tiny.any():
            across, down = sides[np.flatnonzero(tiny)[0]]
            text = f"{tiny.sum():,} of {count(len(one), 'box', 'boxes')} tiny, such as one of"
            yield finding("HS333", item.id, f"{text} {across:.3g} x {down:.3g} pixels", row)
    for name, number in zip(dataset.task.labels, boxes.counts().sum(axis=0).tolist(), strict=True):
        if not number:
            yield finding("HS311", name)

"""What can be wrong with masks: findings of the doctor."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from headstart.core import words
from headstart.core.dataset import Dataset
from headstart.data.checks.findings import Finding, finding
from headstart.data.masks.targets import Masks
from headstart.modalities.base import Examination


def findings(dataset: Dataset, masks: Masks, looked: Sequence[Examination]) -> Iterator[Finding]:
    """HS323 to HS326: masks that cannot be read or are of another size than their image, values that no class
    has, masks without any class."""
    assert dataset.task is not None
    for row, (item, seen) in enumerate(zip(dataset.items, masks.seen(), strict=True)):
        mask = masks.items[row]
        if seen is None or mask is None:
            continue
        if seen.problem:
            yield finding("HS323", item.id, f"its mask {mask.id}: {seen.problem}", row)
            continue
        height, width = seen.shape
        if not looked[row].problem and (width, height) != looked[row].size:
            large = "{} x {}".format(*looked[row].size)
            yield finding("HS324", item.id, f"it has {large} pixels, its mask {width} x {height}", row)
        if seen.strange:
            values = ", ".join(_value(v, colours=bool(masks.legend.colours)) for v in seen.others)
            pixels = words.count(seen.strange, "pixel")
            text = f"{pixels} of {mask.id} have a value that no class has ({values}): read as void"
            yield finding("HS325", item.id, text, row)
        if not seen.counts.any():
            yield finding("HS326", item.id, f"its mask {mask.id} holds no class at all", row)
    there = masks.counts().sum(axis=0)
    for name, pixels in zip(dataset.task.labels, there.tolist(), strict=True):
        if not pixels:
            yield finding("HS311", name)


def _value(code: int, *, colours: bool) -> str:
    return f"rgb({code >> 16}, {code >> 8 & 255}, {code & 255})" if colours else str(code)

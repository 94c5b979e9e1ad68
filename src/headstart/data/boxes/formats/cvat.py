"""CVAT for images: one XML for many images, with their boxes and polygons."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from xml.etree.ElementTree import Element

from headstart.core.dataset import Note
from headstart.core.untrusted import Damaged
from headstart.core.words import count
from headstart.data.boxes.formats.markup import parsed
from headstart.data.boxes.formats.written import Mark, Sheet, Written, around, looked_at, one_each
from headstart.data.folders.tree import Tree
from headstart.data.reading import SPLITS, split_in, suffix_of

LAYOUT = "images/ and annotations.xml (CVAT for images)"
_SKIPPED = frozenset({"polyline", "points", "cuboid", "skeleton", "tag", "mask"})


def find(tree: Tree) -> list[str]:
    """The XML files of a tree that hold annotations of many images."""
    listed = [path for path in tree.paths if suffix_of(path) == ".xml"]
    return [
        path for path, data in looked_at(tree, listed) if b"<annotations>" in data or b"<annotations " in data
    ]


def read(tree: Tree, files: Sequence[str]) -> Written:
    """Raises `DataError` for a file that is damaged, or has tracks of a video."""
    others: Counter[str] = Counter()
    labels: dict[str, None] = {}

    def parse(data: bytes, path: str) -> tuple[Sheet, ...]:
        found = of_xml(data, path, others)
        labels.update(dict.fromkeys(found.labels))
        return found.sheets

    sheets = one_each(tree, files, parse, "CVAT XML")
    notes = [
        Note("HS504", tree.origin, f"{count(number, f'<{kind}>', f'<{kind}>')}: no boxes, left out")
        for kind, number in sorted(others.items())
    ]
    return Written(tuple(sheets), tuple(labels), tuple(notes))


def of_xml(data: bytes, source: str = "", others: Counter[str] | None = None) -> Written:
    """The boxes of a file; `others` counts what has none. Raises `Damaged`, `ValueError`."""
    root = parsed(data)
    if root.tag != "annotations":
        raise Damaged(f"it is <{root.tag}>, not <annotations>")
    if root.find("track") is not None:
        raise Damaged("it has tracks of a video: export it from CVAT as 'CVAT for images'")
    sheets = []
    for image in root.iter("image"):
        name = image.get("name", "")
        marks = []
        for one in image:
            if one.tag in _SKIPPED:
                if others is not None:
                    others[one.tag] += 1
                continue
            if one.tag in ("box", "polygon", "ellipse"):
                try:
                    marks.append(_mark(one))
                except (ValueError, KeyError) as error:
                    raise Damaged(f"a <{one.tag}> of the image {name!r}: {error}") from None
        sides = [int(image.get(side, "0")) for side in ("width", "height")]
        size = (sides[0], sides[1]) if min(sides) > 0 else None
        split = SPLITS.get(image.get("subset", "").lower(), split_in(source))
        sheets.append(Sheet(name, tuple(marks), size, split, source))
    named = [(one.findtext("name") or "").strip() for one in root.iter("label")]
    return Written(tuple(sheets), tuple(dict.fromkeys(name for name in named if name)))


def _mark(one: Element) -> Mark:
    label = one.attrib["label"]
    if one.tag == "polygon":
        points = [float(number) for pair in one.attrib["points"].split(";") for number in pair.split(",")]
        return Mark(label, around(points), shape=[points])
    if one.tag == "ellipse":
        across, down, wide, high = (float(one.attrib[name]) for name in ("cx", "cy", "rx", "ry"))
        return Mark(label, (across - wide, down - high, across + wide, down + high))
    left, top, right, bottom = (float(one.attrib[name]) for name in ("xtl", "ytl", "xbr", "ybr"))
    ring = [(left, top), (right, top), (right, bottom), (left, bottom)]
    if turn := math.radians(float(one.get("rotation", "0"))):
        middle = (left + right) / 2, (top + bottom) / 2
        ring = [
            (
                middle[0] + (x - middle[0]) * math.cos(turn) - (y - middle[1]) * math.sin(turn),
                middle[1] + (x - middle[0]) * math.sin(turn) + (y - middle[1]) * math.cos(turn),
            )
            for x, y in ring
        ]
    return Mark(label, around([number for point in ring for number in point]))

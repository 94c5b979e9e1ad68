"""LabelMe: a JSON for each image, beside it, with its shapes."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from headstart import modalities
from headstart.core.dataset import Note
from headstart.core.untrusted import Damaged, field, limits, read_object
from headstart.core.words import count
from headstart.data.boxes.formats.written import (
    Corners,
    Mark,
    Sheet,
    Written,
    around,
    folder_split,
    joined,
    looked_at,
    one_each,
)
from headstart.data.folders.tree import Tree
from headstart.data.reading import suffix_of, without_ending

LAYOUT = "images with a .json of the same name for each (LabelMe)"
ROUND = frozenset({"rectangle", "polygon", "circle"})
"""Shapes that have an inside."""


def find(tree: Tree) -> list[str]:
    """The JSON files that are called as images are, where the first few hold shapes."""
    endings = modalities.get("image").SUFFIXES
    stems = {without_ending(path).rpartition("/")[2] for path in tree.paths if suffix_of(path) in endings}
    listed = [
        path
        for path in tree.paths
        if suffix_of(path) == ".json" and without_ending(path).rpartition("/")[2] in stems
    ]
    found = [b'"shapes"' in data for _, data in looked_at(tree, listed)]
    return listed if any(found) else []


def read(tree: Tree, files: Sequence[str]) -> Written:
    """Raises `DataError` for a file that is damaged."""
    others: Counter[str] = Counter()
    sheets = one_each(tree, files, lambda data, path: of_json(data, path, others), "LabelMe JSON")
    notes = [
        Note(
            "HS504",
            tree.origin,
            f"{count(number, f'shape {kind!r}', f'shapes {kind!r}')}: no boxes, left out",
        )
        for kind, number in sorted(others.items())
    ]
    return Written(tuple(sheets), notes=tuple(notes))


def of_json(data: bytes, source: str = "", others: Counter[str] | None = None) -> Sheet:
    """The boxes of one image; polygons of one `group_id` are one object. `others` counts shapes that have no
    inside. Raises `Damaged`, `ValueError`."""
    given = read_object(data, most=limits.ITEM_BYTES)
    marks: dict[Any, Mark] = {}
    for place, one in enumerate(field(given, "shapes", list)):
        if not isinstance(one, Mapping):
            raise Damaged(f"shape {place + 1} is no record")
        kind = one.get("shape_type") or "polygon"
        if kind not in ROUND:
            if others is not None:
                others[str(kind)] += 1
            continue
        try:
            label = field(one, "label", str).strip()
            points = [(float(across), float(down)) for across, down in field(one, "points", list)]
            corners, shape = _box(kind, points)
        except (ValueError, TypeError) as error:
            raise Damaged(f"shape {place + 1}: {error}") from None
        group = one.get("group_id") if kind == "polygon" else None
        key = place if group is None else (label, str(group))
        before = marks.get(key)
        marks[key] = Mark(
            label,
            corners if before is None else joined([before.corners, corners]),
            shape=shape if before is None else [*before.shape, *(shape or ())],
        )
    sides = given.get("imageWidth"), given.get("imageHeight")
    size = sides if all(type(side) is int and side > 0 for side in sides) else None
    name = without_ending(source).rpartition("/")[2] if source else field(given, "imagePath", str)
    return Sheet(name, tuple(marks.values()), size, folder_split(source), source)  # type: ignore[arg-type]


def _box(kind: str, points: list[tuple[float, float]]) -> tuple[Corners, list[list[float]] | None]:
    if kind == "circle":
        (across, down), (x, y) = points
        radius = math.hypot(x - across, y - down)
        turns = [2 * math.pi * step / 64 for step in range(64)]
        ring = [(across + radius * math.cos(t), down + radius * math.sin(t)) for t in turns]
        return (across - radius, down - radius, across + radius, down + radius), [
            [number for point in ring for number in point]
        ]
    corners = around([number for point in points for number in point])
    return corners, None if kind == "rectangle" else [[number for point in points for number in point]]

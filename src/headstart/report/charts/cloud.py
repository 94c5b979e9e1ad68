"""The embedding map, and how dark a cell of the confusion table is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from headstart.report.charts.forest import MARKS

SIDE = 640.0
EDGE = 16.0
COLOURS = 7
"""Colours a mark may have (Okabe and Ito, 2008, without yellow, which white paper swallows)."""
NAMED = 14
"""Labels with a mark of their own; the rest share a small grey one."""


def cloud(found: Mapping[str, Any]) -> dict[str, Any]:
    """Points in 0..1 as marks in a square, y upwards; colour and shape tell the label.

    `groups` is the legend: the most frequent labels, then all others together.
    """
    points = found["points"]
    counts = Counter(str(p["label"]) for p in points)
    order = [name for name in map(str, found.get("labels") or ()) if name in counts]
    known = {*sorted(counts, key=lambda name: -counts[name])[:NAMED]}
    named = [name for name in dict.fromkeys([*order, *counts]) if name in known]
    number = {name: i for i, name in enumerate(named)}
    room = SIDE - 2 * EDGE
    marks = [
        {
            "x": round(EDGE + room * min(1.0, max(0.0, p["x"])), 1),
            "y": round(EDGE + room * (1 - min(1.0, max(0.0, p["y"]))), 1),
            **look(number.get(str(p["label"]))),
            "wrong": p.get("right") is False,
            "test": p.get("part") == "test",
        }
        for p in points
    ]
    groups = [{"text": name, "count": counts[name], **look(i)} for name, i in number.items()]
    others = [name for name in counts if name not in number]
    if others:
        text = f"{len(others)} other labels"
        groups.append({"text": text, "count": sum(counts[name] for name in others), **look(None)})
    return {"side": SIDE, "marks": marks, "groups": groups}


def look(number: int | None) -> dict[str, Any]:
    """Colour (0 to 6, 7 for the rest) and shape of the label with a number; all pairs differ up to 42."""
    if number is None:
        return {"colour": COLOURS, "shape": "dot"}
    return {"colour": number % COLOURS, "shape": MARKS[number % len(MARKS)]}


def shades(table: Sequence[Sequence[int]]) -> list[list[int]]:
    """For every cell of a confusion table its share of the row, in whole percent."""
    return [[round(100 * count / max(1, sum(row))) for count in row] for row in table]

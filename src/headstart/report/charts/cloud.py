"""The embedding map, and how dark a cell of the confusion table is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from headstart.report.charts.forest import MARKS
from headstart.report.charts.scales import tick_text

SIDE = 640.0
EDGE = 16.0
COLOURS = 7
"""Colours a mark may have (Okabe and Ito, 2008, without yellow, which white paper swallows)."""
NAMED = 14
"""Labels with a mark of their own; the rest share a small grey one."""
STEPS = 5
"""Sizes (and shades) of the marks where labels are numbers."""


def cloud(found: Mapping[str, Any]) -> dict[str, Any]:
    """Points in 0..1 as marks in a square, y upwards.

    Colour and shape tell the label, shade and size where labels are numbers. `groups` is the legend: the
    most frequent labels, then all others together; or ranges of numbers.
    """
    points = found["points"]
    labels = [p["label"] for p in points]
    numbers = all(isinstance(label, int | float) and not isinstance(label, bool) for label in labels)
    looks, groups = (
        by_range(labels) if numbers else by_name(list(map(str, labels)), found.get("labels") or ())
    )
    room = SIDE - 2 * EDGE
    marks = [
        {
            "x": round(EDGE + room * min(1.0, max(0.0, p["x"])), 1),
            "y": round(EDGE + room * (1 - min(1.0, max(0.0, p["y"]))), 1),
            **how,
            "wrong": p.get("right") is False,
            "test": p.get("part") == "test",
        }
        for p, how in zip(points, looks, strict=True)
    ]
    return {"side": SIDE, "marks": marks, "groups": groups}


Looks = tuple[list[dict[str, Any]], list[dict[str, Any]]]
"""The look of every point, and the legend."""


def by_name(labels: Sequence[str], order: Sequence[Any]) -> Looks:
    """A mark for each of the most frequent labels, in the given order."""
    counts = Counter(labels)
    known = {*sorted(counts, key=lambda name: -counts[name])[:NAMED]}
    named = [name for name in dict.fromkeys([*map(str, order), *counts]) if name in known]
    number = {name: i for i, name in enumerate(named)}
    groups = [{"text": name, "count": counts[name], **look(i)} for name, i in number.items()]
    others = [name for name in counts if name not in number]
    if others:
        text = f"{len(others)} other labels"
        groups.append({"text": text, "count": sum(counts[name] for name in others), **look(None)})
    return [look(number.get(label)) for label in labels], groups


def by_range(labels: Sequence[float]) -> Looks:
    """A mark for each of a few equal ranges of numbers: the larger, the larger."""
    low, high = min(labels), max(labels)
    width = (high - low) / STEPS or 1.0
    steps = [min(STEPS - 1, int((label - low) / width)) for label in labels]
    looks = [{"colour": f"n{step}", "shape": f"n{step}"} for step in range(STEPS)]
    edges = [tick_text(float(f"{low + width * step:.3g}")) for step in range(STEPS + 1)]
    counts = Counter(steps)
    groups = [
        {"text": f"{edges[step]} to {edges[step + 1]}", "count": counts[step], **looks[step]}
        for step in sorted(counts)
    ]
    return [looks[step] for step in steps], groups


def look(number: int | None) -> dict[str, Any]:
    """Colour (0 to 6, 7 for the rest) and shape of the label with a number; all pairs differ up to 42."""
    if number is None:
        return {"colour": COLOURS, "shape": "dot"}
    return {"colour": number % COLOURS, "shape": MARKS[number % len(MARKS)]}


def shades(table: Sequence[Sequence[int]]) -> list[list[int]]:
    """For every cell of a confusion table its share of the row, in whole percent."""
    return [[round(100 * count / max(1, sum(row))) for count in row] for row in table]

"""Intervals under one another: the leaderboard, the gains, and the profiles over a network's depth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from headstart.core import words
from headstart.report.charts.scales import WIDTH, Scale, axis, path, short, spread

MARKS = ("circle", "square", "diamond", "triangle", "down", "cross")
"""Shapes of marks, told apart without colour."""
NAME = 118.0
"""Room for the names at the left of the depth profile."""

BAND, TICK = 0.6, 1.2
"""The least width of an interval, and that of the tick of its value, of 100."""


class Bars:
    """The common scale of a column of intervals, each drawn in 0..100."""

    def __init__(self, rows: Sequence[Mapping[str, Any]], metric: str, *, zero: bool = False) -> None:
        """`rows` have value, low, high (None: not drawn). `zero`: zero is on the scale."""
        ends = [row[key] for row in rows for key in ("value", "low", "high") if row[key] is not None]
        self.scale = None
        if ends:
            low, high = spread([*ends, *([0.0] if zero else [])], metric="" if zero else metric, pad=0.03)
            self.scale = Scale(low, high, 1, 99)
        self.zero = self.scale.at(0.0) if self.scale and zero else None

    def of(self, value: float, low: float | None, high: float | None) -> dict[str, float | None]:
        """`at`, `low`, `high` and `zero` of one interval, and its tick, which lies inside."""
        assert self.scale is not None
        # runs of older versions have scores outside their intervals
        ends = value, min(_known(low, value), value), max(_known(high, value), value)
        at, start, end = map(self.scale.at, ends)
        width = max(BAND, end - start)
        tick = min(TICK, width)
        return {
            "at": at,
            "low": start,
            "high": end,
            "zero": self.zero,
            "tick": round(min(max(at - tick / 2, start), start + width - tick), 2),
            "tick_width": round(tick, 2),
        }


def depth(profile: Mapping[str, Any]) -> dict[str, Any]:
    """The depth profile: a line for every stage, first layers on top, a mark for every grid."""
    rows = profile["rows"]
    metric = profile["metric"]
    stages = list(dict.fromkeys(row["stage"] for row in rows))
    grids = sorted({row["grid"] for row in rows}, key=lambda grid: (str(type(grid)), grid))
    ends = [row[key] for row in rows for key in ("low", "value", "high")]
    low, high = spread([*ends, profile.get("chance")], metric=metric)
    gap = 14.0 + 9.0 * len(grids)
    top, bottom = 10.0, 10.0 + gap * len(stages)
    x = Scale(low, high, NAME, WIDTH - 22)
    marks = []
    for row in rows:
        lane = grids.index(row["grid"]) - (len(grids) - 1) / 2
        value = words.value(metric, row["value"])
        marks.append(
            {
                "x": x.at(row["value"]),
                "low": x.at(_known(row["low"], row["value"])),
                "high": x.at(_known(row["high"], row["value"])),
                "y": round(top + gap * (stages.index(row["stage"]) + 0.5) + 9 * lane, 2),
                "kind": grids.index(row["grid"]) % len(MARKS),
                "chosen": bool(row.get("chosen")),
                "title": f"{row['tap']}: {value}" + (", chosen" if row.get("chosen") else ""),
            }
        )
    return {
        "width": WIDTH, "height": bottom + 44,
        "left": NAME, "right": WIDTH - 22, "top": top, "bottom": bottom,
        "x_ticks": axis(x, metric, most=5),
        "names": [
            {"text": short(str(s), 17), "full": str(s), "y": round(top + gap * (i + 0.5), 2)}
            for i, s in enumerate(stages)
        ],
        "lanes": [round(top + gap * i, 2) for i in range(1, len(stages))],
        "marks": marks,
        "chance": x.at(profile["chance"]) if profile.get("chance") is not None else None,
        "grids": [{"text": grid_text(grid), "kind": i % len(MARKS)} for i, grid in enumerate(grids)],
        "x_title": "skill (1 - squared error / variance)" if metric == "skill" else metric,
    }  # fmt: skip


def depths(found: Mapping[str, Any]) -> dict[str, Any]:
    """Which stage does best with how many labels: a column of marks for every number, first layers on top."""
    stages, points, metric = found["stages"], found["points"], found["metric"]
    gap, top = 24.0, 10.0
    bottom = top + gap * len(stages)
    sizes = [point["n"] for point in points]
    x = Scale(0.85 * sizes[0], 1.15 * sizes[-1], NAME, WIDTH - 22, log=True)
    lane = {stage: round(top + gap * (place + 0.5), 2) for place, stage in enumerate(stages)}
    marks = []
    for point in points:
        for row in point["rows"]:
            best = row["stage"] == point["best"]
            text = f"{words.count(point['n'], 'label')}, {row['tap']}: {words.value(metric, row['value'])}"
            text += f" {words.interval(metric, row['low'], row['high'])}"
            text += ", the best" if best else ", not told from the best" if row["tied"] else ""
            kind = "best" if best else "tied" if row["tied"] else "behind"
            marks.append({"x": x.at(point["n"]), "y": lane[row["stage"]], "kind": kind, "title": text})
    return {
        "width": WIDTH, "height": bottom + 44,
        "left": NAME, "right": WIDTH - 22, "top": top, "bottom": bottom,
        "x_ticks": [{"at": x.at(n), "text": f"{n:,}"} for n in sizes],
        "names": [{"text": short(str(s), 17), "full": str(s), "y": lane[s]} for s in stages],
        "marks": marks,
        "line": path([(x.at(point["n"]), lane[point["best"]]) for point in points]),
        "x_title": "labelled items (logarithmic)",
    }  # fmt: skip


def _known(value: float | None, otherwise: float) -> float:
    return otherwise if value is None else value


POOLED = {
    "cls": "first token",
    "mean": "mean of all tokens",
    "max": "maximum over tokens",
    "last": "last token",
}


def grid_text(grid: int | str) -> str:
    """How a layer's state became one vector, in words."""
    if isinstance(grid, str):
        return POOLED.get(grid, grid)
    return {0: "class token", 1: "whole picture"}.get(grid, f"{grid} x {grid} grid")

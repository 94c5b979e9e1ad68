"""From values to drawing coordinates: scales, ticks, the words beside them, paths."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from headstart.core.metric import named

WIDTH = 440.0
"""Width of a figure in drawing units; a phone shows them at 0.8 pixels, a desk at 1 to 1.3."""
BY_CLASS = frozenset({"precision", "recall"})
"""Fractions that are of one class, and so no metric of a task."""


@dataclass(frozen=True)
class Scale:
    """An affine map (of the logarithm, when `log`) from [low, high] onto [start, end]."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    def __post_init__(self) -> None:
        if not self.low < self.high or (self.log and self.low <= 0):
            raise ValueError(f"no scale from {self.low} to {self.high}")

    def at(self, value: float) -> float:
        """The coordinate of a value, rounded to 0.01; values outside lie at the nearer end."""
        value = min(max(value, self.low), self.high)
        low, high = self.low, self.high
        if self.log:
            value, low, high = math.log(value), math.log(low), math.log(high)
        return round(self.start + (self.end - self.start) * (value - low) / (high - low), 2)


def spread(values: Iterable[float | None], *, metric: str = "", pad: float = 0.06) -> tuple[float, float]:
    """An interval around all values with some air, never empty: not below zero unless they are, and inside
    [0, 1] for fractions."""
    known = [v for v in values if v is not None and math.isfinite(v)] or [0.0, 1.0]
    low, high = min(known), max(known)
    air = pad * (high - low) or 0.05 * abs(high) or 0.5
    low, high = max(0.0, low - air) if low >= 0 else low - air, high + air
    if named(metric).percent or metric in BY_CLASS:
        low, high = max(0.0, low), min(1.0, high)
    return (low, high) if low < high else (low - 0.5, high + 0.5)


def ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten apart) inside [low, high]: as many as there may be."""
    power = 10.0 ** (math.floor(math.log10((high - low) / most)) - 1)
    for step in (m * 10.0**k * power for k in range(4) for m in (1, 2, 5)):
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        if last - first < most:
            break
    return [round(k * step, 12) + 0.0 for k in range(first, last + 1)]


def log_ticks(low: float, high: float, *, most: int = 6) -> list[float]:
    """1, 2 and 5 times powers of ten inside [low, high]; fewer of them over many decades."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    for steps in ((1, 2, 5), (1, 3), (1,)):
        found = [m * 10.0**p for p in powers for m in steps if low <= m * 10.0**p <= high]
        if len(found) <= most:
            return found
    return found[:: math.ceil(len(found) / most)]


def tick_text(value: float, metric: str = "") -> str:
    """40 % for fractions, 1,200 or 0.05 for the rest."""
    if named(metric).percent or metric in BY_CLASS:
        return f"{round(100 * value, 6):g} %"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def axis(scale: Scale, metric: str = "", *, most: int = 6) -> list[dict[str, Any]]:
    """Ticks as `at` and `text`."""
    found = (
        log_ticks(scale.low, scale.high, most=most) if scale.log else ticks(scale.low, scale.high, most=most)
    )
    return [{"at": scale.at(v), "text": tick_text(v, metric)} for v in found]


def path(points: Sequence[tuple[float, float]], *, closed: bool = False) -> str:
    """The `d` of an SVG path through the points; "" for fewer than two."""
    if len(points) < 2:
        return ""
    return "M" + "L".join(f"{x:g} {y:g}" for x, y in points) + ("Z" if closed else "")


def short(text: str, most: int) -> str:
    """At most `most` characters, with an ellipsis in the middle where some are left out."""
    if len(text) <= most:
        return text
    head = (most - 1) // 2
    return f"{text[:head]}…{text[len(text) - (most - 1 - head) :]}"

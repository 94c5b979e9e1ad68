"""Budget: how much time there is, how much is spent, and what a step may use."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from headstart.errors import BadOption

_UNITS = {"s": 1, "sec": 1, "min": 60, "m": 60, "h": 3600}
_PASSES = re.compile(r"\s*(\d+(?:\.\d+)?)\s*pass(?:es)?\s*")


def parse_seconds(text: str) -> float:
    """ "90s", "10min", "1.5h" or a bare number of seconds -> seconds.

    Raises `BadOption` for anything else, and for times that are not positive.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([a-z]*)\s*", text.lower())
    if match is None or (match[2] and match[2] not in _UNITS) or float(match[1]) <= 0:
        raise BadOption("--budget", text, "a time such as 90s, 10min or 2h")
    return float(match[1]) * _UNITS.get(match[2], 1)


def parse_passes(text: str) -> float | None:
    """ "3passes" -> 3.0; None for what is not written so. Raises `BadOption` for none at all."""
    match = _PASSES.fullmatch(text.lower())
    if match is not None and float(match[1]) <= 0:
        raise BadOption("--budget", text, "more passes than none")
    return None if match is None else float(match[1])


def words(seconds: float) -> str:
    """Seconds in words a person reads: "0.4 s", "14 s", "3 min 40 s", "2 h 5 min"."""
    if seconds < 1:
        return f"{seconds:.1f} s"
    total = round(seconds)
    if total < 60:
        return f"{total} s"
    if total < 3600:
        return f"{total // 60} min {total % 60} s" if total % 60 else f"{total // 60} min"
    minutes = round(total / 60)
    return f"{minutes // 60} h {minutes % 60} min" if minutes % 60 else f"{minutes // 60} h"


@dataclass(frozen=True)
class Budget:
    """A moment by which to stop. `None` means no limit."""

    seconds: float | None = None
    clock: Callable[[], float] = field(default=time.monotonic, repr=False)
    start: float = field(default=float("nan"))
    before: float = 0.0
    """Seconds that an interrupted run before this one had spent on what need not be done again."""

    def __post_init__(self) -> None:
        if self.start != self.start:  # not given
            object.__setattr__(self, "start", self.clock())

    @property
    def spent(self) -> float:
        return self.before + self.clock() - self.start

    @property
    def left(self) -> float:
        return float("inf") if self.seconds is None else self.seconds - self.spent

    @property
    def over(self) -> bool:
        return self.left <= 0

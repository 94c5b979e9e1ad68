"""What the end of a run takes: estimated like an arm, from this machine's own speed, and kept back for it.

The proof opens the saved model in a fresh process. That process imports and opens what this one has imported
and opened, so it takes as long as that took here. What follows the proof (the page) is made smaller where the
time does not suffice; the proof never is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

PAGE = 4.0
"""Seconds for the verdict, the insight and the page in full, on two cores: 2.5 s for 24 texts, 4 s for 7,000
pictures."""
PAGE_SHARE = 0.08
"""Of a small budget they get this share, and are made smaller."""
IMPORTS = (2.0, 8.0)
"""Least and most seconds that are believed of importing torch and what is needed besides."""
OPENED = 3.0
"""Seconds for opening a source, at the least: a process that had one open before imports nothing more."""
WARM = 2.5
"""Seconds for the choice of what ships, and for opening the copy where everything is imported."""
SOON = 120.0
"""Seconds before the end of the budget at which the fresh process may begin to import."""
PER_BYTE = 2e-8
"""Seconds for writing weights, reading them again and taking their digest."""
BEAT = 0.008
"""Seconds of a `pulse` on a usual core, for which what is not measured (closed forms) is estimated."""
BUSIER = 1.25
"""How much slower than at the start the machine must be before that is believed."""
MOST_BUSY = 3.0
MOST_UNUSUAL = 5.0
"""Most times by which a core may differ from a usual one."""
MEASURED = ("imports", "at_first", "opened", "crowded", "bytes")
"""Of a `Closing`, what is measured once in a run."""


class Standby(Protocol):
    """A fresh process for the proof that can be started before it is needed: `headstart.export.fresh`."""

    def start(self) -> None:
        """Start it; once it runs, let it import what this process has imported since."""

    @property
    def ready(self) -> bool:
        """Whether all of that is imported."""


def pulse() -> float:
    """Seconds of a small piece of work that is always the same."""
    start = time.perf_counter()
    sum(number * number for number in range(250_000))
    return time.perf_counter() - start


@dataclass
class Closing:
    """Seconds of the closing part."""

    budget: float
    imports: float = field(default_factory=time.process_time)
    """Processor time that this process took until it could begin."""
    beat: Callable[[], float] = pulse
    at_first: float = 0.0
    """What `beat` took at the start."""
    opened: float = OPENED
    """Seconds that opening the slowest source took, imports and all."""
    crowded: float = 1.0
    """Seconds by the clock for each of processor time while it was opened: more than 1 on a busy machine."""
    startup: float = 0.0
    """Seconds that importing libraries and opening the first source took."""
    bytes: int = 0
    """Of the largest source's weights."""
    standby: Standby | None = None
    started: float | None = None
    """When the fresh process was started."""
    clock: Callable[[], float] = time.monotonic

    def __post_init__(self) -> None:
        self.at_first = self.at_first or min(self.beat() for _ in range(3))

    def note(self, seconds: float, processor: float, size: int) -> None:
        """That a source of so many bytes was opened, in seconds by the clock and of processor time."""
        self.startup += seconds if not self.bytes else 0.0
        here = min(seconds, MOST_BUSY * processor)  # the fresh process waits for no download
        if here > self.opened:
            self.opened, self.crowded = here, min(MOST_BUSY, max(1.0, seconds / max(processor, 1e-3)))
        self.bytes = max(self.bytes, size)

    def measured(self) -> dict[str, float]:
        """What was measured of this machine, by name: a resumed run counts with what it began with."""
        return {name: float(getattr(self, name)) for name in MEASURED}

    def again(self, measured: Mapping[str, Any]) -> None:
        """Count with what an earlier process of the run has measured."""
        for name in MEASURED:
            if name in measured:
                setattr(self, name, float(measured[name]))

    @property
    def proof(self) -> float:
        """Seconds for saving the model and opening it in a fresh process, at the pace of the start."""
        imports = self.crowded * min(max(self.imports, IMPORTS[0]), IMPORTS[1]) + self.opened
        if self.started is not None and self.standby is not None:
            ready = self.standby.ready
            imports = 0.0 if ready else max(0.0, imports - (self.clock() - self.started))
        return imports + self.crowded * (WARM + PER_BYTE * self.bytes)

    def warm(self, left: float) -> None:
        """Start the fresh process when the end is near: it takes memory, but on a second core no time."""
        if self.standby is not None and self.started is None and left < max(SOON, 4 * self.proof):
            self.standby.start()
            self.started = self.clock()

    @property
    def page(self) -> float:
        """Seconds kept back for what can be made smaller."""
        return min(PAGE, PAGE_SHARE * self.budget)

    @property
    def usual(self) -> float:
        """How often the time of a usual core what is not measured takes here, as it was at the start."""
        return min(max(self.at_first / BEAT, 1 / MOST_UNUSUAL), MOST_UNUSUAL)

    def slower(self) -> float:
        """How much slower the machine is now than at the start; 1 where it is not clearly so."""
        now = self.beat() / self.at_first
        return 1.0 if now < BUSIER else min(now, MOST_BUSY)

    def seconds(self) -> float:
        """What it would take now."""
        return self.slower() * (self.proof + self.page)

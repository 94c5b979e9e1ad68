"""What every process of a comparison prints last: one line of JSON."""

from __future__ import annotations

import itertools
import json
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

T = TypeVar("T")


def say(**found: Any) -> None:
    print(json.dumps(found), flush=True)


def timed(work: Callable[[], T]) -> tuple[T, dict[str, float]]:
    """What `work` gives, and the seconds that it took: on the clock, and of the processor."""
    clock, processor = time.perf_counter(), time.process_time()
    result = work()
    return result, {
        "seconds": time.perf_counter() - clock,
        "processor": time.process_time() - processor,
    }


def between(marks: Sequence[tuple[float, float]]) -> dict[str, float]:
    """The median step between moments (clock, processor), in seconds."""
    pairs = list(itertools.pairwise(marks))
    kinds = ("seconds", "processor")
    return {kind: statistics.median(b[i] - a[i] for a, b in pairs) for i, kind in enumerate(kinds)}

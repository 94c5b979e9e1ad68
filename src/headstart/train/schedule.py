"""Learning rate over time, as a pure function of the step."""

from __future__ import annotations

import math

WARM_UP = 0.1
"""Share of the steps during which the rate rises linearly."""
HEAD_BOOST = 10.0
"""The head learns this much faster than the trunk while the rate rises."""


def warm_steps(steps: int) -> int:
    """Number of warm-up steps: a tenth of all, rounded up; none when there is only one step."""
    return math.ceil(WARM_UP * steps) if steps > 1 else 0


def rate(step: int, steps: int) -> float:
    """Share of the peak learning rate at `step` (0-based) of `steps`: up linearly, down by a half cosine.

    The first step already learns, and the last one learns almost nothing.
    """
    warm = warm_steps(steps)
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def head_rate(step: int, steps: int, boost: float = HEAD_BOOST) -> float:
    """The same for the head: `boost` times higher during the first tenth."""
    return rate(step, steps) * (boost if step < warm_steps(steps) else 1.0)

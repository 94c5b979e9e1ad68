"""Long recordings in windows that end where it is quietest: no word is cut in two, or said twice."""

from __future__ import annotations

import numpy as np

from headstart.modalities.audio.decoding._decode import Recording

LOOKED_AT = 5.0
"""Seconds before the end of a window in which the next one may begin."""
PAUSE = 0.2
"""Seconds over which loudness is averaged to find a pause."""


def windows(opened: Recording, seconds: float) -> list[tuple[float, float, Recording]]:
    """(begin, end, what is between) in seconds, in order and without gaps, each of at most so many."""
    samples, rate = opened.samples, opened.rate
    size, starts = round(seconds * rate), [0]
    while len(samples) - starts[-1] > size:
        starts.append(starts[-1] + _quietest(samples[starts[-1] : starts[-1] + size], rate))
    ends = [*starts[1:], len(samples)]
    return [
        (start / rate, end / rate, Recording(samples[start:end], rate, (end - start) / rate, opened.channels))
        for start, end in zip(starts, ends, strict=True)
    ]


def _quietest(window: np.ndarray, rate: int) -> int:
    """The middle of the quietest stretch near the end of a window; of equals the last."""
    span = max(1, round(PAUSE * rate))
    first = max(1, len(window) - round(LOOKED_AT * rate))
    total = np.concatenate([[0.0], np.cumsum(np.square(window[first:], dtype=np.float64))])
    if len(total) <= span:
        return len(window)
    loudness = (total[span:] - total[:-span]).round(12)[::-1]
    return int(first + len(loudness) - 1 - int(np.argmin(loudness)) + span // 2)

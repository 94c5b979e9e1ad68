"""Numbers to predict that cannot be meant: one far from all others, and one that stands for missing.

What is skewed is no mistake: numbers that are all positive are judged by their logarithms too. On draws of 60
to 100,000 log-normal numbers with spreads of 0.25 to 2 nothing is told.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from headstart.core import words
from headstart.core.dataset import Dataset
from headstart.data.checks.findings import Finding, finding

LEAST = 10
"""Numbers from which on any is judged."""
FEW = 0.05
"""Share of the numbers that may lie far from the others; more of them are a part of what is to be learnt."""
MIDDLE = 0.9
"""The share of the numbers by whose distance from the middle the others are judged."""
FAR, FAR_BENT = 20, 4
"""How many times as far a number lies; and on the bent scale, where growth by a factor is a step."""
GAP = 2
"""The same of the distance to the next number, on the bent scale."""
BEYOND, BEYOND_BENT = 3, 3
"""Of a number that recurs: how many times as far it lies as any other, and on the bent scale as most."""
NINES = frozenset({-(10.0**k - 1) for k in range(1, 10)} | {10.0**k - 1 for k in range(3, 10)} | {-1.0})
"""-1, -9, -99, ... and 999, 9999, ...: what is written for "missing" into columns of numbers."""


def findings(dataset: Dataset) -> Iterator[Finding]:
    """HS320 and HS321 for the numbers of a regression."""
    assert dataset.task is not None
    rows = np.flatnonzero(dataset.labelled)
    y, name = np.asarray(dataset.targets[rows], np.float64), dataset.task.labels[0]
    marks = _marks(y)
    for mark in marks:
        count = int((y == mark).sum())
        said = f"{count:,} of {len(y):,} values {'is' if count == 1 else 'are'} {words.plain(mark)}"
        yield finding("HS321", name, f"{said}: a mark for missing?")
    kept = ~np.isin(y, marks)
    rows, y = rows[kept], y[kept]
    far = _far(y)
    if len(far):
        others = np.delete(y, far)
        middle = np.median(others)
        times = np.abs(y[far] - middle).min() / np.abs(others - middle).max()
        shown = words.few(
            far.tolist(), 3, each=lambda i: f"{dataset.items[rows[i]].id}: {words.plain(y[i], 7)}"
        )
        lies = "lies" if len(far) == 1 else "lie"
        text = f"{len(far)} of {len(kept):,} values ({shown}) {lies} {words.plain(times, 2)} times as far"
        yield finding("HS320", name, f"{text} from the middle as any other")


def _marks(y: np.ndarray) -> list[float]:
    """Numbers that stand at one end, outside the rest, and recur or are written as people write "missing"."""
    found: list[float] = []
    for end in (np.min, np.max):
        if len(y) < LEAST:
            break
        mark = float(end(y))
        others = y[(y != mark) & ~np.isin(y, found)]
        count = int((y == mark).sum())
        if (
            len(others) >= LEAST / 2
            and count <= len(others)
            and (_is_nines(mark, others, count) or (count > 1 and _beyond(mark, others)))
        ):
            found.append(mark)
    return found


def _is_nines(mark: float, others: np.ndarray, count: int) -> bool:
    """Whether it is such a number, and no other is like it."""
    if mark not in NINES:
        return False
    if mark > 0:
        return count > 1 and mark > 2 * others.max()
    if mark == -1:  # which is also a step below 0
        return bool(count > 1 and others.min() > 0 and len(np.unique(others)) > LEAST)
    return bool((count > 1 or mark <= -99) and others.min() >= 0)


def _beyond(mark: float, others: np.ndarray) -> bool:
    """Whether a number lies far outside the others."""
    distance = np.abs(others - np.median(others))
    bent = _bent(np.append(others, mark), others)
    spread = np.quantile(np.abs(bent[:-1]), MIDDLE)
    gap = np.abs(bent[:-1] - bent[-1]).min()
    away = abs(mark - np.median(others)) > BEYOND * distance.max()
    return bool(away and spread > 0 and abs(bent[-1]) > BEYOND_BENT * spread and gap > GAP * spread)


def _far(y: np.ndarray) -> np.ndarray:
    """The places of the few numbers far from all others."""
    if len(y) < LEAST:
        return np.zeros(0, np.int64)
    distance, bent = np.abs(y - np.median(y)), _bent(y, y)
    usual, spread = np.quantile(distance, MIDDLE), np.quantile(np.abs(bent), MIDDLE)
    far = np.flatnonzero((distance > FAR * usual) & (np.abs(bent) > FAR_BENT * spread))
    if not usual or not spread or not 0 < len(far) <= max(1, FEW * len(y)):
        return np.zeros(0, np.int64)
    rest = np.delete(bent, far)
    apart = [np.abs(rest - bent[i]).min() > GAP * spread for i in far]
    return far[np.array(apart)]


def _bent(y: np.ndarray, usual: np.ndarray) -> np.ndarray:
    """Distances from the middle of the `usual` numbers on a scale where growth by a factor is a step."""
    if (y > 0).all():
        return np.asarray(np.log(y) - np.median(np.log(usual)))
    middle = np.median(usual)
    spread = np.median(np.abs(usual - middle))
    return np.arcsinh((y - middle) / spread) if spread > 0 else np.zeros_like(y)

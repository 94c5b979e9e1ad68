"""Nested portions of a training part: a few labels, and ever more of them around the same few."""

from __future__ import annotations

import numpy as np

from headstart.core.split import Split
from headstart.core.task import CLASSIFICATION, MULTILABEL, Task

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)
FIFTHS = 5
"""Values of a regression are drawn evenly from so many parts of their range."""


def sizes(total: int, classes: int) -> list[int]:
    """An eighth, a quarter, a half and all of the training rows, without those too small for the classes.

    The least is two rows a class, or one where two would leave fewer than three sizes.
    """
    least = 2 * classes if 2 * classes <= total / 4 else classes
    found = sorted({max(least, round(share * total)) for share in SHARES})
    return [n for n in found if n <= total and (n == total or n <= 0.75 * total)]


def strata(task: Task, y: np.ndarray) -> np.ndarray:
    """int64 `[N]`: the class, the rarest label that an item has (-1: none), or the fifth of the range."""
    if task.kind == CLASSIFICATION:
        return np.asarray(y, np.int64)
    if task.kind == MULTILABEL:
        yes = np.asarray(y) > 0.5
        count = np.where(yes, yes.sum(axis=0), len(y) + 1)
        return np.where(yes.any(axis=1), count.argmin(axis=1), -1)
    rank = np.argsort(np.argsort(y, kind="stable"), kind="stable")
    return np.asarray(rank * FIFTHS // max(1, len(rank)), np.int64)


def nested(strata: np.ndarray, groups: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """(places `[N]`, ends `[G]`): an order of the rows whose every beginning has each stratum's share.

    The first two groups of every stratum come first; groups stay together, and `ends` says how many rows
    are in the order once each is complete. A group belongs to the stratum of its first row.
    """
    _, first, unit = np.unique(groups, return_index=True, return_inverse=True)
    of_group = strata[first]
    key = np.empty(len(first))
    for stratum in np.unique(of_group):
        mine = rng.permutation(np.flatnonzero(of_group == stratum))
        turn = np.arange(len(mine))
        # evenly through the order, from a random start; the first two before everything
        key[mine] = np.where(
            turn < 2, turn - 2 + rng.random(len(mine)) / 2, (turn + rng.random()) / len(mine)
        )
    place = np.argsort(np.argsort(key, kind="stable"), kind="stable")[unit]
    order = np.argsort(place, kind="stable")
    return order, np.cumsum(np.bincount(place))


def beginning(order: np.ndarray, ends: np.ndarray, n: int) -> np.ndarray:
    """The first whole groups of the order that make at least `n` rows (or all)."""
    return order[: ends[min(int(np.searchsorted(ends, n)), len(ends) - 1)]]


def blind_sample(split: Split, most: int, *, seed: int) -> np.ndarray:
    """int64: about `most` development rows at most, whole groups, drawn without looking at labels; sorted."""
    rows = np.sort(split.development)
    if len(rows) <= most:
        return rows
    _, unit = np.unique(split.groups[rows], return_inverse=True)
    place = np.random.default_rng(seed).permutation(unit.max() + 1)[unit]
    return np.sort(rows[np.argsort(place, kind="stable")[:most]])

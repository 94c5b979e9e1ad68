"""Nested portions of a training part: a few labels, and ever more of them around the same few."""

from __future__ import annotations

from collections import Counter

import numpy as np

from headstart import tasks
from headstart.core.task import Task

SHARES = (1 / 8, 1 / 4, 1 / 2, 1.0)


def sizes(total: int, classes: int) -> list[int]:
    """An eighth, a quarter, a half and all of the training rows, without those too small for the classes.

    The least is two rows a class, or one where two would leave fewer than three sizes.
    """
    least = 2 * classes if 2 * classes <= total / 4 else classes
    found = sorted({max(least, round(share * total)) for share in SHARES})
    return [n for n in found if n <= total and (n == total or n <= 0.75 * total)]


def strata(task: Task, y: np.ndarray) -> np.ndarray:
    """int64 `[N]`: the class, the rarest label that an item has (-1: none), or the fifth of the range."""
    of_row = tasks.for_task(task).strata(y)
    count = Counter(stratum for some in of_row for stratum in some)
    rarest = [min(some, key=lambda stratum: (count[stratum], stratum < 0, stratum)) for some in of_row]
    return np.array(rarest, np.int64)


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

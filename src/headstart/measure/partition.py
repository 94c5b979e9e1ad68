"""Rows in parts of whole groups, for what must be chosen on other rows than it is judged by."""

from __future__ import annotations

import numpy as np

from headstart.core.split import Split
from headstart.measure.intervals import units

PARTS = 5
"""Parts of whole groups that stand in for folds where an arm was only held out once."""


def held_out_parts(
    split: Split, covered: np.ndarray, *, seed: int
) -> list[tuple[int, np.ndarray, np.ndarray]]:
    """(repeat, rows with a prediction there, all rows to hide while they are looked at), int64 rows.

    The folds of `covered` bool `[R, N]`; where a single fold is, `PARTS` parts of it, groups together.
    """
    folds = [
        (fold.repeat, fold.test[covered[fold.repeat, fold.test]], fold.test)
        for fold in split.folds
        if fold.repeat < len(covered)
    ]
    folds = [entry for entry in folds if len(entry[1])]
    if len(folds) != 1:
        return folds
    repeat, rows, _ = folds[0]
    unit, n = units(len(rows), split.groups[rows])
    part = np.random.default_rng(seed).permutation(n)[unit] % min(PARTS, n)
    return [(repeat, rows[part == k], rows[part == k]) for k in range(min(PARTS, n))]


def first_repeat(split: Split, rows: np.ndarray) -> np.ndarray:
    """int64 `[n]`: the fold of the first repeat that holds each row out; with a single one, `PARTS` parts."""
    number = np.zeros(len(rows), np.int64)
    for place, fold in enumerate(fold for fold in split.folds if fold.repeat == 0):
        number[np.isin(rows, fold.test)] = place
    if len(np.unique(number)) > 1:
        return number
    unit, n = units(len(rows), split.groups[rows])
    order = np.random.default_rng(split.seed).permutation(n)
    return np.asarray(order[unit] % min(PARTS, max(2, n)))


OWN = 0x48454144
"""Part of the seed of what is drawn here: data that were shuffled by `default_rng(seed).permutation` would
be drawn by that very permutation in the order they had before it, one class first."""


def drawn(n: int, most: int, *, seed: int) -> np.ndarray:
    """int64: at most `most` of `n` places, at random, in increasing order."""
    return np.sort(np.random.default_rng((OWN, seed)).permutation(n)[:most])


def blind_sample(split: Split, most: int, *, seed: int) -> np.ndarray:
    """int64: about `most` development rows at most, whole groups, drawn without looking at labels; sorted."""
    rows = np.sort(split.development)
    if len(rows) <= most:
        return rows
    _, unit = np.unique(split.groups[rows], return_inverse=True)
    place = np.random.default_rng((OWN, seed)).permutation(unit.max() + 1)[unit]
    return np.sort(rows[np.argsort(place, kind="stable")[:most]])

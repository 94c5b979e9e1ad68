"""Choosing what a linear model reads: leave-one-out ridge of every block of features, then a greedy union.

Everything is done in the dual: a block is a Gram matrix of rows, a union of blocks is a sum of those. What is
solved for all rows at a penalty serves every fold: a training part takes the other rows out of it, exactly
(`measure.ridge.Dual`). The errors are PRESS (Allen, Technometrics 1974); the idea of reading several layers
is that of Head2Toe (Evci et al., ICML 2022).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from headstart.measure.ridge import Dual, centred_gram
from headstart.measure.spectral import standardise

RELATIVE = tuple(10.0**exponent for exponent in range(-3, 3))
"""Penalties tried, as multiples of the mean eigenvalue of the centred Gram matrix of all rows."""
FIRST = 3
"""Position of the penalty that is tried first; it is the best one most of the time."""
ROUNDING = 1e-6
"""A fall by less than this share is no fall."""
SELECTION_ROWS = 500
"""Training rows that selection looks at. The work grows with their cube, and more choose no better
(`benchmarks/NOTES.md`)."""
KEPT = 384 * 2**20
"""Bytes of solved problems that are kept for the folds to come."""


@dataclass(frozen=True)
class Blocks:
    """Gram matrices of standardised blocks of features on some rows of a data set, for a part of these."""

    rows: np.ndarray
    """int64 `[m]`: the part, as row numbers of the data set, in increasing order."""
    places: np.ndarray = field(repr=False)
    """int64 `[m]`: where they are in the Gram matrices."""
    grams: Mapping[str, np.ndarray] = field(repr=False)
    """float32 `[n, n]` for each block."""
    widths: Mapping[str, int]
    solved: dict[tuple[frozenset[str], int], Dual | None] = field(default_factory=dict, repr=False)
    """What is known already by blocks and penalty; all parts have it in common."""

    @classmethod
    def of(cls, features: Mapping[str, np.ndarray], rows: np.ndarray) -> Blocks:
        """Blocks `[n, D]` that belong to `rows`, standardised over these rows: labels play no part."""
        grams = {}
        for name, block in features.items():
            standard = standardise(block)[0].astype(np.float32)
            grams[name] = standard @ standard.T
        return cls(
            rows, np.arange(len(rows)), grams, {name: block.shape[1] for name, block in features.items()}
        )

    def among(self, rows: np.ndarray) -> Blocks:
        """The part that belongs to those of `rows` that are here."""
        inside = np.isin(self.rows, rows)
        return replace(self, rows=self.rows[inside], places=self.places[inside])

    def left_out(
        self, names: Sequence[str], index: int, targets: np.ndarray, groups: np.ndarray | None = None
    ) -> np.ndarray:
        """float64 `[m, K]`: residuals of the part's targets, each row (or group) left out, by the named
        blocks side by side at the penalty of that index; infinite where there is no solution."""
        key = frozenset(names), index
        if key in self.solved:
            dual = self.solved[key]
        else:
            total = np.zeros((), np.float64)
            for name in sorted(key[0]):
                total = total + self.grams[name]
            centred = centred_gram(total)
            unit = max(float(np.trace(centred)) / len(centred), 1e-30)
            dual = Dual.of(centred, RELATIVE[index] * unit)
            if (len(self.solved) + 1) * centred.nbytes <= KEPT:
                self.solved[key] = dual
        if dual is None:
            return np.full(targets.shape, np.inf)
        return dual.left_out(targets, self.places, groups)


@dataclass(frozen=True)
class Errors:
    """Leave-one-out errors at the best of the ridge penalties tried."""

    squared: np.ndarray = field(repr=False)
    """float64 `[n]`, summed over targets."""
    predictions: np.ndarray = field(repr=False)
    """float64 `[n, K]`"""
    relative: float
    """The penalty, as a multiple of the mean eigenvalue."""

    @property
    def mse(self) -> float:
        return float(self.squared.mean())

    def standard_error(self, groups: np.ndarray | None = None) -> float:
        """Of `mse`, over rows or groups `[n]`; NaN with fewer than two."""
        return _standard_error(self.squared, groups)


def leave_one_out(
    blocks: Blocks,
    names: Sequence[str],
    targets: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    walk: bool = True,
    tried: dict[int, Errors] | None = None,
) -> Errors:
    """Exact leave-one-out (or leave-one-group-out) errors of ridge regression with an intercept on blocks.

    `targets` is `[m, K]`, of the part that `blocks` is of. A handful of penalties is walked downhill from the
    usual one (without `walk` it is taken). `tried` keeps what was found at each penalty, and is not computed
    again.
    """
    tried = {} if tried is None else tried

    def at(index: int) -> float:
        if index not in tried:
            left_out = blocks.left_out(names, index, targets, groups)
            squared = np.einsum("nk,nk->n", left_out, left_out)
            tried[index] = Errors(squared, targets - left_out, RELATIVE[index])
        return tried[index].mse

    best = FIRST
    at(best)
    for step in (-1, 1) if walk else ():
        while 0 <= best + step < len(RELATIVE) and at(best + step) < at(best):
            best += step
    return tried[best]


# choosing


@dataclass(frozen=True)
class Rules:
    """How blocks are put together. Gains are in standard errors of the paired difference.

    The usual block is protected: choosing layers by what looks best loses to it. `benchmarks/depth.py` has
    what each rule wins and loses against it, on items that nobody looked at.
    """

    replace: float = 1.0
    """The usual block makes way for a better one when the squared error falls by more than this."""
    add: float = 1.0
    """A block is added when the squared error falls by more than this."""
    fewest: int = 16
    """Rows (or groups) below which the usual block stays: of fewer the standard error is no guide."""
    blocks: int = 6
    width: int = 2_500
    """Most blocks, and most features of all of them."""
    refusals: int = 4
    """The search ends after so many blocks in a row that did not help."""
    closer: int = 3
    """Blocks whose penalty is searched, after all were tried at the usual one."""


@dataclass(frozen=True)
class Chosen:
    """What was chosen, in the order it was."""

    names: tuple[str, ...]
    errors: Errors


def profile(blocks: Blocks, targets: np.ndarray, groups: np.ndarray | None = None) -> dict[str, Errors]:
    """Leave-one-out errors of each block by itself."""
    return {name: leave_one_out(blocks, [name], targets, groups) for name in blocks.grams}


def choose(
    blocks: Blocks,
    targets: np.ndarray,
    groups: np.ndarray | None = None,
    *,
    usual: str,
    rules: Rules = Rules(),
) -> Chosen:
    """The usual block or a clearly better one, joined by others as long as each lowers the error.

    Blocks are considered in the order of their own leave-one-out errors (ties: the order given).
    `targets` are float64 `[n, K]`. Where there is nothing to choose by (fewer rows or groups than the rules
    ask for) it is the usual block.
    """
    units = len(blocks.rows) if groups is None else len(np.unique(groups))
    if len(blocks.grams) == 1 or units < rules.fewest:
        unknown = Errors(np.full(len(targets), np.nan), np.full_like(targets, np.nan), float("nan"))
        return Chosen((usual,), unknown)
    tried: dict[str, dict[int, Errors]] = {name: {} for name in blocks.grams}

    def alone(name: str, *, walk: bool) -> Errors:
        return leave_one_out(blocks, [name], targets, groups, walk=walk, tried=tried[name])

    roughly = {name: alone(name, walk=False).mse for name in blocks.grams}
    order = sorted(blocks.grams, key=lambda name: roughly[name])
    closely = {name: alone(name, walk=True) for name in (usual, *order[: rules.closer])}
    start = min(closely, key=lambda name: closely[name].mse)
    if not better(closely[start], closely[usual], rules.replace, groups):
        start = usual
    return _extend(blocks, targets, groups, rules, Chosen((start,), closely[start]), order)


def _extend(
    blocks: Blocks,
    targets: np.ndarray,
    groups: np.ndarray | None,
    rules: Rules,
    chosen: Chosen,
    order: Sequence[str],
) -> Chosen:
    refused = 0
    for name in order:
        if len(chosen.names) == rules.blocks or refused == rules.refusals:
            break
        width = sum(blocks.widths[n] for n in (*chosen.names, name))
        if name in chosen.names or width > rules.width:
            continue
        errors = leave_one_out(blocks, (*chosen.names, name), targets, groups)
        if better(errors, chosen.errors, rules.add, groups):
            chosen, refused = Chosen((*chosen.names, name), errors), 0
        else:
            refused += 1
    return chosen


def better(new: Errors, old: Errors, gain: float, groups: np.ndarray | None = None) -> bool:
    """Whether the squared error falls by more than `gain` standard errors of the paired difference."""
    fall = old.squared - new.squared
    error = _standard_error(fall, groups)
    return not np.isnan(error) and bool(fall.mean() > max(gain * error, ROUNDING * old.mse))


def _standard_error(values: np.ndarray, groups: np.ndarray | None) -> float:
    """Of the mean of per-row values; rows of one group count as one. NaN with fewer than two."""
    if groups is not None:
        _, inverse = np.unique(groups, return_inverse=True)
        values = np.bincount(inverse, values) * (inverse.max() + 1) / len(values)
    return float(values.std(ddof=1) / np.sqrt(len(values))) if len(values) > 1 else float("nan")

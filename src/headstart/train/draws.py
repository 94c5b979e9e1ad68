"""Random numbers that are a function of (seed, epoch, row): no generator, hence no order to keep.

A training that is stopped and resumed, or that visits the rows in another order, meets the same
numbers. The mixing function is the finaliser of SplitMix64 (Steele, Lea & Flood, OOPSLA 2014).
"""

from __future__ import annotations

import numpy as np

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def _mix(x: np.ndarray) -> np.ndarray:
    """uint64 -> uint64, bijective, every input bit reaching every output bit."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(x ^ (x >> np.uint64(31)))


def uniforms(seed: int, epoch: int, rows: np.ndarray, count: int, *, purpose: int = 0) -> np.ndarray:
    """float64 `[len(rows), count]` in [0, 1): `count` independent draws for each row of an epoch.

    Different purposes (flips, choice of a view, ...) get unrelated numbers.
    """
    with np.errstate(over="ignore"):  # arithmetic modulo 2^64 is what is wanted
        state = np.asarray([seed], dtype=np.int64).astype(np.uint64)
        for part in (purpose, epoch):
            state = _mix(state + _GOLDEN * np.uint64(part + 1))
        state = _mix(state + _GOLDEN * (np.asarray(rows, dtype=np.int64).astype(np.uint64) + np.uint64(1)))
        column = _GOLDEN * np.arange(1, count + 1, dtype=np.uint64)
        bits = _mix(state[:, None] + column[None, :])  # [B, 1] + [1, count] -> [B, count]
    return np.asarray((bits >> np.uint64(11)) * 2.0**-53)


def order(seed: int, epoch: int, n: int) -> np.ndarray:
    """int64 `[n]`: the order of an epoch, a permutation."""
    return np.argsort(uniforms(seed, epoch, np.arange(n), 1, purpose=_ORDER)[:, 0], kind="stable")


def choose(seed: int, epoch: int, rows: np.ndarray, options: int) -> np.ndarray:
    """int64 `[len(rows)]` in [0, options): one choice for each row, such as its view."""
    draws = uniforms(seed, epoch, rows, 1, purpose=_CHOICE)[:, 0]
    return np.minimum((draws * options).astype(np.int64), options - 1)


_ORDER, _CHOICE = 101, 102

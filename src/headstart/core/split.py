"""Split: which rows are held out when. One object, shared by every arm of a comparison."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart.core import fingerprint


@dataclass(frozen=True, eq=False)
class Fold:
    """One division of the development rows. Both are int64 row numbers of the data set."""

    repeat: int
    train: np.ndarray
    test: np.ndarray


@dataclass(frozen=True, eq=False)
class Split:
    """Repeated folds over the development rows, and a test part that is touched once.

    Folds are ordered by repeat; within a repeat every development row is held out exactly once
    (with a single hold-out, `repeats == 1` and only the rows of that hold-out are). Rows of a class
    that lives in a single group are in every training part: without them it could not be learnt.
    An arm that cannot afford all folds runs the first ones.
    """

    development: np.ndarray
    """int64: the rows that may be used for training and selection."""
    test: np.ndarray
    """int64: the given test rows; empty when none were given."""
    folds: tuple[Fold, ...]
    groups: np.ndarray
    """int64 `[N]`: a number for each row of the data set; no fold parts equal numbers.

    `test` may hold rows of a group that `development` has too: a given part is taken as it is.
    """
    seed: int
    kind: str
    """In words, e.g. "10 repeats of 5 stratified folds"."""
    domains: tuple[str, ...] = ()
    """The domain that each fold holds out, where folds are by domain."""

    @property
    def repeats(self) -> int:
        return 1 + max((fold.repeat for fold in self.folds), default=-1)

    def fingerprint(self) -> str:
        parts = [fingerprint.of_array(self.development), fingerprint.of_array(self.test)]
        for fold in self.folds:
            parts += [str(fold.repeat), fingerprint.of_array(fold.train), fingerprint.of_array(fold.test)]
        return fingerprint.of_parts(parts)

    def to_json(self) -> dict[str, Any]:
        """A summary for reports; the rows themselves follow from data and seed."""
        return {
            "kind": self.kind,
            "seed": self.seed,
            "development": len(self.development),
            "test": len(self.test),
            "folds": len(self.folds),
            "repeats": self.repeats,
            "fingerprint": self.fingerprint(),
        }

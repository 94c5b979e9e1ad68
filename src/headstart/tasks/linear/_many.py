"""Very many labels: ridge regression on the labels, its outputs turned into logits by one temperature.

Logistic regression takes hundreds of products of rows x columns x labels; ridge takes one. With two
thousand labels and a handful of items each the two choose nearly the same labels.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from headstart.measure.calibration import fit_temperature
from headstart.measure.partition import drawn
from headstart.measure.ridge import coefficients, loo_ridge, sketched
from headstart.measure.spectral import basis, standardise
from headstart.tasks.base.fits import Linear

LOOKED = 4_000
"""Rows by which penalty and temperature are chosen."""
CELLS, FEWEST = 1e7, 500
"""Rows x labels that are worked on at once; where there are more labels the temperature is chosen by fewer
rows, but not fewer than that."""
STEEP = 10.0
"""Logits of one: a ridge output goes from about 0 to about 1."""


if TYPE_CHECKING:
    from scipy import sparse

Targets: TypeAlias = "np.ndarray | sparse.csr_array"


def fit_many(
    features: np.ndarray,
    targets: Targets,
    *,
    groups: np.ndarray | None = None,
    seed: int = 0,
) -> Linear:
    """The model of `K` outputs on raw features `[N, D]`, from targets `[N, K]` of 0/1.

    The penalty has the least leave-one-out squared error, the temperature the least leave-one-out log-loss;
    each label counts as one class, or as a yes or no, as the rows of `targets` say. Nothing of rows x labels
    is whole in memory but the targets, which may be sparse.
    """
    standard, scaling = standardise(features)
    some = drawn(len(standard), LOOKED, seed=seed)
    looked, units = basis(standard[some]), None if groups is None else groups[some]
    known = targets[some]
    chosen = loo_ridge(looked, _dense(sketched(known)), groups=units).relative
    few = drawn(len(some), max(FEWEST, int(CELLS // targets.shape[1])), seed=seed)
    found = (loo_ridge(looked, part, groups=units, relative=[chosen]) for part in _columns(known))
    left_out = np.concatenate([loo.predictions[few] for loo in found], axis=1)
    single = bool((targets.sum(axis=1) == 1).all())
    truth = np.asarray(known.argmax(axis=1)).ravel()[few] if single else _dense(known[few])
    slope = STEEP / fit_temperature(STEEP * (left_out - 0.5), truth)
    whole = basis(standard)
    penalty = chosen * (float(whole.s2.mean()) if len(whole.s2) else 1.0)
    solved = [coefficients(whole, part, penalty) for part in _columns(targets)]
    weight, bias = (np.concatenate(some) for some in zip(*solved, strict=True))
    return Linear(*scaling.fold(slope * weight, slope * (bias - 0.5)), penalty, ridge=True)


def _columns(targets: Targets) -> Iterator[np.ndarray]:
    """The targets float64 `[N, k]` of so many labels at a time that they are no more than `CELLS`."""
    rows, labels = targets.shape
    step = max(1, int(CELLS // max(1, rows)))
    by_column = targets if isinstance(targets, np.ndarray) else targets.tocsc()
    for start in range(0, labels, step):
        yield _dense(by_column[:, start : start + step])


def _dense(targets: Targets) -> np.ndarray:
    return targets if isinstance(targets, np.ndarray) else np.asarray(targets.toarray())

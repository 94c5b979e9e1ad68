"""Very many labels: ridge regression on the labels, its outputs turned into logits by one temperature.

Logistic regression takes hundreds of products of rows x columns x labels; ridge takes one. With two
thousand labels and a handful of items each the two choose nearly the same labels.
"""

from __future__ import annotations

import numpy as np

from headstart.measure.calibration import fit_temperature
from headstart.measure.partition import drawn
from headstart.measure.ridge import coefficients, loo_ridge, sketched
from headstart.measure.spectral import basis, standardise
from headstart.tasks.base import Linear

LOOKED = 4_000
"""Rows by which penalty and temperature are chosen."""
STEEP = 10.0
"""Logits of one: a ridge output goes from about 0 to about 1."""


def fit_many(
    features: np.ndarray, targets: np.ndarray, *, groups: np.ndarray | None = None, seed: int = 0
) -> Linear:
    """The model of `K` outputs on raw features `[N, D]`, from targets float64 `[N, K]` of 0/1.

    The penalty has the least leave-one-out squared error, the temperature the least leave-one-out log-loss;
    each label counts as one class, or as a yes or no, as the rows of `targets` say.
    """
    standard, scaling = standardise(features)
    some = drawn(len(standard), LOOKED, seed=seed)
    looked, units = basis(standard[some]), None if groups is None else groups[some]
    chosen = loo_ridge(looked, sketched(targets[some]), groups=units).relative
    loo = loo_ridge(looked, targets[some], groups=units, relative=[chosen])
    single = bool((targets.sum(axis=1) == 1).all())
    truth = targets[some].argmax(axis=1) if single else targets[some]
    slope = STEEP / fit_temperature(STEEP * (loo.predictions - 0.5), truth)
    whole = basis(standard)
    penalty = loo.relative * float(whole.s2.mean()) if len(whole.s2) else loo.penalty
    weight, bias = coefficients(whole, targets, penalty)
    return Linear(*scaling.fold(slope * weight, slope * (bias - 0.5)), penalty, ridge=True)

"""Leave-one-out ridge regression: how well a linear model of the features does on rows it has not seen.

Allen, "The relationship between variable selection and data augmentation and a method for prediction",
Technometrics 1974. The closed form is that of `headstart.measure.ridge`; here rows may also have weights.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from headstart.measure.ridge import Loo, coefficients, loo_ridge, sketched
from headstart.measure.spectral import Basis, Scaling, basis, standardise

MANY = 64
"""Targets from which on the penalty is chosen by a random projection of them onto as many."""


def loo(
    features: np.ndarray,
    targets: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Loo:
    """Leave-one-out (with `groups` int `[N]`: leave-one-group-out) predictions at the best of 19 penalties.

    `features` `[N, D]` are z-scored here, `targets` float64 `[N, K]` (`one_hot` for classes). `weights`
    float64 `[N]` say how often each row counts. Equal to fitting N times on features scaled by all rows. The
    penalty has the least (weighted) squared error; -`mse` and `accuracy` of what is returned are the scores.

    Raises `DataError` for fewer than two rows or groups.

    >>> import numpy as np
    >>> labels = np.arange(60) % 2
    >>> x = labels[:, None] + 0.3 * np.random.default_rng(0).normal(size=(60, 4))
    >>> loo(x, np.eye(2)[labels]).accuracy(labels) > 0.9
    True
    """
    made = _Weighted.of(features, targets, weights)
    found = of_basis(made.spectral, made.targets, groups=groups, level=made.level)
    if made.root is None:
        return found
    return replace(found, predictions=found.predictions / made.root + made.centre)


def fitted(
    features: np.ndarray,
    targets: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    weights: np.ndarray | None = None,
) -> Callable[[np.ndarray], np.ndarray]:
    """The model of all rows at the penalty that `loo` chooses: features `[M, D]` -> float64 `[M, K]`.

    Arguments as of `loo`; where fewer than two rows or groups leave nothing to choose by, the penalty is the
    mean squared singular value.

    >>> import numpy as np
    >>> labels = np.arange(60) % 2
    >>> x = labels[:, None] + 0.3 * np.random.default_rng(0).normal(size=(60, 4))
    >>> int(fitted(x, np.eye(2)[labels])(np.ones((1, 4))).argmax())
    1
    """
    made = _Weighted.of(features, targets, weights)
    if len(targets if groups is None else np.unique(groups)) < 2:
        penalty = float(made.spectral.s2.mean()) if len(made.spectral.s2) else 1.0
    else:
        penalty = of_basis(made.spectral, made.targets, groups=groups, level=made.level).penalty
    weight, bias = coefficients(made.spectral, made.targets, penalty)
    return lambda new: made.scaling.apply(new) @ weight.T + bias + made.centre


@dataclass(frozen=True)
class _Weighted:
    """A problem whose rows count as often as their weights say: squared errors are scaled by their roots."""

    spectral: Basis
    scaling: Scaling
    targets: np.ndarray
    centre: np.ndarray | float = 0.0
    root: np.ndarray | None = None
    level: np.ndarray | None = None

    @classmethod
    def of(cls, features: np.ndarray, targets: np.ndarray, weights: np.ndarray | None) -> _Weighted:
        standard, scaling = standardise(features, weights)
        if weights is None:
            return cls(basis(standard), scaling, targets)
        root = np.sqrt(weights)[:, None]
        centre = np.average(targets, axis=0, weights=weights)
        level = root[:, 0] / np.sqrt(weights.sum())
        return cls(
            basis(standard * root, centre=False), scaling, (targets - centre) * root, centre, root, level
        )


def of_basis(
    spectral: Basis,
    targets: np.ndarray,
    *,
    groups: np.ndarray | None = None,
    level: np.ndarray | None = None,
) -> Loo:
    """The same from a spectral basis that is there already; `level` as in `loo_ridge`.

    >>> import numpy as np
    >>> from headstart.measure.spectral import basis
    >>> x, y = np.random.default_rng(0).normal(size=(2, 20, 3))
    >>> of_basis(basis(x), y).predictions.shape
    (20, 3)
    """
    if targets.shape[1] <= MANY:
        return loo_ridge(spectral, targets, groups=groups, level=level)
    chosen = loo_ridge(spectral, sketched(targets), groups=groups, level=level).relative
    return loo_ridge(spectral, targets, groups=groups, relative=[chosen], level=level)

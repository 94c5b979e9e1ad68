"""LEEP: the likelihood of the labels under the source's own answers.

Nguyen, Hassner, Seeger and Archambeau, "LEEP: a new measure to evaluate transferability of learned
representations", ICML 2020.
"""

from __future__ import annotations

import numpy as np
from scipy import sparse

FLOOR = 1e-12
"""Likelihoods below this are taken for this."""


def leep(theta: np.ndarray, y: np.ndarray) -> float:
    """Mean log-likelihood, at most 0, of classes `y` int `[N]`.

    `theta` float `[N, Z]`: probabilities that the source gives to its own Z classes, or to Z components of
    any mixture. Each row's label is predicted by P(y | z), estimated from the same rows.

    >>> import numpy as np
    >>> round(leep(np.array([[1.0, 0.0], [1.0, 0.0], [0.0, 1.0]]), np.array([0, 1, 1])), 4)
    -0.4621
    """
    theta = np.asarray(theta, np.float64)
    classes, place = np.unique(y, return_inverse=True)
    rows = len(theta)
    member = sparse.csc_array((np.ones(rows), place, np.arange(rows + 1)), shape=(len(classes), rows))
    joint = member @ theta  # [C, Z]: the sum of each class's rows
    total = joint.sum(axis=0)
    given = np.divide(joint, total, out=np.zeros_like(joint), where=total > 0)
    likely = np.einsum("nz,nz->n", theta, given[place])
    return float(np.log(np.maximum(likely, FLOOR)).mean() + 0.0)

"""H-score: how much of the features' variance lies between the classes, in units of their covariance.

Bao et al., "An information-theoretic approach to transferability in task transfer learning", ICIP 2019;
shrunk as in Ibrahim, Ponomareva and Mazumder, "Newer is not always better", 2021: unshrunk it is C - 1 for
any features at all where there are as many columns as rows.
"""

from __future__ import annotations

import numpy as np


def hscore(features: np.ndarray, y: np.ndarray, *, shrink: bool = True) -> float:
    """Of features `[N, D]` and classes `y` int `[N]`: at most min(C - 1, D), shrunk N / (N - 1) of it.

    With `shrink` the covariance is Ledoit and Wolf's (2004). It grows with D all the same: no decider between
    sources of different widths. O(N D^2 + D^3).

    >>> import numpy as np
    >>> labels = np.arange(60) % 3
    >>> rng = np.random.default_rng(0)
    >>> telling = np.eye(3)[labels] + 0.1 * rng.normal(size=(60, 3))
    >>> 1.5 < hscore(telling, labels) < 2.1
    True
    """
    centred = np.asarray(features, np.float64) - np.mean(features, axis=0, dtype=np.float64)
    rows, columns = centred.shape
    covariance = centred.T @ centred / rows
    unit = float(np.trace(covariance)) / columns
    if not unit:
        return 0.0
    share = ledoit_wolf(centred, covariance) if shrink else 0.0
    classes, place = np.unique(y, return_inverse=True)
    counts = np.bincount(place)
    sums = np.zeros((len(classes), columns))
    np.add.at(sums, place, centred)
    means = sums / np.sqrt(counts * rows)[:, None]  # means' @ means is the covariance between classes
    shrunk = (1 - share) * covariance + share * unit * np.eye(columns)
    # a column of no variance has none between classes either
    solved = np.linalg.solve(shrunk, means.T) if share else np.linalg.lstsq(shrunk, means.T, rcond=1e-10)[0]
    # the published one has N - 1 in the covariance between classes, and N in the shrunk one
    return float((1 - share) * np.einsum("dc,cd->", solved, means) * (rows / (rows - 1) if share else 1.0))


def ledoit_wolf(centred: np.ndarray, covariance: np.ndarray) -> float:
    """The share, 0 to 1, of a scaled identity matrix in the shrunk covariance (Ledoit and Wolf, 2004).

    `centred` `[N, D]` has mean 0, `covariance` `[D, D]` is its mean outer product.

    >>> import numpy as np
    >>> x = np.random.default_rng(0).normal(size=(2000, 3))
    >>> x = x - x.mean(axis=0)
    >>> ledoit_wolf(x, x.T @ x / 2000) > 0.3  # it is an identity matrix
    True
    """
    rows, columns = centred.shape
    unit = float(np.trace(covariance)) / columns
    distance = float((covariance**2).sum()) / columns - unit**2
    spread = (float((np.einsum("nd,nd->n", centred, centred) ** 2).sum()) / rows
              - float((covariance**2).sum())) / (rows * columns)  # fmt: skip
    return 0.0 if distance <= 0 else float(np.clip(spread / distance, 0.0, 1.0))

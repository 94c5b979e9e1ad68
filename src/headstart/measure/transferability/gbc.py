"""GBC: how far apart the classes lie, as Gaussians.

Pandy et al., "Transferability estimation using Bhattacharyya class separability", CVPR 2022.
"""

from __future__ import annotations

import numpy as np

from headstart.measure.spectral import basis

DIRECTIONS = 64
"""Principal directions that are looked at."""


def gbc(features: np.ndarray, y: np.ndarray, *, directions: int = DIRECTIONS) -> float:
    """Minus the Bhattacharyya coefficients of all pairs of classes, at most 0.

    Features are `[N, D]`, classes `y` int `[N]`.

    Each class is a spherical Gaussian in the principal directions. Near 0 for all sources whose classes lie
    well apart. Classes of a single row have no spread and are left out. O(N D min(N, D) + C^2).

    >>> import numpy as np
    >>> labels = np.arange(60) % 3
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=(60, 4))
    >>> gbc(noise + 3 * np.eye(3, 4)[labels], labels) > gbc(noise, labels)
    True
    """
    scores = basis(features).scores[:, :directions]
    classes, counts = np.unique(y, return_counts=True)
    groups = [scores[y == label] for label in classes[counts > 1]]
    if len(groups) < 2 or not scores.shape[1]:
        return 0.0
    means = np.stack([group.mean(axis=0) for group in groups])
    spread = np.array([group.var(axis=0).mean() for group in groups])
    spread = np.maximum(spread, 1e-12 * float(np.mean(scores**2)))
    both = (spread[:, None] + spread) / 2
    square = (means**2).sum(axis=1)
    apart = np.maximum(square[:, None] + square - 2 * means @ means.T, 0.0)
    distance = apart / (8 * both) + scores.shape[1] / 2 * np.log(both / np.sqrt(spread[:, None] * spread))
    alike = np.exp(-distance)
    return float(np.trace(alike) - alike.sum())

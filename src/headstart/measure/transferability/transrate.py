"""TransRate: the mutual information of features and classes, by coding rates.

Huang et al., "Frustratingly easy transferability estimation", ICML 2022.
"""

from __future__ import annotations

import numpy as np


def transrate(features: np.ndarray, y: np.ndarray, *, epsilon: float = 1e-4, scale: bool = False) -> float:
    """The coding rate of features `[N, D]` less the mean of those of each class, `y` int `[N]`, in nats.

    Classes count by their rows, means are taken off all features together. It depends on the unit of the
    features (with `scale` rows have a mean square of 1) and grows with D. O(N min(N, D)^2).

    >>> import numpy as np
    >>> labels = np.arange(60) % 3
    >>> rng = np.random.default_rng(0)
    >>> noise = rng.normal(size=(60, 4))
    >>> transrate(noise + 3 * np.eye(3, 4)[labels], labels) > transrate(noise, labels)
    True
    """
    z = np.asarray(features, np.float64) - np.mean(features, axis=0, dtype=np.float64)
    if scale:
        z = z / np.sqrt(max(float((z**2).sum()) / len(z), 1e-300))
    classes = np.unique(y)
    within = sum(np.mean(y == label) * _rate(z[y == label], epsilon) for label in classes)
    return float(_rate(z, epsilon) - within)


def _rate(z: np.ndarray, epsilon: float) -> float:
    """Half the log determinant of 1 + z'z / (n epsilon)."""
    small = z.T @ z if z.shape[1] <= len(z) else z @ z.T
    small = small / (len(z) * epsilon)
    small.flat[:: len(small) + 1] += 1.0
    return 0.5 * float(np.linalg.slogdet(small)[1])

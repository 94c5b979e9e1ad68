"""NLEEP: LEEP with a Gaussian mixture of the features in place of the source's classifier.

Li et al., "Ranking neural checkpoints", CVPR 2021.
"""

from __future__ import annotations

import numpy as np

from headstart.measure.spectral import basis
from headstart.measure.transferability.leep import leep

ENERGY = 0.8
"""Share of the variance that is kept."""
A_CLASS, ROWS_EACH = 5, 4
"""Components a class, and the rows that each must have on average."""


def nleep(features: np.ndarray, y: np.ndarray, *, seed: int = 0) -> float:
    """Mean log-likelihood, at most 0, of classes `y` int `[N]` from features `[N, D]`.

    The features' principal directions with 80 % of the variance, a mixture of min(5 C, N / 4) Gaussians with
    diagonal covariances, its posterior as `theta`. Unstable below some ten rows a component; the mixture is
    scikit-learn's and begins at `seed`.

    >>> import numpy as np
    >>> labels = np.arange(80) % 2
    >>> x = 6 * labels[:, None] + np.random.default_rng(0).normal(size=(80, 4))
    >>> nleep(x, labels) > -0.01
    True
    """
    from sklearn.mixture import GaussianMixture

    spectral = basis(features)
    kept = np.cumsum(spectral.s2) / max(spectral.s2.sum(), 1e-300)
    scores = spectral.scores[:, : int(np.searchsorted(kept, ENERGY - 1e-12)) + 1]
    if not scores.shape[1]:
        return leep(np.ones((len(y), 1)), y)
    scores = scores / np.sqrt(spectral.s2[0] / len(y))  # the floor of the variances is absolute
    count = max(1, min(A_CLASS * len(np.unique(y)), len(y) // ROWS_EACH))
    mixture = GaussianMixture(count, covariance_type="diag", random_state=seed, reg_covar=1e-4, max_iter=50)
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # fifty rounds are enough for a score
        return leep(mixture.fit(scores).predict_proba(scores), y)

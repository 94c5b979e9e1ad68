"""A picture of features: rows that look alike lie near each other in a plane.

Van der Maaten and Hinton, "Visualizing Data using t-SNE", JMLR 2008; in scikit-learn's Barnes-Hut form.
"""

from __future__ import annotations

import numpy as np

from headstart.measure.spectral import basis, standardise

COMPONENTS = 64
"""Principal components that the plane is made from."""
FEW = 10
"""With fewer rows the plane is that of the first two components."""
PERPLEXITY = 30.0
STEPS = 500
"""Gradient steps, half of them with exaggerated neighbourhoods. 1,500 rows: 3 s on one core."""


def plane(features: np.ndarray, *, seed: int = 0) -> tuple[np.ndarray, str]:
    """(places float64 `[N, 2]` within 0 to 1, how they were made, in words).

    `features` `[N, D]` are z-scored; both axes have the same scale. Values that are not finite count as 0.
    """
    if not len(features):
        return np.zeros((0, 2)), "two principal components"
    standard, _ = standardise(np.nan_to_num(features, nan=0.0, posinf=0.0, neginf=0.0))
    scores = basis(standard).scores[:, :COMPONENTS]
    if len(scores) < FEW or scores.shape[1] < 3:
        places = np.zeros((len(scores), 2))
        places[:, : min(2, scores.shape[1])] = scores[:, :2]
        return _within_unit(places), "two principal components"
    from sklearn.manifold import TSNE

    model = TSNE(
        n_components=2,
        init="pca",
        perplexity=min(PERPLEXITY, (len(scores) - 1) / 3),
        max_iter=STEPS,
        random_state=seed,
        n_jobs=1,
    )
    places = model.fit_transform(scores.astype(np.float32)).astype(np.float64)
    return _within_unit(places), f"t-SNE of {scores.shape[1]} principal components"


def _within_unit(places: np.ndarray) -> np.ndarray:
    """Moved and scaled, by one factor, into the unit square's middle."""
    low, high = places.min(axis=0), places.max(axis=0)
    reach = float((high - low).max()) or 1.0
    return np.asarray(0.5 + (places - (low + high) / 2) / reach).clip(0.0, 1.0)

"""NCE: how much the source's own answer tells of the label.

Tran, Nguyen and Hassner, "Transferability and hardness of supervised classification tasks", ICCV 2019.
"""

from __future__ import annotations

import numpy as np


def nce(said: np.ndarray, y: np.ndarray) -> float:
    """The negative conditional entropy of `y` given `said`, both int `[N]`, in nats: at most 0.

    `said` is the class that the source's classifier gives to each row. Optimistic where the source has about
    as many classes as there are rows.

    >>> import numpy as np
    >>> nce(np.array([4, 4, 7, 7]), np.array([0, 0, 1, 1]))
    0.0
    """
    _, z = np.unique(said, return_inverse=True)
    classes, place = np.unique(y, return_inverse=True)
    joint = np.bincount(z * len(classes) + place, minlength=(z.max() + 1) * len(classes)).reshape(
        -1, len(classes)
    )
    given = joint / joint.sum(axis=1, keepdims=True)
    seen = joint > 0
    return float((joint[seen] * np.log(given[seen])).sum() / len(y) + 0.0)

"""Which parts of a picture matter: cover each in turn and look at what the model then says less surely.

Zeiler and Fergus, "Visualizing and understanding convolutional networks" (ECCV 2014), with the picture's mean
colour as cover. That of words is `headstart.predict.saliency`.
"""

from __future__ import annotations

import numpy as np

from headstart.predict.predictor import Answering
from headstart.predict.question import Question

CELLS = 7
"""Parts of a side."""
BATCH = 8


def is_picture(prepared: np.ndarray) -> bool:
    """Whether a prepared item is a picture: uint8 `[3, H, W]`, large enough for its parts."""
    return prepared.dtype == np.uint8 and prepared.ndim == 3 and prepared.shape[0] == 3 and min(
        prepared.shape[1:]
    ) >= CELLS  # fmt: skip


def effects(
    predictor: Answering, prepared: np.ndarray, question: Question, cells: int = CELLS
) -> tuple[np.ndarray, np.ndarray]:
    """(effect of each part float64 `[cells, cells]`, scores of the whole picture float32 `[K]`).

    `prepared` is uint8 `[3, H, W]`. The effect of a part is how much the question's log-odds (or number) fall
    when it is covered: what the part adds to what was said.
    """
    mean = prepared.reshape(3, -1).mean(axis=1).round().astype(np.uint8)[:, None, None]
    downs, acrosses = (np.linspace(0, side, cells + 1).round().astype(int) for side in prepared.shape[1:])
    pictures = [prepared]
    for down in range(cells):
        for across in range(cells):
            covered = prepared.copy()
            covered[:, downs[down] : downs[down + 1], acrosses[across] : acrosses[across + 1]] = mean
            pictures.append(covered)
    scores = np.concatenate(
        [predictor.scores(np.stack(pictures[at : at + BATCH])) for at in range(0, len(pictures), BATCH)]
    )
    values = question.of(scores)
    return (values[0] - values[1:]).reshape(cells, cells), scores[0]

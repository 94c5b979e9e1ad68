"""What linear models are given: targets of any kind of task, groups, and features that can be trusted."""

from __future__ import annotations

import numpy as np

from headstart import tasks
from headstart.core.strategy import Request
from headstart.core.task import CLASSIFICATION, MULTILABEL
from headstart.measure.ridge import one_hot, sketched


def ridge_targets(request: Request, rows: np.ndarray) -> np.ndarray:
    """float64 `[len(rows), K]`: classes as 0/1 columns, labels as they are, values standardised.

    More than 64 columns are projected onto as many: taps are chosen by squared errors, which stay.
    """
    assert request.dataset.y is not None
    y, outputs = request.dataset.y[rows], request.task.outputs
    if request.task.kind == CLASSIFICATION:
        return sketched(one_hot(y, outputs))
    if request.task.kind == MULTILABEL:
        return sketched(np.asarray(y, np.float64))
    offset, scale = tasks.for_task(request.task).scaling(y, outputs)
    return (np.asarray(y, np.float64)[:, None] - offset) / scale


def group_numbers(request: Request, rows: np.ndarray) -> np.ndarray | None:
    """int64 `[len(rows)]`: rows with equal numbers are never parted; None when each is its own."""
    groups = request.split.groups[rows]
    return groups if len(np.unique(groups)) < len(groups) else None


QUIET = 0.01
"""Columns with a smaller share of the typical standard deviation are left out."""


def silenced(features: np.ndarray) -> np.ndarray:
    """The training features `[N, D]`, with columns that hardly ever vary set to 0.

    A unit that is all but dead on the training rows has a tiny standard deviation; the one item on
    which it fires would then be standardised to hundreds and decide its own prediction.
    """
    sd = features.std(axis=0)
    alive = sd > 0
    quiet = alive & (sd < QUIET * (np.median(sd[alive]) if alive.any() else 0.0))
    return np.where(quiet, 0.0, features).astype(features.dtype) if quiet.any() else features

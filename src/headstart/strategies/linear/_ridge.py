"""What linear models are given: targets of any kind of task, groups, and features that can be trusted."""

from __future__ import annotations

import numpy as np

from headstart import tasks
from headstart.core.strategy import Request


def ridge_targets(request: Request, rows: np.ndarray) -> np.ndarray:
    """float64 `[len(rows), K]`, K at most 64: the rows' targets of ridge regression, see `tasks.base`."""
    return tasks.for_task(request.task).ridge_targets(request.dataset.targets[rows], request.task.outputs)


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

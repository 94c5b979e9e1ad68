"""What is asked when parts of an item are left out in turn: how surely the model says one thing."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from headstart import tasks
from headstart.core.task import CLASSIFICATION
from headstart.tasks.base import Confidence, Labels

LITTLE = 0.05
"""A change of the log-odds that is not worth telling."""


@dataclass(frozen=True)
class Question:
    """The output that is asked about."""

    column: int
    said: str
    sign: int = 1
    """-1: it was said that the label does not apply."""
    kind: str = field(default=CLASSIFICATION)

    def little(self, value: float) -> float:
        """An effect that is not worth telling."""
        return LITTLE if isinstance(tasks.get(self.kind), Confidence) else 1e-3 * abs(value)

    def still(self, scores: np.ndarray) -> bool:
        """Whether scores `[K]` say it; a number is always said."""
        methods = tasks.get(self.kind)
        if not isinstance(methods, Labels):
            return True
        return bool(methods.decided(scores[None])[0, self.column]) == (self.sign > 0)

    def of(self, scores: np.ndarray) -> np.ndarray:
        """float64 `[B]`: log-odds of what was said from scores `[B, K]`; the number itself for regression."""
        p, methods = scores.astype(np.float64), tasks.get(self.kind)
        if not isinstance(methods, Confidence):
            return p[:, self.column]
        return self.sign * methods.log_odds(p, self.column)

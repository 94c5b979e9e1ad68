"""A model that answered by what is stored of the items, held against its whole network.

Where the head of what ships reads what the one pass has stored, the test part is answered by that: the files
are not read again. It is the model that ships all the same: some items are read again, by its whole network
in float32, and must have those answers; the proof asks the saved copy for them once more, in a fresh process.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.dataset import Item
from headstart.core.model import Model
from headstart.predict.predictor import Predictor, stream, told_unread
from headstart.tasks.base import Confidence

READ_AGAIN = 16
"""Test items that are read again."""
ALLOWED = 0.02
"""How far their answers may be from those by what is stored, in probability, or as a share of the range of a
number's answers. Else all items are read again."""
TINY = 1e-12


@dataclass(frozen=True, eq=False)
class Again:
    """Items of the test part that were read again, for the proof."""

    inputs: np.ndarray = field(repr=False)
    """A prepared batch."""
    outputs: np.ndarray = field(repr=False)
    """float32 `[m, K]`: what the model says of them by what is stored."""
    worst: float
    """How far its whole network is from that."""
    allowed: float

    def to_json(self) -> dict[str, Any]:
        return {"read_again": len(self.inputs), "worst": self.worst, "allowed": self.allowed}


class _Listening:
    """A predictor that keeps what it was asked."""

    def __init__(self, model: Model) -> None:
        self.model, self.inputs = model, np.zeros(0)
        self._predictor = Predictor(model, device="cpu")

    def scores(self, prepared: np.ndarray) -> np.ndarray:
        """See `predict.predictor.Answering`."""
        self.inputs = prepared
        return self._predictor.scores(prepared)


def read_again(model: Model, items: Sequence[Item], answers: np.ndarray) -> tuple[Again | None, str]:
    """(some of the items through the model's whole network, what it does not see of these in words).

    None where one cannot be read, or says something else than the answers float32 `[n, K]` do.
    """
    some = np.unique(np.linspace(0, len(items) - 1, READ_AGAIN).round().astype(np.int64))
    listening = _Listening(model)
    found = list(stream(listening, [items[row] for row in some], batch_size=READ_AGAIN))
    scores = [row.scores for row in found if row.scores is not None]
    if len(scores) < len(some):
        return None, ""
    expected, allowed = answers[some], ALLOWED
    if not isinstance(tasks.for_task(model.task), Confidence):
        allowed = max(ALLOWED * float(np.ptp(answers)), TINY)
    worst = float(np.abs(np.stack(scores).astype(np.float64) - expected).max())
    again = Again(listening.inputs, expected, worst, allowed) if worst <= allowed else None
    return again, told_unread(found, len(found))

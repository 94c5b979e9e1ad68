"""What a model that was trained further still knows of what its source could do: both answer other items."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import words
from headstart.core.cells import Cells
from headstart.core.dataset import Dataset
from headstart.core.model import Model
from headstart.core.predictions import Predictions, of
from headstart.core.task import Task
from headstart.measure.paired import PairedGain, Resampling, paired_gain
from headstart.predict.evaluate import align, answered
from headstart.predict.predictor import Predictor

BOUND = 0.02
"""What a model may lose, as a share."""
LEAST, MOST = 10, 200
"""Items without which nothing is said; of more so many are drawn."""


@dataclass(frozen=True)
class Retained:
    """An arm against its untouched source, on items that none of its data are among."""

    arm: str
    source: str
    data: str
    metric: str
    items: int
    value: float
    untouched: float
    gain: PairedGain
    """Of the arm over the source; negative: it has forgotten."""

    @property
    def kept(self) -> bool:
        return self.gain.gain >= -BOUND

    @property
    def sentence(self) -> str:
        """What was found, and what follows."""
        has, had = (words.value(self.metric, value) for value in (self.value, self.untouched))
        by = words.gain_estimate(self.metric, self.gain.gain, self.gain.low, self.gain.high)
        found = f"{has} {self.metric} where {self.source} itself has {had} ({by})"
        where = f"{words.count(self.items, 'item')} of {self.data} (--retain)"
        most = f"{100 * BOUND:g} points"
        if self.kept:
            more = ", and its interval does not rule out more" if self.gain.low < -BOUND else ""
            kept = f"{self.arm} has kept what its source could do"
            return f"{kept}: on {where} {found}; {most} may be lost{more}."
        return f"{self.arm} does not ship: on {where} it has {found}, and no more than {most} may be lost."

    def to_json(self) -> dict[str, Any]:
        return {
            "arm": self.arm, "source": self.source, "data": self.data, "metric": self.metric,
            "items": self.items, "value": self.value, "untouched": self.untouched,
            "gain": {"value": self.gain.gain, "low": self.gain.low, "high": self.gain.high},
            "bound": BOUND, "kept": self.kept,
        }  # fmt: skip


def retained(arm: str, source: str, model: Model, untouched: Model, dataset: Dataset, seed: int) -> Retained:
    """Ask both models of `dataset`, whose labels both can tell. Raises `DataError` as `evaluate` does."""
    task = model.task
    known = np.flatnonzero(dataset.labelled)
    truth = align(dataset, task)
    some = np.sort(np.random.default_rng(seed).permutation(len(known))[:MOST])
    said = [answered(Predictor(one), dataset, known[some]) for one in (model, untouched)]
    good = np.flatnonzero([not row.error for row in said[0][0]])  # who reads items is the same for both
    y = truth[some][good]
    values = [tasks.score_of(task).value(y, answers) for _, answers in said]
    groups = None if dataset.groups is None else dataset.groups[known[some]][good]
    gain = paired_gain(
        y, *(_held(task, answers) for _, answers in said),
        scoring=tasks.score_of(task), groups=groups, resampling=Resampling(seed=seed),
    )  # fmt: skip
    return Retained(
        arm, source, dataset.origin or dataset.name, task.metric, len(y), values[0], values[1], gain
    )


def _held(task: Task, answers: np.ndarray) -> Predictions:
    """Answers of so many items as the predictions of one repeat."""
    kind: Any = tasks.for_task(task).predictions
    if issubclass(kind, Cells):
        told: Predictions = kind((1, len(answers)), {(0, row): one for row, one in enumerate(answers)})
        return told
    return of(answers[None].astype(np.float32))

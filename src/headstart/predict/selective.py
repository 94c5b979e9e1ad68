"""Saying less than one label: sets with a stated coverage, and abstaining, by what a run held out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.task import Task
from headstart.core.untrusted import Damaged, parsing
from headstart.errors import BadOption
from headstart.measure import conformal
from headstart.predict.predictor import Prediction

MOST = 2_000
"""Held-out items that travel with a model."""


def held_out(y: np.ndarray, p: np.ndarray) -> dict[str, list[float]]:
    """What a model carries: for held-out items the probability of the truth, of the answer, and whether it
    was right. `y` int64 `[N]`, `p` float `[N, K]`; of more than `MOST` items an even part."""
    rows = np.unique(np.linspace(0, len(y) - 1, min(MOST, len(y))).round().astype(np.int64))
    y, p = y[rows], p[rows].astype(np.float64)
    columns = {
        "true": p[np.arange(len(y)), y],
        "top": p.max(axis=1),
        "right": (p.argmax(axis=1) == y).astype(np.float64),
    }
    return {name: [round(float(v), 5) for v in values] for name, values in columns.items()}


@dataclass(frozen=True)
class Caution:
    """What is asked of a label set, and of an answer."""

    least: float | None = None
    """Labels of this probability or more belong to the set; None: no sets."""
    surest: float | None = None
    """Answers less probable than this are not given; None: all are."""

    @classmethod
    def of(
        cls, evidence: Mapping[str, Any], task: Task, *, sets: float | None = None, risk: float | None = None
    ) -> Caution:
        """From a model's evidence. `sets` is the share of items whose set shall hold the truth; `risk` the
        share of wrong answers among those given. Raises `BadOption` for what cannot be had."""
        for option, value in (("--sets", sets), ("--risk", risk)):
            if value is not None and not 0 < value < 1:
                raise BadOption(option, value, "between 0 and 1, such as 0.9 or 0.05")
        known = evidence.get("held_out")
        option = "--sets" if sets is not None else "--risk"
        if (sets is not None or risk is not None) and not (tasks.for_task(task).exclusive and known):
            raise BadOption(
                option,
                sets or risk,
                "left out: this model carries no held-out probabilities of one label an item",
            )
        if not known:
            return cls()
        try:
            with parsing():
                true, top, right = np.array([known[name] for name in ("true", "top", "right")], np.float64)
                least = None if sets is None else conformal.least_probability(true, sets)
                if risk is None:
                    return cls(least)
                surest = conformal.confidence_for_risk(top, right > 0, risk)
        except Damaged as error:
            problem = f"left out: what this model tells of its held-out items is damaged ({error})"
            raise BadOption(option, sets or risk, problem) from error
        if surest is None:
            raise BadOption("--risk", risk, f"larger: {len(top)} held-out items cannot show so small a risk")
        return cls(least, surest)

    def __call__(self, task: Task, row: Prediction) -> Prediction:
        """The prediction with its set, and without its answer where that is not sure enough."""
        scores = row.scores
        if scores is None:
            return row
        if self.least is not None:
            chosen = conformal.label_sets(scores[None], self.least)[0]
            order = np.argsort(-scores, kind="stable")
            row = replace(row, labels=tuple(task.values[k] for k in order if chosen[k]))
        if self.surest is not None and scores.max() < self.surest - 1e-6:
            row = replace(row, answer=None, abstains=True)
        return row

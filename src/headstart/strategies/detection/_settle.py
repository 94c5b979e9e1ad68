"""From which score boxes are said: where F1 is best on images held out, class by class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from headstart.core.boxes import Boxes
from headstart.core.strategy import Request, Trial
from headstart.measure import detection
from headstart.tasks.detection import SAID, matched

USUAL = 0.3
"""Where there is nothing to choose by."""


def settled(request: Request, trial: Trial) -> Trial:
    """The trial with scores that were moved so that one half is where a box is said. Each fold's are moved by
    what is best for the others: its own labels have no say. `Trial.choices` get "thresholds" (log-odds) for a
    model of all images, and of each class the "precision" and "recall" that the moved scores have."""
    task, y = request.task, request.dataset.targets
    cells: Any = dict(trial.predictions.cells)  # type: ignore[attr-defined]
    moved = {}
    for fold in request.split.folds:
        own = [(fold.repeat, row) for row in fold.test.tolist() if (fold.repeat, row) in cells]
        # of the other folds of this repeat
        rest = [at for at in cells if at[0] == fold.repeat and at not in set(own)]
        levels = _best(y, cells, rest, task.outputs)
        moved |= {at: _moved(cells[at], levels) for at in own}
    kind: Any = type(trial.predictions)
    predictions = kind(trial.predictions.covered.shape, moved)
    first = [at for at in moved if at[0] == min(at[0] for at in moved)]
    found = matched(y[np.array([row for _, row in first])], [moved[at] for at in first]) if first else []
    told = {}
    for number, label in enumerate(task.labels):
        right, said = 0, 0
        for one in found:
            use = (one.classes == number) & (one.scores >= SAID) & ~one.ignored[0, 0]
            right, said = right + int(one.right[0, 0][use].sum()), said + int(use.sum())
        there = sum(int(one.truths[0, number]) for one in found)
        told[label] = {
            "precision": right / said if said else None, "recall": right / there if there else None
        }  # fmt: skip
    choices = {"thresholds": _best(y, cells, list(cells), task.outputs).tolist(), "said": told}
    return replace(trial, predictions=predictions, choices={**trial.choices, **choices})


def of(choices: Mapping[str, Any], outputs: int) -> dict[str, np.ndarray]:
    """The tensor of a model's thresholds, from the choices of its trial."""
    levels = choices.get("thresholds", [_odds(USUAL)] * outputs)
    return {"settled.thresholds": np.array(levels, np.float32)}


def _best(y: Any, cells: Mapping[Any, Boxes], which: list[Any], outputs: int) -> np.ndarray:
    """float64 `[K]`: log-odds in the middle between the last answer that is worth saying and the next."""
    found = matched(y[np.array([row for _, row in which])], [cells[at] for at in which]) if which else []
    levels = np.full(outputs, _odds(USUAL))
    for number in range(outputs):
        curve = detection.curve(found, number)
        at = curve.best()
        if at is not None:
            after = curve.scores[at + 1] if at + 1 < len(curve.scores) else curve.scores[at] * 0.9
            levels[number] = (_odds(curve.scores[at]) + _odds(after)) / 2
    return levels


def _odds(score: float) -> float:
    safe = min(max(float(score), 1e-6), 1 - 1e-6)
    return float(np.log(safe / (1 - safe)))


def _moved(boxes: Boxes, levels: np.ndarray) -> Boxes:
    assert boxes.scores is not None
    safe = np.clip(boxes.scores.astype(np.float64), 1e-6, 1 - 1e-6)
    odds = np.log(safe / (1 - safe)) - levels[boxes.classes]
    return replace(boxes, scores=(1 / (1 + np.exp(-odds))).astype(np.float32))

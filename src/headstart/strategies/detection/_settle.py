"""From which score boxes are said: where F1 is best on images held out, class by class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.boxes import Boxes
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.measure import detection
from headstart.strategies.dense._sizes import extent
from headstart.strategies.shared._folds import FitFold, run_folds
from headstart.tasks.detection import matched

USUAL = 0.3
"""Where there is nothing to choose by."""


def run(request: Request, arm: str, fit_fold: FitFold, folds: int | None = None) -> Trial:
    """Out-of-fold boxes of the first folds (default: all), settled; a fold gives rows float32 `[M, 6]`
    of each of its test images."""
    methods: Any = tasks.for_task(request.task)

    def placed(request: Request, fold: Fold, number: int) -> tuple[list[Boxes], Mapping[str, Any]]:
        found, choices = fit_fold(request, fold, number)
        rows = zip(found, fold.test.tolist(), strict=True)
        return [methods.placed(one, extent(request.dataset, row)) for one, row in rows], choices

    return settled(request, run_folds(request, arm, placed, folds=None if folds is None else range(folds)))


def settled(request: Request, trial: Trial) -> Trial:
    """The trial with scores that were moved so that one half is where a box is said, class by class in all
    folds alike: average precision stays as it is. `Trial.choices` get "thresholds" (log-odds) for a model of
    all images, and "said": the "precision" and "recall" that each class has with them on the images held
    out."""
    task, y, kind = request.task, request.dataset.targets, type(trial.predictions)
    cells: Mapping[tuple[int, int], Boxes] = trial.predictions.cells  # type: ignore[attr-defined]
    found = matched(y[np.array([row for _, row in cells])], cells.values()) if cells else []
    levels, told = np.full(task.outputs, _odds(USUAL)), {}
    for number, label in enumerate(task.labels):
        curve = detection.curve(found, number)
        at = curve.best()
        if at is not None:
            after = curve.scores[at + 1] if at + 1 < len(curve.scores) else curve.scores[at] * 0.9
            levels[number] = (_odds(curve.scores[at]) + _odds(after)) / 2
            told[label] = {"precision": float(curve.precision[at]), "recall": float(curve.recall[at])}
    moved = {at: _moved(one, levels) for at, one in cells.items()}
    choices: dict[str, Any] = {**trial.choices, "thresholds": levels.tolist(), "said": told}
    return replace(trial, predictions=kind(trial.covered.shape, moved), choices=choices)  # type: ignore[call-arg, arg-type]


def of(choices: Mapping[str, Any], outputs: int) -> dict[str, np.ndarray]:
    """The tensor of a model's thresholds, from the choices of its trial."""
    levels = choices.get("thresholds", [_odds(USUAL)] * outputs)
    return {"settled.thresholds": np.array(levels, np.float32)}


def _odds(score: float) -> float:
    safe = min(max(float(score), 1e-6), 1 - 1e-6)
    return float(np.log(safe / (1 - safe)))


def _moved(boxes: Boxes, levels: np.ndarray) -> Boxes:
    assert boxes.scores is not None
    safe = np.clip(boxes.scores.astype(np.float64), 1e-6, 1 - 1e-6)
    odds = np.log(safe / (1 - safe)) - levels[boxes.classes]
    return replace(boxes, scores=(1 / (1 + np.exp(-odds))).astype(np.float32))

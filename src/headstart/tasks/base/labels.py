"""What all kinds of task with labels have alike: their answers are told and doubted in the same way."""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from headstart.core import words
from headstart.core.task import Cell, Task
from headstart.measure.calibration import fit_temperature
from headstart.measure.ridge import sketched
from headstart.tasks.base import Confidence, Labels, TaskMethods

SMALL = 1e-7
"""Probabilities are kept this far from 0 and 1 before a logarithm."""
TINY = 1e-30
"""Smallest probability whose logarithm a network takes (float32 ends at 1e-38)."""


class LabelMethods(TaskMethods, Labels, Confidence, Protocol):
    """The common part of classification and multi-label classification."""

    noun: tuple[str, str]
    """What a label is called, and several."""
    penalties: tuple[float, ...] = (1.0, 10.0, 100.0)

    def sound(self, y: np.ndarray, outputs: int) -> bool:
        has = self.membership(y, outputs)
        return has.shape == (len(y), outputs) and (not self.exclusive or bool(has.any(axis=1).all()))

    def stratum(self, task: Task, number: int, y: np.ndarray) -> str:  # noqa: ARG002
        return repr(task.labels[number])

    def occurring(self, y: np.ndarray, outputs: int) -> np.ndarray:
        return np.asarray(self.membership(y, outputs).any(axis=0))

    def logits(self, predictions: np.ndarray) -> np.ndarray:
        """float64 `[N, K]`: what `activate` makes these probabilities of."""

    def temperature(self, y: np.ndarray, predictions: np.ndarray) -> float:
        return fit_temperature(self.logits(predictions), y)

    def softened(self, predictions: np.ndarray, temperature: float) -> np.ndarray:
        return self.activate(self.logits(predictions) / temperature)

    def penalty_for(self, chosen: float | None, ridge: bool, width: int, copies: int) -> float:
        return float(chosen) * copies if chosen and not ridge else 10**0.75 / width

    def ridge_targets(self, y: np.ndarray, outputs: int) -> np.ndarray:
        return sketched(self.membership(y, outputs).astype(np.float64))

    # answers

    def about(self, task: Task) -> str:
        return f"in {words.count(task.outputs, *self.noun)}"

    def head(self, top: int | None) -> tuple[str, str]:
        return "prediction", "probability" if self.exclusive and top in (None, 1) else ""

    def line(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> tuple[str, str]:
        best = ranked(task, scores, top)
        if top is None and self.exclusive:
            return best[0][0], f"{best[0][1]:.3f}"
        if top is None:
            best = best[: len(answer)]
        return ", ".join(f"{label} {score:.3f}" for label, score in best) or "none", ""

    def cells(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> dict[str, Cell]:
        found: dict[str, Cell] = {}
        if top is not None:
            for k, (label, score) in enumerate(ranked(task, scores, top), start=1):
                found |= {f"label_{k}": label, f"probability_{k}": float(score)}
            return found
        if self.exclusive:
            best = int(scores.argmax())
            found = {
                "label": "" if answer is None else task.labels[best],
                "probability": float(scores[best]),
            }
        else:
            found = {"labels": ";".join(map(str, answer or ()))}
        return found | {f"p:{label}": float(score) for label, score in zip(task.labels, scores, strict=True)}

    def to_json(self, task: Task, answer: Any, scores: np.ndarray, top: int | None) -> dict[str, Any]:
        best = {label: round(score, 6) for label, score in ranked(task, scores, top)}
        return {"label" if self.exclusive else "labels": answer, "probabilities": best}


def ranked(task: Task, scores: np.ndarray, top: int | None = None) -> list[tuple[str, float]]:
    """Labels with their scores (float `[K]`), best first, the first of equals."""
    order = np.argsort(-scores, kind="stable")[:top]
    return [(task.labels[i], float(scores[i])) for i in order]


def log_odds(own: np.ndarray, rest: np.ndarray) -> np.ndarray:
    """float64 `[N]`, from two probabilities of which neither may be 0."""
    return np.asarray(np.log(np.maximum(own, 1e-12)) - np.log(np.maximum(rest, 1e-12)))

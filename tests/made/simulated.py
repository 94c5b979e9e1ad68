"""Arms whose true accuracy is known, and the experiment they belong to: for tests of verdicts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.experiment import Experiment
from headstart.core.split import Fold, Split
from headstart.core.strategy import Request, Trial
from headstart.core.task import Task

TASK = Task("classification", ("a", "b"), "accuracy")


def experiment(n: int = 200, repeats: int = 2, groups: np.ndarray | None = None) -> Experiment:
    """Two classes, five folds in each repeat."""
    rng = np.random.default_rng(0)
    items = tuple(ArrayItem(str(i), np.zeros(1, np.uint8)) for i in range(n))
    folds = []
    for repeat in range(repeats):
        order = rng.permutation(n)
        for test in np.array_split(order, 5):
            folds.append(Fold(repeat, np.setdiff1d(order, test), np.sort(test)))
    unit = np.arange(n) if groups is None else groups
    split = Split(np.arange(n), np.array([], np.int64), tuple(folds), unit, 0, "simulated")
    dataset = Dataset("sim", "image", items, TASK, rng.integers(0, 2, n))
    return Experiment(dataset, TASK, split)


def arm(
    setting: Experiment | Request,
    name: str,
    strategy: str,
    accuracy: float,
    *,
    seed: int,
    folds: int | None = None,
) -> Trial:
    """An arm that is right with the given probability, independently on every cell."""
    rng = np.random.default_rng(seed)
    n, repeats = len(setting.dataset), setting.split.repeats
    right = rng.random((repeats, n)) < accuracy
    y = setting.dataset.y
    assert y is not None
    said = np.where(right, y, 1 - y)
    predictions = np.stack([np.eye(2)[s] * 0.8 + 0.1 for s in said]).astype(np.float32)
    if folds is not None:
        keep = np.zeros((repeats, n), bool)
        for fold in setting.split.folds[:folds]:
            keep[fold.repeat, fold.test] = True
        predictions[~keep] = np.nan
    return Trial(name, strategy, "net" if strategy not in ("majority", "pixels") else None, predictions)


def trials(setting: Experiment, probe: float, scratch: float, pixels: float = 0.6) -> dict[str, Trial]:
    """The arms a verdict needs, with the true accuracies given."""
    arms = [
        arm(setting, "majority", "majority", 0.5, seed=1),
        arm(setting, "pixels", "pixels", pixels, seed=2),
        arm(setting, "net: probe", "probe", probe, seed=3),
        arm(setting, "net: scratch", "scratch", scratch, seed=4),
    ]
    return {t.arm: t for t in arms}


def ridge(x: np.ndarray, y: np.ndarray, classes: int) -> Callable[[np.ndarray], np.ndarray]:
    """A least-squares classifier, fitted in closed form."""
    mean, targets = x.mean(axis=0), np.eye(classes)[y]
    centred = x - mean
    weight = np.linalg.solve(
        centred.T @ centred + np.eye(x.shape[1]), centred.T @ (targets - targets.mean(0))
    )
    return lambda z: (z - mean) @ weight + targets.mean(axis=0)

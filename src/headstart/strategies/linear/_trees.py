"""Gradient-boosted trees: grown by scikit-learn, kept as arrays, and evaluated without it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.task import Task
from headstart.measure import threads

LEAF = 20
"""Rows of a leaf, at least, of 400 rows or more; of fewer a twentieth of them, and two at least."""
ALONE = 300_000
"""Rows below which trees grow with one thread: two on two cores took 2.0 instead of .07 s for 60 rows, 2.3
instead of .45 s for 40,000, 3.4 instead of 2.5 s for 300,000 (14 columns, two classes)."""
UNSEEN = -20.0
"""The logit of a class without rows to learn from."""


@dataclass(frozen=True)
class Forest:
    """Trees whose leaves add up to logits; T trees, M nodes in all."""

    feature: np.ndarray = field(repr=False)
    """int32 `[M]`: the column that a node asks for; -1 of a leaf."""
    threshold: np.ndarray = field(repr=False)
    """float32 `[M]`: where its value is at most that, on to `left`."""
    left: np.ndarray = field(repr=False)
    """int32 `[M]`"""
    right: np.ndarray = field(repr=False)
    value: np.ndarray = field(repr=False)
    """float64 `[M]`: of a leaf."""
    root: np.ndarray = field(repr=False)
    """int32 `[T]`: the node that each tree begins with."""
    output: np.ndarray = field(repr=False)
    """int32 `[T]`: the output that each adds to."""
    base: np.ndarray = field(repr=False)
    """float64 `[K]`"""

    def logits(self, x: np.ndarray) -> np.ndarray:
        """float32 `[N, D]` -> float64 `[N, K]`"""
        out = np.repeat(self.base[None], len(x), axis=0)
        every = np.arange(len(x))
        for root, output in zip(self.root, self.output, strict=True):
            node = np.full(len(x), root)
            while (inner := self.feature[node] >= 0).any():
                low = x[every, np.maximum(self.feature[node], 0)] <= self.threshold[node]
                node = np.where(inner, np.where(low, self.left[node], self.right[node]), node)
            out[:, output] += self.value[node]
        return out

    def tensors(self) -> dict[str, np.ndarray]:
        """As the network of kind "trees" takes them."""
        parts = vars(self)
        return {f"trees.{name}": np.asarray(array, np.float32) for name, array in parts.items()}


def fit_trees(x: np.ndarray, y: np.ndarray, task: Task, *, seed: int) -> Forest:
    """Trees on rows float32 `[N, D]` for the targets of a task: classes, labels or values.

    Raises `ValueError` where more than 2**24 nodes grow: their numbers would not be exact in float32.
    """
    exclusive = tasks.for_task(task).exclusive
    columns = [y] if exclusive or y.ndim == 1 else list(y.T)
    base = np.zeros(task.outputs)
    grown: list[tuple[Any, int]] = []
    for number, column in enumerate(columns):
        if len(np.unique(column)) < 2:
            _alone(base, column, number, exclusive=exclusive, values=y.ndim == 1)
            continue
        model = _model(exclusive or y.ndim > 1, len(y), seed)  # before threads are looked for: it brings them
        with threads.suited_to(len(y), small=ALONE, api="openmp"):
            model.fit(x, column)
        start = np.asarray(model._baseline_prediction, np.float64).ravel()
        places = model.classes_.astype(int).tolist() if exclusive else [number]
        places = places[1:] if exclusive and len(start) == 1 else places
        if exclusive:
            base[:] = UNSEEN
            base[model.classes_.astype(int)] = 0.0
        base[places] = start
        grown += [(tree, places[at]) for stage in model._predictors for at, tree in enumerate(stage)]
    return _packed(grown, base)


def _alone(base: np.ndarray, column: np.ndarray, number: int, *, exclusive: bool, values: bool) -> None:
    """The logits where all rows say the same, or there are none."""
    if exclusive:
        base[:] = UNSEEN
        base[column[:1].astype(int)] = 0.0
    elif len(column):
        base[number] = float(column[0]) if values else UNSEEN * (1.0 - 2.0 * float(column[0]))


def _model(classes: bool, rows: int, seed: int) -> Any:
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    leaf = max(2, min(LEAF, rows // 20))
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    return kind(min_samples_leaf=leaf, early_stopping=False, random_state=seed)


def _packed(grown: Sequence[tuple[Any, int]], base: np.ndarray) -> Forest:
    """scikit-learn's nodes, one tree after the other. A threshold is rounded down to float32: no float32 lies
    between, so that every row goes the way it would."""
    nodes = [tree.nodes for tree, _ in grown]
    starts = np.cumsum([0, *map(len, nodes)])
    if starts[-1] >= 2**24:
        raise ValueError(f"{starts[-1]:,} nodes of trees are too many")
    every = np.concatenate(nodes) if nodes else np.zeros(0, [("is_leaf", "u1"), ("feature_idx", "i8"),
        ("num_threshold", "f8"), ("left", "i8"), ("right", "i8"), ("value", "f8")])  # fmt: skip
    shift = np.repeat(starts[:-1], list(map(len, nodes))) if nodes else np.zeros(0, np.int64)
    leaf = every["is_leaf"].astype(bool)
    exact = every["num_threshold"]
    near = exact.astype(np.float32)
    down = np.where(near > exact, np.nextafter(near, np.float32(-np.inf)), near)
    return Forest(
        feature=np.where(leaf, -1, every["feature_idx"]).astype(np.int32),
        threshold=np.where(leaf, np.float32(0), down).astype(np.float32),
        left=np.where(leaf, 0, every["left"] + shift).astype(np.int32),
        right=np.where(leaf, 0, every["right"] + shift).astype(np.int32),
        value=np.where(leaf, every["value"], 0.0),
        root=starts[:-1].astype(np.int32),
        output=np.array([output for _, output in grown], np.int32),
        base=base,
    )

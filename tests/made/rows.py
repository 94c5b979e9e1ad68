"""Rows of a table, drawn from a seed, with labels of each kind."""

from __future__ import annotations

from typing import Any

import numpy as np

from headstart.core.dataset import Dataset
from headstart.core.strategy import Request
from headstart.core.task import Task
from headstart.data.items.entries import BytesItem
from headstart.modalities import table
from headstart.testing.fakes import MemoryExtractor, folds

TASKS = {
    "classification": Task("classification", ("no", "yes", "perhaps"), "accuracy"),
    "multilabel": Task("multilabel", ("a", "b"), "mAP"),
    "regression": Task("regression", ("value",), "MAE", higher_is_better=False),
}


def request(kind: str, rows: int = 60) -> Request:
    rng = np.random.default_rng(0)
    age, town = rng.normal(40, 10, rows), rng.integers(3, size=rows)
    items = tuple(
        BytesItem(f"row {row}", table.as_bytes({"age": None if row == 3 else a, "town": f"t{t}"}))
        for row, (a, t) in enumerate(zip(age.tolist(), town.tolist(), strict=True))
    )
    targets: Any = {
        "classification": np.where(age > 45, 2, town % 2),
        "multilabel": np.stack([age > 40, town == 1], axis=1).astype(np.float32),
        "regression": age / 10 + town,
    }[kind]
    data = Dataset("rows", "table", items, TASKS[kind], targets)
    return Request(data, TASKS[kind], folds(data, parts=3, test=0.2), MemoryExtractor(data))

"""The linear probe against scikit-learn: the same folds, the same grid of C, the final fit.

python benchmarks/linear_probe.py
"""

from __future__ import annotations

import argparse
import json
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from headstart import tasks
from headstart.core import environment
from headstart.tasks.linear import inner_folds

RESULTS = Path(__file__).parent / "results"
SHAPES = ((250, 2000, 2), (1000, 400, 10), (4000, 1300, 10))
"""Rows, columns, classes."""


def blobs(n: int, d: int, classes: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian classes that overlap."""
    rng = np.random.default_rng(0)
    y = rng.integers(0, classes, n)
    return (rng.normal(size=(classes, d))[y] * 0.3 + rng.normal(size=(n, d))).astype(np.float32), y


def peer(features: np.ndarray, y: np.ndarray) -> float:
    """Seconds of scikit-learn for one value of C in every fold, times the values of the grid."""
    standard = StandardScaler().fit_transform(features.astype(np.float64))
    grid = np.arange(-2, 4, 0.5)
    some = grid[::4]
    start = time.perf_counter()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for step in some:
            for train in inner_folds(y, None, folds=5, seed=0):
                LogisticRegression(C=10.0**step / features.shape[1], max_iter=400).fit(
                    standard[train], y[train]
                )
    return (time.perf_counter() - start) * len(grid) / len(some)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", help="not used: the data is made here")
    parser.parse_args()
    methods = tasks.get("classification")
    rows: list[dict[str, Any]] = []
    print("| rows x columns, classes | ours, s | scikit-learn, s | ratio |\n|---|---|---|---|")
    for n, d, classes in SHAPES:
        features, y = blobs(n, d, classes)
        start = time.perf_counter()
        methods.fit_linear(features, y, outputs=classes)
        ours, theirs = time.perf_counter() - start, peer(features, y)
        rows.append({"rows": n, "columns": d, "classes": classes, "ours": ours, "theirs": theirs})
        print(f"| {n} x {d}, {classes} | {ours:.2f} | {theirs:.2f} | {theirs / ours:.1f} |", flush=True)
    RESULTS.mkdir(exist_ok=True)
    record = {"rows": rows, "machine": environment.machine(), "versions": environment.versions()}
    (RESULTS / "linear_probe.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()

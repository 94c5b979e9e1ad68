"""A map of the items, as the network of the shipped arm sees them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import words
from headstart.core.backbone import Networks
from headstart.core.experiment import Experiment
from headstart.core.features import FeatureSpec
from headstart.errors import StoreError
from headstart.insight.mistakes import told
from headstart.measure import projection
from headstart.modalities import nouns

POINTS = 1_000
"""Most items on the map: the time grows with their square."""
FEWER = 300
"""Most where there is little time left."""


def embedding_map(
    experiment: Experiment,
    networks: Networks,
    source: str,
    rows: np.ndarray,
    said: Mapping[int, Any],
    *,
    most: int = POINTS,
) -> dict[str, Any]:
    """The items in a plane by the stored embedding of a source.

    `rows` int64 are the labelled rows to draw at most so many from; `said` the decoded out-of-fold answers by
    row. Raises `StoreError` when the features are no longer stored: no pass is made for a picture.
    """
    backbone = networks.backbone(source)
    tap = backbone.embedding
    spec = FeatureSpec(taps=(tap,))
    if networks.extractor.missing(backbone, spec):
        raise StoreError(source, "its embedding is not stored")
    methods, tests = tasks.for_task(experiment.task), set(experiment.split.test.tolist())
    classes = experiment.targets[rows] if methods.exclusive else None
    shown = spread_sample(classes, rows, seed=experiment.seed, most=most)
    places, method = projection.plane(
        networks.extractor(backbone, spec).tap(tap)[shown], seed=experiment.seed
    )
    points = []
    for row, (x, y) in zip(shown.tolist(), places.tolist(), strict=True):
        label = told(methods.value(experiment.task, experiment.targets[row]))
        answer = told(said[row]) if row in said else None
        points.append(
            {
                "row": row,
                "id": experiment.dataset.items[row].id,
                "x": round(x, 4),
                "y": round(y, 4),
                "label": label,
                "said": answer,
                "right": answer == label if isinstance(answer, str) else None,
                "part": "test" if row in tests else "development",
            }
        )
    called = nouns(experiment.dataset.modality, pairs=experiment.dataset.pairs)
    of = f"{len(shown):,} of {words.count(len(rows), *called)}" if len(shown) < len(rows) else ""
    return {
        "source": source,
        "tap": str(tap),
        "method": method,
        "n": len(shown),
        "of": len(rows),
        "points": points,
        "labels": list(experiment.task.labels) if methods.exclusive else [],
        "sentence": f"{of or words.count(len(rows), *called)}, placed by what {source} makes of them before "
        f"it sees a label ({method}): neighbours look alike to it. Distances between far groups mean little.",
    }


def spread_sample(y: np.ndarray | None, rows: np.ndarray, *, seed: int, most: int = POINTS) -> np.ndarray:
    """int64: at most `most` of `rows` in increasing order, each class (of `y`) by its share and none left out
    while there is room; without classes at random."""
    if len(rows) <= most:
        return np.sort(rows)
    order = np.random.default_rng(seed).permutation(len(rows))
    if y is not None:
        label = y[order]
        by_class = np.argsort(label, kind="stable")
        _, start, count = np.unique(label[by_class], return_index=True, return_counts=True)
        place = np.empty(len(rows))
        place[by_class] = (np.arange(len(rows)) - np.repeat(start, count)) / np.repeat(count, count)
        order = order[np.argsort(place, kind="stable")]  # the first of every class, then by share
    return np.sort(rows[order[:most]])

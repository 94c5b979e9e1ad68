"""What the network of the shipped arm sees: a map of the items, and how each of its layers does."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart.core import words
from headstart.core.backbone import Tap, embedding_tap
from headstart.core.features import FeatureSpec
from headstart.core.strategy import Trial
from headstart.core.task import CLASSIFICATION, MULTILABEL
from headstart.errors import StoreError
from headstart.measure import projection
from headstart.measure.intervals import units, wilson
from headstart.modalities import nouns
from headstart.run import board
from headstart.run.bench import Bench
from headstart.run.mistakes import told, true_label
from headstart.strategies.probe import selection_rows

POINTS = 1_500
"""Most items on the map."""
FEWER = 300
"""Most where there is little time left."""


def probe_of(bench: Bench, trials: Mapping[str, Trial], shipped: Trial) -> Trial | None:
    """The probe that speaks for the run's networks: that of the shipped arm's source, else the best one."""
    probes = [t for t in trials.values() if t.strategy == "probe" and "profile" in t.choices]
    own = [trial for trial in probes if trial.source == shipped.source]
    scored = {trial.arm: board.signed_score(trial, bench.dataset, bench.task) for trial in own or probes}
    return max(own or probes, key=lambda trial: scored[trial.arm] or -np.inf, default=None)


# the map


def embedding_map(
    bench: Bench, source: str, rows: np.ndarray, said: Mapping[int, Any], *, most: int = POINTS
) -> dict[str, Any]:
    """The items in a plane by the stored embedding of a source.

    `rows` int64 are the labelled rows to draw at most so many from; `said` the decoded out-of-fold answers by
    row. Raises `StoreError` when the features are no longer stored: no pass is made for a picture.
    """
    backbone = bench.backbone(source)
    assert backbone is not None
    assert bench.dataset.y is not None
    tap = embedding_tap(backbone)
    spec = FeatureSpec(taps=(tap,))
    if bench.extractor.missing(backbone, spec):
        raise StoreError(source, "its embedding is not stored")
    shown = spread_sample(bench.dataset.y[rows], rows, seed=bench.seed, most=most)
    places, method = projection.plane(bench.extractor(backbone, spec).tap(tap)[shown], seed=bench.seed)
    tests = set(bench.split.test.tolist())
    points = []
    for row, (x, y) in zip(shown.tolist(), places.tolist(), strict=True):
        label = told(true_label(bench.task, bench.dataset.y[row]))
        answer = told(said[row]) if row in said else None
        points.append(
            {
                "row": row,
                "id": bench.dataset.items[row].id,
                "x": round(x, 4),
                "y": round(y, 4),
                "label": label,
                "said": answer,
                "right": answer == label if isinstance(answer, str) else None,
                "part": "test" if row in tests else "development",
            }
        )
    called = nouns(bench.dataset.modality, pairs=bench.dataset.pairs)
    of = f"{len(shown):,} of {words.count(len(rows), *called)}" if len(shown) < len(rows) else ""
    return {
        "source": source,
        "tap": str(tap),
        "method": method,
        "n": len(shown),
        "of": len(rows),
        "points": points,
        "labels": list(bench.task.labels) if bench.task.kind == CLASSIFICATION else [],
        "sentence": f"{of or words.count(len(rows), *called)}, placed by what {source} makes of them before "
        f"it sees a label ({method}): neighbours look alike to it. Distances between far groups mean little.",
    }


def spread_sample(y: np.ndarray, rows: np.ndarray, *, seed: int, most: int = POINTS) -> np.ndarray:
    """int64: at most `most` of `rows` in increasing order, each class by its share and none left out while
    there is room; without classes at random."""
    if len(rows) <= most:
        return np.sort(rows)
    order = np.random.default_rng(seed).permutation(len(rows))
    if y.ndim == 1 and y.dtype.kind == "i":
        label = y[order]
        by_class = np.argsort(label, kind="stable")
        _, start, count = np.unique(label[by_class], return_index=True, return_counts=True)
        place = np.empty(len(rows))
        place[by_class] = (np.arange(len(rows)) - np.repeat(start, count)) / np.repeat(count, count)
        order = order[np.argsort(place, kind="stable")]  # the first of every class, then by share
    return np.sort(rows[order[:most]])


# the layers


def depth(bench: Bench, trial: Trial) -> dict[str, Any] | None:
    """The leave-one-out ridge profile of a probe, its taps in the network's order; None without one.

    Accuracy with its Wilson interval over items (or groups); where there is none, the skill 1 - squared
    error / variance, with 1.96 standard errors of the squared error.
    """
    profile = trial.choices.get("profile")
    if not profile:
        return None
    # of a trial that was read back: what is not finite has no word in JSON
    profile = {tap: {k: np.nan if v is None else v for k, v in of.items()} for tap, of in profile.items()}
    metric = "accuracy" if all("accuracy" in errors for errors in profile.values()) else "skill"
    rows = selection_rows(bench.split, bench.seed)
    _, n = units(len(rows), board.groups_of(rows, bench.split.groups))
    chance, variance = _chance(bench, rows)
    found = []
    for name, errors in profile.items():
        value, low, high = _accuracy(errors, n) if metric == "accuracy" else _skill(errors, variance)
        tap = Tap.parse(name)
        found.append(
            {
                "tap": name,
                "stage": tap.stage,
                "grid": tap.grid,
                "value": value,
                "low": low,
                "high": high,
                "chosen": name in trial.choices["taps"],
            }
        )
    return {
        "source": trial.source,
        "metric": metric,
        "chance": chance if metric == "accuracy" else 0.0,
        "rows": found,
        "sentence": _depth_sentence(found, metric, str(trial.source), _embedding(bench, trial.source)),
    }


def _chance(bench: Bench, rows: np.ndarray) -> tuple[float, float]:
    """(share of the largest class, variance of the ridge targets summed over them)."""
    assert bench.dataset.y is not None
    y = bench.dataset.y[rows]
    if bench.task.kind == CLASSIFICATION:
        share = np.bincount(y) / len(y)
        return float(share.max()), float((share * (1 - share)).sum())
    if bench.task.kind == MULTILABEL:
        return 0.0, float(np.var(y, axis=0).sum())
    return 0.0, 1.0  # the targets of a regression are standardised


def _accuracy(errors: Mapping[str, float], n: int) -> tuple[float, float, float]:
    interval = wilson(errors["accuracy"] * n, n)
    return errors["accuracy"], interval.low, interval.high


def _skill(errors: Mapping[str, float], variance: float) -> tuple[float, float | None, float | None]:
    if not variance:
        return 0.0, None, None
    value = 1 - errors["mse"] / variance
    if "mse_error" not in errors:  # a trial of an older Headstart
        return value, None, None
    half = 1.96 * errors["mse_error"] / variance
    return value, value - half, value + half


def _embedding(bench: Bench, source: str | None) -> str:
    backbone = bench.backbone(source)
    return "" if backbone is None else str(embedding_tap(backbone))


def _depth_sentence(found: list[dict[str, Any]], metric: str, source: str, embedding: str) -> str:
    """Where in the network the best single layer lies, and how its own embedding (the last layer, where it is
    not among them) compares."""
    best = max(found, key=lambda row: row["value"])
    own = next((row for row in found if row["tap"] == embedding), None)

    def said(row: Mapping[str, Any]) -> str:
        return words.value("accuracy", row["value"]) if metric == "accuracy" else f"{row['value']:.2f}"

    text = f"Of single layers of {source}, {best['tap']} does best: {said(best)} {metric}, leave-one-out"
    if own is best:
        return f"{text}: its own embedding."
    if own is not None:
        return f"{text}, against {said(own)} of its own embedding."
    last = found[-1]
    return text + (f", against {said(last)} at the end of the network." if best is not last else ".")

"""Which source: does the ranking find the one whose probe is best on items that nobody looked at?

    python benchmarks/choose.py --shared FOLDER [--set hymenoptera] [--draws 2] [--cache FOLDER]

FOLDER holds `data/NAME/images.zip` with `splits.csv`, and `weights/imagenet/*.safetensors`. The sources are these,
EfficientNet-Lite0 to 2 and the two bundled ones; a cell is a data set, a number of labels a class and a draw of
them. The truth of a source in a cell is the accuracy of its probe, trained on all labels of the cell, on the test
items. Each cell is written down when it is done, and done once; features are computed once, in the store.

Reported: Kendall's tau of the order with the truth, for the ranking and for each thing that one could go by
alone; the same over all sub-zoos of six sources in which size alone says little (|tau| of at most 0.3); what
the first of the ranking loses against the best (regret); and how often the truth lies in the 90 % interval.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np

import headstart as hs
from _sets import draw
from _zoo import PUBLISHED, SETS
from headstart import tasks
from headstart.core.dataset import Dataset
from headstart.core.strategy import Request
from headstart.data import splits
from headstart.measure.transferability.combined import combined
from headstart.passes.extractor import StoreExtractor
from headstart.ranking import scoring, standing
from headstart.store.store import FeatureStore
from headstart.strategies import probe

RESULTS = Path(__file__).parent / "results" / "choose.json"
SUB_ZOO, LITTLE = 6, 0.3


@dataclass(frozen=True)
class Cell:
    """One ranking with its truth, by source in one order."""

    name: str
    labels: int
    seed: int
    n: int
    tests: int
    sources: list[str]
    truth: list[float]
    expected: list[list[float]]
    """value, low, high"""
    scores: dict[str, list[float]]
    parameters: list[int]
    published: list[float]
    whole: list[float]
    beats: list[list[bool]]


def run_cell(
    name: str, dataset: Dataset, labels: int, seed: int, tests: int, networks: Sequence[Any]
) -> Cell:
    """Rank the sources by the training rows of a draw, and test their probes on its other rows."""
    drawn = draw(dataset, labels, seed, tests)
    task, y = drawn.task, drawn.targets
    assert task is not None
    methods = tasks.for_task(task)
    given = np.asarray(drawn.split)
    train, test = np.flatnonzero(given != "test"), np.flatnonzero(given == "test")
    extract = StoreExtractor(FeatureStore.default(), drawn, workers=1)
    split = splits.make_split(drawn, seed=seed)
    scored, truth = [], []
    for backbone in networks:
        request = Request(drawn.view(labels=train), task, split, extract, backbone, seed=seed)
        one = scoring.score(request)
        weights = sum(p.numel() for p in backbone.module.parameters())
        scored.append(replace(one, source=replace(backbone.source, parameters=weights)))
        reading = probe.read(request, backbone)
        taps = reading.choose(train)
        linear = reading.fit(taps, train)
        answers = methods.activate(linear.logits(reading.matrix(taps, test).astype(np.float64)))
        truth.append(float(methods.scores[task.metric].value(np.asarray(y[test]), answers)))
    held = split.development[scoring.held_out(split)]
    on = {"groups": split.groups[held], "seed": seed}
    rows = {row.source: row for row in standing.standing(task, y[held], scored, **on)}
    compared = standing.draw(task, y[held], scored, **on)
    expected = [rows[one.source.spec].expected for one in scored]
    return Cell(
        name, labels, seed, len(train), len(test),
        [one.source.name for one in scored], truth,
        [[e.value, e.low, e.high] for e in expected],
        {key: [one.scores[key] for one in scored] for key in scoring.DECIDERS},
        [int(one.source.parameters or 0) for one in scored],
        [one.source.prior or PUBLISHED.get(one.source.name, 0.0) for one in scored],
        compared.whole.tolist(), compared.beats().tolist(),
    )  # fmt: skip


def orders(cell: Cell, use: Sequence[int]) -> dict[str, np.ndarray]:
    """How good each way of ordering says the sources `use` are, float64 `[len(use)]`, higher is better."""
    at = list(use)

    def of(values: Sequence[float]) -> np.ndarray:
        return np.asarray(values, np.float64)[at]

    sizes = np.log(of(cell.parameters))
    scores = {name: of(values) for name, values in cell.scores.items()}
    beats = np.asarray(cell.beats)[np.ix_(at, at)]
    found = {
        "size": sizes,
        "published accuracy": of(cell.published),
        "leave-one-out accuracy": of(cell.whole),
    }
    found |= scores
    priors = {"size": sizes, "published accuracy": of(cell.published)}
    for called, prior in priors.items():
        if not np.ptp(of(cell.published)) and called != "size":
            del found[called]  # nothing was published of any
            continue
        name, weight = f"ranking, with {called}", standing.KNOWN[called]
        score = combined(scores, prior, weight=weight)
        best = standing.order(score, of(cell.whole), beats, [cell.sources[i] for i in at])
        found[name] = -np.argsort(best).astype(np.float64)
    found["scores alone"] = combined(scores, sizes, weight=0.0)
    return found


def tau(a: np.ndarray, b: np.ndarray) -> float:
    """Kendall's, with ties (tau-b)."""
    upper = np.triu_indices(len(a), 1)
    one, other = (np.sign(values[upper[0]] - values[upper[1]]) for values in (a, b))
    square = np.count_nonzero(one) * np.count_nonzero(other)
    return float((one * other).sum() / np.sqrt(square)) if square else 0.0


def summary(cells: Sequence[Cell]) -> dict[str, Any]:
    """Means over cells: tau and regret of each order over the whole zoo and over balanced sub-zoos; coverage."""
    whole: dict[str, list[float]] = {}
    regret: dict[str, list[float]] = {}
    part: dict[str, list[float]] = {}
    for cell in cells:
        truth = np.asarray(cell.truth)
        for name, values in orders(cell, range(len(truth))).items():
            whole.setdefault(name, []).append(tau(values, truth))
            regret.setdefault(name, []).append(float(truth.max() - truth[int(values.argmax())]))
        mine: dict[str, list[float]] = {}
        for use in combinations(range(len(truth)), SUB_ZOO):
            at = list(use)
            if abs(tau(np.log(np.asarray(cell.parameters)[at]), truth[at])) > LITTLE:
                continue
            for name, values in orders(cell, use).items():
                mine.setdefault(name, []).append(tau(values, truth[at]))
        for name, values in mine.items():
            part.setdefault(name, []).append(float(np.mean(values)))
    inside, fair, error = [], [], []
    for cell in cells:
        for truth, (value, low, high) in zip(cell.truth, cell.expected, strict=True):
            inside.append(low <= truth <= high)
            # the truth itself is measured on so many items
            noise = 1.645 * np.sqrt(max(truth * (1 - truth), 0.5 / cell.tests) / cell.tests)
            half = [np.hypot(value - low, noise), np.hypot(high - value, noise)]
            fair.append(value - half[0] <= truth <= value + half[1])
            error.append(value - truth)
    return {
        "cells": len(cells),
        "tau": {k: float(np.mean(v)) for k, v in whole.items()},
        "tau, size balanced": {k: float(np.mean(v)) for k, v in part.items()},
        "regret": {k: float(np.mean(v)) for k, v in regret.items()},
        "truth in the interval": float(np.mean(inside)),
        "the same, allowing for the test's own noise": float(np.mean(fair)),
        "mean error": float(np.mean(error)),
        "mean absolute error": float(np.mean(np.abs(error))),
    }


def table(found: Mapping[str, Any]) -> str:
    """The orders as a Markdown table, and a line on the intervals."""
    lines = ["| ordered by | tau | tau, size balanced | regret |", "|---|---|---|---|"]
    for name, value in found["tau"].items():
        balanced, lost = found["tau, size balanced"].get(name, float("nan")), 100 * found["regret"][name]
        lines.append(f"| {name} | {value:.2f} | {balanced:.2f} | {lost:.1f} points |")
    lines.append("")
    lines += [f"{key}: {value:.3f}" for key, value in found.items() if not isinstance(value, dict)]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/ and weights/")
    parser.add_argument("--set", action="append", choices=SETS, dest="sets")
    parser.add_argument("--draws", type=int, default=2, help="draws of labels for each number of them")
    parser.add_argument("--cache", type=Path, help="feature store to use again")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    done = (
        [Cell(**one) for one in json.loads(options.out.read_text())["cells"]] if options.out.exists() else []
    )
    known = {(cell.name, cell.labels, cell.seed) for cell in done}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADSTART_CACHE"] = str(options.cache or Path(scratch) / "cache")
        zoos: dict[Any, list[Any]] = {}
        for name in options.sets or SETS:
            asked = SETS[name]
            most = max(asked.counts)
            # all draws come out of one pool, which is read once
            wanted = [(n, s) for n in asked.counts for s in range(options.draws) if s == 0 or n < most]
            todo = [(n, s) for n, s in wanted if (name, n, s) not in known]
            if not todo:
                continue
            if asked.zoo not in zoos:
                zoos = {asked.zoo: asked.zoo(options.shared)}
            dataset = draw(asked.read(options.shared / "data", Path(scratch)), most, 0, asked.tests)
            for labels, seed in todo:
                done.append(run_cell(name, dataset, labels, seed, asked.tests, zoos[asked.zoo]))
                save(options.out, done, {})
                told = dict(zip(done[-1].sources, done[-1].truth, strict=True))
                print(name, labels, seed, told, flush=True)
    kinds = {
        zoo.__name__: [cell for cell in done if SETS[cell.name].zoo is zoo]
        for zoo in dict.fromkeys(asked.zoo for asked in SETS.values())
    }
    told = {name: summary(cells) for name, cells in {**kinds, "all": done}.items() if cells}
    save(options.out, done, told)
    for name, one in told.items():
        print(f"\n{name}\n\n{table(one)}")


def save(path: Path, cells: Sequence[Cell], told: Mapping[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    content = {"summary": told, "cells": [vars(cell) for cell in cells], "version": hs.__version__}
    path.write_text(json.dumps(content) + "\n")


if __name__ == "__main__":
    main()

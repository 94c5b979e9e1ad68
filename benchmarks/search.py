"""Source search: what does it save, and what is lost, where all sources of a zoo are named?

    python benchmarks/search.py --shared FOLDER [--set trec] [--draws 1] [--cache FOLDER]

The sources and sets are those of `choose.py`, with the most labels a class that it takes; the truth of a source is
what that script measured. The search runs as in a fit (`planning/shortlist.py`), without a limit of time. Its cost
is what the rounds read, times the processor seconds that an item takes with each source (measured on some items
with an empty store), what the kept sources then read of the rest, and the seconds of the scores; everything is all
items through all sources, and their scores; a draw is one of the items of the first rounds. Of the sources kept the one with the best held-out accuracy on all
labelled items is taken; what it loses against the best truth is the regret.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

import headstart as hs
from _sets import draw
from _zoo import SETS
from headstart.core.dataset import Dataset
from headstart.core.features import FeatureSpec
from headstart.data import splits
from headstart.passes.extractor import StoreExtractor
from headstart.planning import shortlist
from headstart.planning.shortlist import Ranked
from headstart.ranking.evaluation import Evaluation, looked_at
from headstart.ranking.standing import known_before
from headstart.store.store import FeatureStore

RESULTS = Path(__file__).parent / "results"
MEASURED = 24
"""Items on which the cost of a pass is measured."""


def cost(backbone: Any, dataset: Dataset, scratch: Path) -> float:
    """Processor seconds that an item takes, the first batch not counted."""
    rows = np.random.default_rng(0).permutation(len(dataset))[: MEASURED + 4]
    for part in (rows[:4], rows[4:]):
        extract = StoreExtractor(FeatureStore(scratch), dataset.subset(np.sort(part)), workers=1)
        start = time.process_time()
        extract(backbone, FeatureSpec(taps=backbone.taps()))
    return (time.process_time() - start) / MEASURED


def searched(
    dataset: Dataset, networks: Sequence[Any], costs: dict[str, float], cell: Any, seed: int
) -> dict[str, Any]:
    """The search on the labelled rows of a drawn data set, and what came of it."""
    assert dataset.task is not None
    by_name = {one.source.name: one for one in networks}
    split = splits.make_split(dataset, seed=0)
    n, read, scoring = len(split.development), dict.fromkeys(by_name, 0), 0.0
    rounds = []

    def measure(names: Sequence[str], count: int, few: bool) -> list[Ranked]:
        nonlocal scoring
        own = looked_at(dataset, split, seed, count)
        extract = StoreExtractor(FeatureStore.default(), own, workers=1)
        for name in names:  # what is missing is not counted as scoring
            extract(by_name[name], FeatureSpec(taps=by_name[name].taps()))
        start = time.process_time()
        evaluation = Evaluation(own, dataset.task, splits.make_split(own, seed=0), extract, 0)
        scored = [evaluation.measure(by_name[name].source, by_name[name], few=few) for name in names]
        rows = evaluation.standing(scored)
        scoring += time.process_time() - start
        read.update(dict.fromkeys(names, count))
        prior = dict(zip((one.source.spec for one in scored), known_before(scored)[0], strict=True))
        named = {one.source.spec: name for one, name in zip(scored, names, strict=True)}
        rounds.append([len(names), count])
        return [
            Ranked(named[row.source], costs[named[row.source]], prior[row.source], row.tied or row is rows[0])
            for row in rows
        ]

    found = shortlist.search(costs, n, lambda: float("inf"), measure, classes=dataset.task.outputs)
    spent = sum(costs[name] * (n if name in found.kept else count) for name, count in read.items())
    whole = dict(zip(cell["sources"], cell["whole"], strict=True))
    truth = dict(zip(cell["sources"], cell["truth"], strict=True))
    taken = max(found.kept, key=lambda name: whole[name])
    own = looked_at(dataset, split, 0)
    evaluation = Evaluation(
        own, dataset.task, splits.make_split(own, seed=0), StoreExtractor(FeatureStore.default(), own), 0
    )
    for one in networks:  # what is missing is not counted as scoring
        evaluation.extract(one, FeatureSpec(taps=one.taps()))
    start = time.process_time()
    for one in networks:
        evaluation.measure(one.source, one)
    everything = n * sum(costs.values()) + time.process_time() - start
    return {
        "set": cell["name"], "draw": seed, "n": n, "sources": len(networks), "rounds": rounds, "kept": list(found.kept),
        "share": (spent + scoring) / everything, "share of reading": spent / (n * sum(costs.values())),
        "regret": max(truth.values()) - truth[taken],
        "regret of everything": max(truth.values()) - truth[max(whole, key=lambda name: whole[name])],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/ and weights/")
    parser.add_argument("--set", action="append", choices=SETS, dest="sets")
    parser.add_argument("--draws", type=int, default=1)
    parser.add_argument("--cache", type=Path, help="feature store to use again")
    parser.add_argument("--cells", type=Path, default=RESULTS / "choose.json")
    parser.add_argument("--out", type=Path, default=RESULTS / "search.json")
    options = parser.parse_args()
    cells = {(cell["name"], cell["labels"]): cell for cell in json.loads(options.cells.read_text())["cells"]}
    done = (
        {(row["set"], row.get("draw", 0)): row for row in json.loads(options.out.read_text())["rows"]}
        if options.out.exists()
        else {}
    )
    with tempfile.TemporaryDirectory() as room:
        scratch = Path(room)
        os.environ["HEADSTART_CACHE"] = str(options.cache or scratch / "cache")
        zoos: dict[Any, list[Any]] = {}
        for name in options.sets or SETS:
            asked = SETS[name]
            cell = cells.get((name, max(asked.counts)))
            todo = [seed for seed in range(options.draws) if (name, seed) not in done]
            if cell is None or not todo:
                continue
            zoos = zoos if asked.zoo in zoos else {asked.zoo: asked.zoo(options.shared)}
            dataset = draw(asked.read(options.shared / "data", scratch), max(asked.counts), 0, asked.tests)
            costs = {
                one.source.name: cost(one, dataset, scratch / f"{name}-{number}")
                for number, one in enumerate(zoos[asked.zoo])
            }
            for seed in todo:
                done[name, seed] = searched(dataset, zoos[asked.zoo], costs, cell, seed)
                print(done[name, seed], flush=True)
                options.out.write_text(
                    json.dumps({"rows": list(done.values()), "version": hs.__version__}) + "\n"
                )
    for key in ("share", "share of reading", "regret", "regret of everything"):
        print(key, round(float(np.mean([row[key] for row in done.values()])), 4))


if __name__ == "__main__":
    main()

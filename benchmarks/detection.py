"""Boxes from few images: the head on stored maps beside what needs no source and a random network, on blood cells.

    python benchmarks/detection.py --shared FOLDER [--images 10,50,218] [--arms probe,random-frozen] [--draws 3] [--table]

BCCD (`FOLDER/data/det_bccd`: images and Pascal VOC in one archive, parts in splits.csv): so many of its 218 training
images, drawn anew in each draw (218 are all: another draw is another seed); the 91 test images are measured with each arm's
model. MobileNetV2 of `FOLDER/weights/imagenet`, one thread. Seconds are those of the processor: `training` of one head and
the answers for the test images, `pass` of the network over all of these and their views. Cells that an earlier run finished
are kept; delete the results file to make them again.
"""

from __future__ import annotations

import argparse
import csv
import json
import tempfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headstart import data, sources, strategies, tasks
from headstart.core.dataset import Dataset
from headstart.core.split import Fold, Split
from headstart.core.strategy import Request
from headstart.measure import detection
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore
from headstart.strategies.dense import decoder
from headstart.strategies.detection import probe
from headstart.tasks.detection import matched

RESULTS = Path(__file__).parent / "results" / "detection.json"
NETWORK = "mobilenetv2_100.torchvision_ptq_in1k.safetensors"
SIZE = (360, 480)
ARMS = ("majority", "pixels", "random-frozen", "probe", "finetune", "full", "scratch")
FREE = ("majority", "pixels")
"""Arms that read no network."""


def cells(shared: Path, where: Path) -> Dataset:
    """All images, with their part as the split."""
    pack = shared / "data" / "det_bccd"
    with zipfile.ZipFile(pack / "voc.zip") as archive:
        archive.extractall(where)
    with (pack / "splits.csv").open() as file:
        parts = {row["image"]: row["split"] for row in csv.DictReader(file)}
    found = data.load(where, task="detection")
    names = [item.id.rpartition("/")[2] for item in found.items]
    return replace(found, split=np.array([parts.get(name, "") for name in names]))


def one(dataset: Dataset, arm: str, spec: str, seed: int, where: Path) -> dict[str, Any]:
    """An arm on images of which those of the test part are held out, all at once."""
    assert dataset.split is not None
    assert dataset.task is not None
    train, test = (np.flatnonzero(dataset.split == part) for part in ("train", "test"))
    rows = np.concatenate([train, test])
    fold = Fold(0, np.arange(len(train)), np.arange(len(train), len(rows)))
    split = Split(fold.train, np.zeros(0, np.int64), (fold,), np.arange(len(rows)), seed, "drawn")
    drawn = replace(dataset.subset(rows), split=None)
    extractor = StoreExtractor(FeatureStore(where / "store"), drawn)
    backbone = None if arm in FREE else sources.mapped(sources.load(spec), SIZE)
    request = Request(drawn, dataset.task, split, extractor, backbone, seed=seed)
    strategy: Any = strategies.get(arm, dataset.task)
    begin = time.process_time()
    if isinstance(strategy, decoder.Decoder):
        own = strategy.reads(request)
        assert strategy.arm(own, own.network, strategy.design(own), strategy.kind).features
    elif backbone is not None:
        probe.Reader.of(request, backbone if arm == "probe" else backbone.fresh(seed))
    passed = time.process_time() - begin
    begin = time.process_time()
    trial = strategy.fit(request)
    training = time.process_time() - begin
    y, said = drawn.targets[fold.test], trial.predictions.take(0, fold.test)
    table = detection.precisions(matched(y, said), np.ones((1, len(y))), classes=dataset.task.outputs)[0]
    scores = tasks.for_task(dataset.task).metrics(dataset.task, y, said)
    each = dict(zip(dataset.task.labels, table[0].round(4).tolist(), strict=True))
    return {
        **{name: round(value, 4) for name, value in scores.items()},
        "AP50": each,
        "training": round(training, 1),
        "pass": round(passed, 1),
    }


def told(found: dict[str, dict[str, Any]]) -> str:
    """The table of the docs."""
    lines = [
        "| images | arm | draws | mAP50 | mAP50:95 | AP50 of platelets, red, white cells | training |",
        "|---|" + "---|" * 6,
    ]
    for count in sorted({int(key.split()[0]) for key in found}):
        for arm in ARMS:
            own = [c for key, c in found.items() if key.startswith(f"{count} ") and key.endswith(f" {arm}")]
            if not own:
                continue
            row = [f"{np.mean([c[name] for c in own]):.3f}" for name in ("mAP50", "mAP50:95")]
            if len(own) > 1:
                row[0] += f" ({min(c['mAP50'] for c in own):.3f} to {max(c['mAP50'] for c in own):.3f})"
            each = [f"{np.mean([c['AP50'][name] for c in own]):.2f}" for name in ("Platelets", "RBC", "WBC")]
            seconds = f"{np.mean([c['training'] for c in own]):.0f} s"
            lines.append(
                f"| {count} | `{arm}` | {len(own)} | {row[0]} | {row[1]} | {', '.join(each)} | {seconds} |"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--images", default="10,50,218")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--draws", type=int, default=3)
    parser.add_argument("--table", action="store_true", help="only print the table of what is there")
    options = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    if options.table:
        print(told(found))
        return
    spec = f"file:{options.shared.resolve() / 'weights' / 'imagenet' / NETWORK}"
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        where = Path(folder)
        dataset = cells(options.shared, where / "data")
        pool = np.flatnonzero(dataset.split == "train")
        for count in map(int, options.images.split(",")):
            for draw in range(options.draws):
                picked = np.random.default_rng(draw).permutation(pool)[:count]
                split = np.where(np.isin(np.arange(len(dataset)), picked), "train", "")
                split[dataset.split == "test"] = "test"
                for arm in options.arms.split(","):
                    key = f"{count} images, draw {draw}, {arm}"
                    if key not in found:
                        found[key] = one(replace(dataset, split=split), arm, spec, draw, where)
                        RESULTS.write_text(json.dumps(found, indent=1) + "\n")
                    print(key, found[key], flush=True)
    print(told(found))


if __name__ == "__main__":
    main()

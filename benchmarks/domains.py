"""Does the automatic choice of `headstart adapt` help where the target is not the source, and keep still elsewhere?

    python benchmarks/domains.py --shared FOLDER [--pair digits] [--features FOLDER] [--environments FOLDER]

Pairs of domains, in both directions, on features that are stored once (or raw columns of tables): source-only, each
adapter, the automatic choice made without a label of the target, and the oracle, the best adapter by the labels that
nobody used. Accuracy on the target rows themselves (transductive), two draws of the rows. Harm: more than one point
below source-only. With `--environments` skada's estimators answer the same rows of the same features, in an environment
of their own. The rules are also judged with their thresholds chosen on all other families of pairs (`left_out`), and on
pairs that nobody had looked at when they were settled (`_domains.JUDGED`). `--features` names a folder where features are
kept between calls. `--pair deep` is MNIST to USPS and back from a small network trained on the source, with the adapters
in the pool that train it (`domains_deep.py`; accuracy on rows that nothing has seen). Everything but that pair runs when
none is named; `--noise` runs it with each target replaced by Gaussian noise of its mean and covariance, in which there is
nothing to adapt to. Pairs that an earlier run finished are kept; delete the results file to make them again.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import permutations
from pathlib import Path
from typing import Any

import numpy as np
from scipy.io import wavfile
from scipy.signal import decimate

import headstart as hs
from _domains import CENSUS, DESIGNED, GLYPHS, JUDGED, PHOTOS, SPEECH, WORDS, Domain, Family
from _versus import environments
from domains_deep import chosen as deep
from headstart.core import environment
from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.split import Fold, Split
from headstart.core.strategy import Request
from headstart.core.task import CLASSIFICATION, Task
from headstart.measure.threads import suited_to
from headstart.planning import adaptation
from headstart.strategies import adapt
from headstart.strategies.adapt.assess import Assessed, Shift, assess, diagnosed
from headstart.testing.adapters import ArrayExtractor
from headstart.testing.fakes import TinyBackbone

RESULTS = Path(__file__).parent / "results" / "domains.json"
HARM = 0.01
ASKED = ("none", "prior", "coral", "linot", "subspace", "density", "clusters")
"""Adapters unless others are named. AdaBN and those that train need the network itself, which rows of features do not have;
`entropic` needs POT."""


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


def rates(shared: Path) -> Iterator[tuple[str, Domain]]:
    """Spoken digits, three speakers: as recorded at 8 kHz, and other recordings at 4 kHz."""
    with tempfile.TemporaryDirectory() as scratch:
        with zipfile.ZipFile(shared / "data" / "audio_fsdd" / "fsdd.zip") as archive:
            archive.extractall(scratch)
        files = sorted(
            path for who in ("george", "jackson", "theo") for path in Path(scratch).rglob(f"*_{who}_*.wav")
        )
        for place, file in enumerate(files):
            if place % 2:
                rate, sound = wavfile.read(file)
                wavfile.write(file, rate // 2, decimate(sound, 2).astype(sound.dtype))
        for name, some in (("8 kHz", files[::2]), ("4 kHz", files[1::2])):
            yield (
                name,
                (hs.embed([str(f) for f in some[:400]], SPEECH), np.array([f.name[0] for f in some[:400]])),
            )


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


def census(name: str) -> Family:
    """Income by another column."""

    def pairs(shared: Path) -> Iterator[tuple[str, Domain]]:
        rows = list(csv.DictReader((shared / "data" / "tab_adult" / "adult.csv").open()))
        known = [row for row in rows if name != "adult-work" or row["workclass"] != "?"]
        return _census(known, CENSUS[name])

    return pairs


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


HALVES = {
    "designed": (*DESIGNED, "adult-sex", "adult-work", "adult-school"), "judged": (*JUDGED, "adult-hours", "rates"),
}  # fmt: skip
"""Families that came after the first ones."""
PAIRS: dict[str, Family] = {
    "digits": digits, "corrupted": corrupted, "pacs": paintings, "amazon": reviews, "spoken": speakers, "rates": rates,
    "wine": wine, "adult-age": adult, "adult-country": countries, **DESIGNED, **JUDGED,
    **{name: census(name) for name in CENSUS},
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


def measured(source: Domain, target: Domain, rows: int, seed: int, names: Sequence[str]) -> dict[str, Any]:
    """One cell: accuracies by adapter, and what was chosen without them."""
    request, y = request_of(source, target, rows, seed)
    pool, accuracy, began = [], {}, time.process_time()
    for name in names:
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


def noise(domain: Domain) -> Domain:
    """Gaussian, of the same mean and covariance; the labels stand for nothing."""
    x, y = domain
    rng = np.random.default_rng(0)
    centred = x - x.mean(axis=0)
    return x.mean(axis=0) + rng.standard_normal((len(x), len(x))) @ centred / len(x) ** 0.5, y


def told(results: dict[str, Any]) -> Iterator[str]:
    """The table, and what it amounts to."""
    seen = {name for cells in results.values() for cell in cells for name in cell["accuracy"]}
    names = [name for name in adapt.ADAPTERS if name in seen]
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
    for half, families in HALVES.items():
        own = [
            cell for pair, cells in results.items() if pair.partition(":")[0] in families for cell in cells
        ]
        won = np.array([[cell["accuracy"][cell["chosen"]], max(cell["accuracy"].values())] for cell in own])
        if own:
            won -= np.array([[cell["accuracy"][adapt.NONE]] for cell in own])
            yield (
                f"{half}: {len(own)} cells, mean {100 * won[:, 0].mean():+.2f}, worst {100 * won[:, 0].min():+.1f}, harmed"
                f" {100 * (won[:, 0] < -HARM).mean():.0f}%, {won[:, 0].sum() / won[:, 1].sum():.0%} of the oracle's\n"
            )
    others = [cell["skada"] for cells in results.values() for cell in cells if "skada" in cell]
    for name in others[0] if others else ():
        # skada's own source-only is what its estimators are held against
        some = np.array([one[name] - one["source-only"] for one in others if one[name] is not None])
        against = [one[name] - cell["accuracy"][adapt.NONE] for cells in results.values() for cell in cells
                   if (one := cell.get("skada")) and one[name] is not None]  # fmt: skip
        yield (
            f"skada {name:<20}{100 * some.mean():+7.2f} over its source-only, {100 * np.mean(against):+.2f} over ours,"
            f" harmed {100 * (some < -HARM).mean():.0f}%, {len(some)} cells\n"
        )
    found = np.array(list(left_out(results)))
    if len(found):
        yield (
            f"thresholds from other families: {100 * found.mean():+.2f} points, harmed {100 * (found < -HARM).mean():.0f}%\n"
        )


GRID = [
    (agree, kept, strong)
    for agree in (0.01, 0.02, 0.04)
    for kept in (0.0, 0.01, 0.02)
    for strong in (0.05, 0.1)
]
"""Of `adaptation`: AGREE, KEPT and STRONG."""


def decided(cell: dict[str, Any], agree: float, kept: float, strong: float) -> float:
    """What the choice by these thresholds gains, in accuracy."""
    before = adaptation.AGREE, adaptation.KEPT, adaptation.STRONG
    adaptation.AGREE, adaptation.KEPT, adaptation.STRONG = agree, kept, strong
    shift = {name: tuple(v) if isinstance(v, list) else v for name, v in cell["shift"].items()}
    decision = adaptation.decide(Shift(**shift), [Assessed.from_json(one) for one in cell["pool"]])
    adaptation.AGREE, adaptation.KEPT, adaptation.STRONG = before
    return float(cell["accuracy"][decision.adapter] - cell["accuracy"][adapt.NONE])


def left_out(results: dict[str, Any]) -> Iterator[float]:
    """The gain in each cell with the thresholds that do best on all other families (fewest harmed above 5 %, then
    the mean)."""
    by = {
        (pair, n): [decided(cell, *at) for at in GRID]
        for pair, cells in results.items()
        for n, cell in enumerate(cells)
    }
    for (pair, _), own in by.items():
        others = np.array(
            [row for (name, _), row in by.items() if name.partition(":")[0] != pair.partition(":")[0]]
        )
        if not len(others):
            return
        harm, mean = (others < -HARM).mean(axis=0), others.mean(axis=0)
        yield own[int(np.lexsort((-mean, np.maximum(harm, 0.05)))[0])]


def beside(cells: dict[str, tuple[Request, np.ndarray]], folder: Path) -> dict[str, dict[str, float | None]]:
    """skada's accuracies by cell and estimator."""
    python = environments.python_of("skada", folder)
    rows = {}
    for name, (request, y) in cells.items():
        x, n = request.features.array, len(request.split.development)
        rows |= {f"{name}/xs": x[:n], f"{name}/xt": x[n:], f"{name}/yt": y}
        rows[f"{name}/ys"] = request.dataset.targets[request.split.development]
    with tempfile.TemporaryDirectory() as scratch:
        np.savez(Path(scratch) / "cells.npz", **rows)
        script = Path(__file__).parent / "_versus" / "skada_domains.py"
        done = subprocess.run(
            [str(python), str(script), str(Path(scratch) / "cells.npz")],
            capture_output=True,
            text=True,
            check=True,
        )
    accuracy: dict[str, dict[str, float | None]] = json.loads(done.stdout.splitlines()[-1])["accuracy"]
    return accuracy


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--pair", choices=[*sorted(PAIRS), "deep"])
    parser.add_argument("--noise", action="store_true", help="targets without classes, which must be refused")
    parser.add_argument("--rows", type=int, default=300)
    parser.add_argument("--draws", type=int, default=2)
    parser.add_argument("--adapters", default=",".join(ASKED))
    parser.add_argument("--features", type=Path, help="a folder where features are kept")
    parser.add_argument("--environments", type=Path, help="a folder for the environment of skada")
    given = parser.parse_args()
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    content = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cells": {}}

    def keep() -> None:
        RESULTS.write_text(
            json.dumps(
                rounded(content | {"machine": environment.machine(), "versions": environment.versions()})
            )
        )

    adapters, cells = given.adapters.split(","), content.setdefault("noise" if given.noise else "cells", {})
    if given.pair == "deep":
        cells = content.setdefault("deep", {})
        for one, other in permutations(("mnist", "usps"), 2):
            key = f"deep: {one} > {other}"
            if key not in cells:
                cells[key] = [deep(given.shared, (one, other), adapters, seed) for seed in range(given.draws)]
                keep()
    for name in [] if given.pair == "deep" else [given.pair] if given.pair else PAIRS:
        domains = stored(name, given.shared, given.features)
        for one, other in permutations(domains, 2):
            key = f"{name}: {one} > {other}"
            target = noise(domains[other]) if given.noise else domains[other]
            if key not in cells or "clustered" not in cells[key][0]["shift"]:  # by rules that ask for it
                cells[key] = [
                    measured(domains[one], target, given.rows, seed, adapters) for seed in range(given.draws)
                ]
                keep()
                print("".join(told({key: cells[key]})).splitlines()[1], flush=True)
            if given.environments and not given.noise and "skada" not in cells[key][0]:
                drawn = {
                    str(n): request_of(domains[one], domains[other], given.rows, n)
                    for n in range(given.draws)
                }
                for number, accuracy in beside(drawn, given.environments).items():
                    cells[key][int(number)]["skada"] = accuracy
                keep()
    print("".join(told(cells)))


def stored(name: str, shared: Path, folder: Path | None) -> dict[str, Domain]:
    """The domains of a family, from the folder where it has them."""
    place = None if folder is None else folder / f"{name}.npz"
    if place is None or not place.exists():
        found = dict(PAIRS[name](shared))
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            np.savez(
                place,
                **{
                    f"{domain}_{part}": rows
                    for domain, pair in found.items()
                    for part, rows in zip("xy", pair, strict=True)
                },
            )
        return found
    held = np.load(place)
    return {
        key[:-2]: (held[key].astype(np.float64), held[f"{key[:-2]}_y"])
        for key in held.files
        if key.endswith("_x")
    }


def rounded(node: Any) -> Any:
    """With five digits of each number."""
    if isinstance(node, dict):
        return {key: rounded(value) for key, value in node.items()}
    if isinstance(node, list | tuple):
        return [rounded(value) for value in node]
    return float(f"{node:.5g}") if isinstance(node, float) else node


if __name__ == "__main__":
    main()

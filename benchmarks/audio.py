"""Few labelled sounds: the probe on sources of sounds, beside statistics of spectrograms, on the same items.

    python benchmarks/audio.py FOLDER [--draws 4] [--cell esc10-10] [--arm whisper]

FOLDER holds `audio_esc10` (esc10.zip and splits.csv with file, label, fold) and `audio_fsdd` (fsdd.zip with
recordings/, and splits.csv with file, digit, speaker). Cells: ESC-10 on its official folds with all labels, 10 and
5 a class; spoken digits with 10 labels a digit, on all other recordings and on a speaker who is not among those
learnt from (whose speakers are groups); and who speaks, with 10 recordings a speaker. Arms: the probe of Whisper
tiny.en, of Resemblyzer, of `bundled/tones` and of its architecture random and frozen, with the taps that it chooses by
the training rows alone; the simple model on raw sound
(`bands`); means and standard deviations of 20 MFCCs and their first and second differences, and a logistic
regression. Accuracy with a 95 % interval (t over the parts of all draws); seconds of the pass, and of choosing and
fitting all folds once, with the load of the machine.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
import time
import zipfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from scipy import fft, stats

import headstart as hs
from headstart import sources, strategies, tasks
from headstart.core import environment
from headstart.core.split import Fold, Split
from headstart.core.strategy import Request
from headstart.modalities import audio
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore
from headstart.strategies import bands, probe

RESULTS = Path(__file__).parent / "results" / "audio.json"
SOURCES = {
    "whisper": "package/whisper-tiny-en", "resemblyzer": "package/resemblyzer", "tones": "bundled/tones",
    "untrained": "bundled/tones",
}  # fmt: skip
ARMS = (*SOURCES, "bands", "mfcc")
SEED = 0


@dataclass(frozen=True)
class Sounds:
    """A data set, and the parts that it is measured on."""

    dataset: Any
    parts: np.ndarray
    """`[N]`: the fold, or the speaker."""


def opened(folder: Path, scratch: Path, name: str, column: str, part: str) -> Sounds:
    """A pack's recordings with one of its columns as label, and another as part."""
    where = scratch / name
    if not where.exists():
        with zipfile.ZipFile(folder / name / f"{name.removeprefix('audio_')}.zip") as archive:
            archive.extractall(where)
    with (folder / name / "splits.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    files = {path.relative_to(where).as_posix(): path for path in where.rglob("*") if path.is_file()}
    by_ending = {path.name: path for path in files.values()}
    paths = [files.get(row["file"]) or by_ending[Path(row["file"]).name] for row in rows]
    dataset = hs.load([str(path) for path in paths], labels=[row[column] for row in rows], name=name)
    assert len(dataset) == len(rows)
    return Sounds(dataset, np.array([row[part] for row in rows]))


def drawn(y: np.ndarray, pool: np.ndarray, count: int, seed: int) -> np.ndarray:
    """`count` rows of each class among those of the pool; all of them for 0."""
    if not count:
        return pool
    order = np.random.default_rng(seed).permutation(pool)
    return np.sort(np.concatenate([order[y[order] == c][:count] for c in np.unique(y[pool])]))


@dataclass(frozen=True)
class Cell:
    """A question: a data set, labels a class, and what is held out."""

    pack: str
    column: str
    part: str
    count: int
    held: str
    """"part": one after the other; "rest": what was not drawn."""
    grouped: bool = False

    def folds(self, sounds: Sounds, draws: int) -> Iterator[Fold]:
        y, every = np.asarray(sounds.dataset.y), np.arange(len(sounds.dataset))
        for draw in range(draws if self.count else 1):
            if self.held == "rest":
                train = drawn(y, every, self.count, draw)
                yield Fold(draw, train, np.setdiff1d(every, train))
                continue
            for part in np.unique(sounds.parts):
                pool = every[sounds.parts != part]
                yield Fold(draw, drawn(y, pool, self.count, draw), every[sounds.parts == part])


ESC, DIGITS = ("audio_esc10", "label", "fold"), ("audio_fsdd", "digit", "speaker")
CELLS = {
    "esc10-all": Cell(*ESC, 0, "part"),
    "esc10-10": Cell(*ESC, 10, "part"),
    "esc10-5": Cell(*ESC, 5, "part"),
    "digit-10": Cell(*DIGITS, 10, "rest"),
    "digit-10-unseen": Cell(*DIGITS, 10, "part", grouped=True),
    "speaker-10": Cell("audio_fsdd", "speaker", "speaker", 10, "rest"),
}


def request_of(cell: Cell, sounds: Sounds, fold: Fold, extractor: Any) -> Request:
    """The rows of one part alone, so that nothing else plays a part in what is chosen."""
    groups = np.arange(len(sounds.dataset))
    if cell.grouped:
        groups = np.unique(sounds.parts, return_inverse=True)[1].astype(np.int64)
    split = Split(fold.train, fold.test, (replace(fold, repeat=0),), groups, SEED, "one part")
    return Request(sounds.dataset, sounds.dataset.task, split, extractor, seed=SEED)


class Probed:
    """The probe on a source."""

    def __init__(self, arm: str) -> None:
        self.backbone, self.taps = sources.load(SOURCES[arm]), Counter[str]()
        if arm == "untrained":
            self.backbone = self.backbone.fresh(SEED)

    def right(self, request: Request, fold: Fold) -> np.ndarray:
        reading = probe.read(replace(request, backbone=self.backbone), self.backbone)
        taps = reading.choose(fold.train)
        self.taps.update(map(str, taps))
        logits = reading.fit(taps, fold.train).logits(reading.matrix(taps, fold.test).astype(np.float64))
        return logits.argmax(axis=1) == np.asarray(request.dataset.y)[fold.test]


def mfcc(dataset: Any) -> np.ndarray:
    """float64 `[N, 120]`: 20 coefficients of 40 bands, their differences and those of them; mean and spread."""
    found = []
    for item in dataset.items:
        frames = audio.prepare(item.read(), audio.PLAIN)[:-1]
        first = fft.dct(frames, axis=0, norm="ortho")[:20]
        rows = [first, np.gradient(first, axis=1), np.gradient(np.gradient(first, axis=1), axis=1)]
        whole = np.concatenate(rows) if frames.shape[1] > 1 else np.concatenate([first, 0 * first, 0 * first])
        found.append(np.concatenate([whole.mean(axis=1), whole.std(axis=1)]))
    return np.asarray(found, np.float64)


class Plain:
    """Statistics of a recording, and the task's linear model on them."""

    def __init__(self, features: Any) -> None:
        self.features, self.known, self.taps = features, dict[str, np.ndarray](), Counter[str]()

    def right(self, request: Request, fold: Fold) -> np.ndarray:
        name = request.dataset.name
        if name not in self.known:
            self.known[name] = self.features(request.dataset)
        x, y = self.known[name], np.asarray(request.dataset.y)
        methods = tasks.for_task(request.task)
        linear = methods.fit_linear(x[fold.train], y[fold.train], outputs=request.task.outputs, seed=SEED)
        return linear.logits(x[fold.test]).argmax(axis=1) == y[fold.test]


def interval(values: list[float]) -> list[float]:
    """Of the mean, 95 %, by Student's t."""
    if len(values) < 2:
        return [values[0], values[0]]
    half = stats.t.ppf(0.975, len(values) - 1) * np.std(values, ddof=1) / len(values) ** 0.5
    return [round(float(np.mean(values) - half), 4), round(float(np.mean(values) + half), 4)]


def timed(spec: str, sounds: Sounds, scratch: Path) -> dict[str, Any]:
    """Wall seconds of a pass over all recordings, and of the probe on five folds of them."""
    backbone, start = sources.load(spec), time.perf_counter()
    extractor = StoreExtractor(FeatureStore(scratch / "timed"), sounds.dataset)
    folds = tuple(replace(fold, repeat=0) for fold in CELLS["esc10-all"].folds(sounds, 1))
    rows = np.arange(len(sounds.dataset))
    split = Split(rows, rows[:0], folds, rows, SEED, "official folds")
    request = Request(sounds.dataset, sounds.dataset.task, split, extractor, backbone)
    extractor(backbone, probe._spec(request, backbone.taps(), 0))
    passed = time.perf_counter() - start
    strategies.get("probe").fit(request)
    return {
        "recordings": len(rows), "pass_seconds": round(passed, 1),
        "probe_seconds": round(time.perf_counter() - start - passed, 1),
        "cores": os.cpu_count(), "load": [round(value, 1) for value in os.getloadavg()],
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path)
    parser.add_argument("--draws", type=int, default=4)
    parser.add_argument("--cell", choices=CELLS, action="append")
    parser.add_argument("--arm", choices=ARMS, action="append")
    options = parser.parse_args()
    content = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {"cells": {}, "timed": {}}
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        for arm in options.arm or ARMS:
            made = Probed(arm) if arm in SOURCES else Plain(bands._features if arm == "bands" else mfcc)
            for cell_name in options.cell or CELLS:
                cell = CELLS[cell_name]
                sounds = opened(options.folder, scratch, cell.pack, cell.column, cell.part)
                if arm in SOURCES and arm != "untrained" and cell_name == "esc10-all":
                    content["timed"][arm] = timed(SOURCES[arm], sounds, scratch)
                    print(arm, content["timed"][arm], flush=True)
                extractor = StoreExtractor(FeatureStore(scratch / "store"), sounds.dataset)
                made.taps.clear()
                found = [
                    float(made.right(request_of(cell, sounds, fold, extractor), fold).mean())
                    for fold in cell.folds(sounds, options.draws)
                ]
                content["cells"].setdefault(cell_name, {})[arm] = {
                    "accuracy": round(float(np.mean(found)), 4), "interval": interval(found),
                    "parts": len(found), "taps": dict(made.taps.most_common(4)),
                    "of_parts": [round(value, 4) for value in found],
                }  # fmt: skip
                print(cell_name, arm, content["cells"][cell_name][arm], flush=True)
    content["environment"] = {**environment.versions(), "draws": options.draws}
    RESULTS.write_text(json.dumps(content, indent=1) + "\n")
    print(f"\n{'':18}" + "".join(f"{arm:>26}" for arm in ARMS))
    for cell_name, row in content["cells"].items():
        line = "".join(
            f"{row[arm]['accuracy']:.3f} [{row[arm]['interval'][0]:.3f}, {row[arm]['interval'][1]:.3f}]".rjust(26)
            if arm in row else f"{'-':>26}" for arm in ARMS
        )  # fmt: skip
        print(f"{cell_name:18}{line}")


if __name__ == "__main__":
    main()

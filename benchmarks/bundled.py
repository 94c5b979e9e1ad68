"""What the bundled sources are worth: the frozen probe with few labels, through the product's own rooms.

    python benchmarks/bundled.py --data FOLDER [--set cifar10] [--draws 5]

FOLDER holds packs such as `cifar10_small` (`images.zip` with `splits.csv`); `--shared FOLDER` means
`FOLDER/data`, and compares with an ImageNet network of `FOLDER/weights/imagenet` where there is one. Each
row of the table is the mean test accuracy over the draws of the labels, with its 95 % interval (t over the
draws). "NAME, random" is that network with random weights, frozen; "pixels" a simple model of the raw pixels.
Rows of other sets that an earlier run wrote stay in the results file.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

import headstart as hs
from _sets import IMAGENET, TARGETS, Target, draw
from headstart import sources, strategies
from headstart.core import environment
from headstart.core.backbone import Backbone
from headstart.core.budget import Budget
from headstart.core.dataset import Dataset
from headstart.core.split import Split
from headstart.core.strategy import Request, Settings, Trial
from headstart.data.splits import make_split
from headstart.passes.extractor import StoreExtractor
from headstart.predict.evaluate import evaluate
from headstart.store.store import FeatureStore

RESULTS = Path(__file__).parent / "results"
VIEWS = 8


def accuracy(strategy: str, backbone: Backbone | None, dataset: Dataset, target: Target, seed: int) -> float:
    """Test accuracy of one arm: cross-validated choices on the drawn items, then a model of all of them."""
    assert dataset.task is not None
    arm = strategies.get(strategy)
    drawn = dataset.subset(np.flatnonzero(dataset.split == "train"))
    single = len(drawn) == dataset.task.outputs
    request = Request(
        dataset=drawn,
        task=dataset.task,
        # one fold is enough: taps and penalty of the model are chosen inside the drawn rows anyway
        split=whole(len(drawn), seed) if single else make_split(drawn, seed=seed, holdout=0.2),
        features=StoreExtractor(FeatureStore.default(), drawn),
        backbone=backbone,
        budget=Budget(600.0),
        seed=seed,
        settings=Settings(augment=target.augment, views=VIEWS),
    )
    if single and backbone is None:
        raise hs.HeadstartError("one label a class leaves nothing to choose by")
    trial = late_taps(arm.name, request) if single else arm.fit(request)
    model = arm.refit(request, trial)
    return float(evaluate(model, dataset.subset(np.flatnonzero(dataset.split == "test"))).headline.value)


def whole(rows: int, seed: int) -> Split:
    """All rows to learn from and no folds: one label a class cannot be cross-validated."""
    every = np.arange(rows)
    return Split(every, every[:0], (), every, seed, "no folds")


def late_taps(arm: str, request: Request) -> Trial:
    """What is read when nothing can be chosen by cross-validation: coarse grids of the last stages."""
    assert request.backbone is not None
    last = [stage.name for stage in request.backbone.stages[-3:]]
    taps = [str(tap) for tap in request.backbone.taps() if tap.stage in last and tap.grid <= 2]
    nothing = np.empty((0, len(request.dataset), request.task.outputs), np.float32)
    return Trial(arm, arm, None, nothing, choices={"taps": taps, "views": VIEWS})


def arms(shared: Path | None, only: Sequence[str]) -> dict[str, tuple[str, str | None]]:
    """Column -> (strategy, source)."""
    found: dict[str, tuple[str, str | None]] = {"pixels": ("pixels", None)}
    names = [s.spec for s in sources.available() if s.spec.startswith("bundled/")]
    for spec in only or names:
        name = spec.rpartition("/")[2]
        found[name] = ("probe", spec)
        found[f"{name}, random"] = ("random-frozen", spec)
    if shared is not None and (shared / "weights" / "imagenet" / IMAGENET).exists():
        found["mobilenetv1 0.25 (ImageNet)"] = ("probe", f"file:{shared / 'weights' / 'imagenet' / IMAGENET}")
    return found


def row(target: Target, count: int, items: Dataset, columns: dict[str, Any], draws: int) -> dict[str, Any]:
    """One line of the table: every arm on the same draws."""
    found: dict[str, list[float]] = {name: [] for name in columns}
    start = time.perf_counter()
    for seed in range(draws):
        dataset = draw(items, count, seed, target.tests)
        for name, (strategy, spec) in columns.items():
            backbone = None if spec is None else sources.load(spec)
            try:
                found[name].append(accuracy(strategy, backbone, dataset, target, seed))
            except hs.HeadstartError as error:  # one item of a class cannot be cross-validated
                print(f"{target.name} {count}/class, {name}: {error}")
    shown = {name: summary(values) for name, values in found.items() if values}
    return {"target": target.name, "per_class": count, "arms": shown, "seconds": time.perf_counter() - start}


def summary(values: Sequence[float]) -> dict[str, Any]:
    """Mean, 95 % interval over the draws, and the draws."""
    mean = float(np.mean(values))
    half = float(stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)) if len(values) > 1 else float("nan")
    return {"value": mean, "low": mean - half, "high": mean + half, "draws": list(values)}


def table(rows: Sequence[dict[str, Any]], columns: Sequence[str]) -> str:
    """The results as a Markdown table, percent."""
    lines = [
        f"| target | labels a class | {' | '.join(columns)} |",
        "|---|---|" + "---|" * len(columns),
    ]
    for r in rows:
        cells = []
        for name in columns:
            s = r["arms"].get(name)
            cells.append(
                "-" if s is None else f"{100 * s['value']:.1f} [{100 * s['low']:.1f}, {100 * s['high']:.1f}]"
            )
        lines.append(f"| {r['target']} | {r['per_class']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder of the packs")
    parser.add_argument("--shared", type=Path, help="folder with data/ and weights/")
    parser.add_argument("--set", action="append", dest="sets", choices=[t.name for t in TARGETS])
    parser.add_argument("--source", action="append", default=[], help="default: every bundled source")
    parser.add_argument("--draws", type=int, default=5)
    parser.add_argument("--speed", action="store_true", help="time loading and the forward pass as well")
    options = parser.parse_args()
    data = options.data or (options.shared / "data" if options.shared else None)
    columns = arms(options.shared, options.source)
    rows = []
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADSTART_CACHE"] = str(Path(scratch) / "cache")
        for target in TARGETS:
            wanted = target.name in options.sets if options.sets else True
            if not wanted or (data is None and target.name != "digits"):
                continue
            items = target.read(data or Path(), Path(scratch))
            for count in target.counts:
                rows.append(row(target, count, items, columns, options.draws))
                print(table(rows, list(columns)), flush=True)
    names = [spec for _, spec in columns.values() if spec and spec.startswith("bundled/")]
    speeds = {spec: speed(spec) for spec in dict.fromkeys(names)} if options.speed else {}
    for spec, found in speeds.items():
        print(
            f"{spec}: loaded in {found['load_ms']:.0f} ms, {found['images_per_second']:,.0f} images/s on one core"
        )
    save(rows, columns, speeds)


def speed(spec: str, *, images: int = 2048, batch: int = 128) -> dict[str, float]:
    """Milliseconds to load a source, and images a second through all of its stages, on one core."""
    import torch

    torch.set_num_threads(1)
    sources.load(spec)  # imports and the tracing of the architecture are paid once a process
    start = time.perf_counter()
    backbone = sources.load(spec)
    loaded = time.perf_counter() - start
    pixels = torch.randint(0, 256, (batch, 3, *backbone.source.input.size), dtype=torch.uint8)
    best = 0.0
    with torch.inference_mode():
        for _ in range(3):
            start = time.perf_counter()
            for _ in range(images // batch):
                backbone.states(backbone.normalise(pixels), backbone.cuts[1:])
            best = max(best, images / (time.perf_counter() - start))
    return {"load_ms": 1000 * loaded, "images_per_second": best}


def save(
    rows: Sequence[dict[str, Any]], columns: dict[str, tuple[str, str | None]], speeds: dict[str, Any]
) -> None:
    """Write the rows over those of earlier runs on the same targets."""
    path = RESULTS / "bundled.json"
    known = json.loads(path.read_text()) if path.exists() else {"rows": []}
    earlier = known["rows"]
    new = {(r["target"], r["per_class"]) for r in rows}
    order = [(t.name, count) for t in TARGETS for count in t.counts]
    every = [*rows, *(r for r in earlier if (r["target"], r["per_class"]) not in new)]
    content = {
        "rows": sorted(every, key=lambda r: order.index((r["target"], r["per_class"]))),
        "sources": [
            asdict(sources.find(spec)) for strategy, spec in columns.values() if spec and strategy == "probe"
        ],
        "speed": speeds or known.get("speed", {}),
        "versions": environment.versions(),
        "machine": environment.machine(),
    }
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()

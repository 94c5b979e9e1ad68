"""What stored maps spare: reading them, sampling them and a step of training on them beside the pass of the trunk.

    OMP_NUM_THREADS=1 python benchmarks/dense_speed.py --shared FOLDER

45 images of CamVid at 480 x 360, MobileNetV2, batches of 4, one thread, no views. Milliseconds of the processor an image,
the median of rounds in which everything takes its turn, so that the ratios hold on a machine that does something else, too.
The trunk is an engine of the pass, on images that are decoded and scaled already ("image" is what that takes); an epoch is
image, trunk and step, or trunk and step, against the step alone. Maps at stride 8 are those that the arm reads; at stride 4
it is given one more.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import headstart as hs
from dense import RESULTS, SIZE, TRUNKS, design_of, unpacked
from headstart import modalities, sources
from headstart.core.features import FeatureSpec
from headstart.core.strategy import Request, Settings
from headstart.data import splits
from headstart.passes.engines import ENGINES
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore
from headstart.strategies.dense import _decoding, _ridge, baselines, decoder
from headstart.strategies.gradient._design import Design
from headstart.train.loop import Watch

IMAGES, BATCH, ROUNDS, STEPS = 45, 4, 5, 12
TRIED = ("folded", "fused")
"""Engines of the pass, in float32 and in bfloat16."""


def processor(work: Callable[[], Any]) -> float:
    start = time.process_time()
    work()
    return time.process_time() - start


def training(request: Request, finest: int, finer: int) -> tuple[_decoding.Arm, Callable[[], float]]:
    """(the arm on maps of the image's size divided by up to `finest`, seconds of one of its steps for an image)"""
    _decoding.FINEST, _decoding.FINER = finest, finer
    strategy, rows = decoder.Decoder(), request.split.development
    design = Design.from_json(design_of(strategy, request))
    arm = _decoding.Arm(request, request.network, design.lasting(1, STEPS), strategy.kind)
    assert arm.views

    def step() -> float:
        _decoding.FINEST, _decoding.FINER = finest, finer
        marks: list[float] = []
        _decoding.train_on(arm, rows, Watch(progress=lambda *_: marks.append(time.process_time())))
        return float(np.median(np.diff(marks))) / BATCH

    return arm, step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--shared", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    with tempfile.TemporaryDirectory() as folder:
        dataset = hs.load(unpacked(given.shared / "data" / "seg_camvid", Path(folder) / "camvid"))
        pool = np.flatnonzero(dataset.split == "train")[:IMAGES]
        some = replace(dataset.subset(pool), split=None)
        backbone = sources.mapped(
            sources.load(f"file:{given.shared / 'weights' / 'imagenet' / TRUNKS['mobilenetv2']}"), SIZE
        )
        split = replace(splits.make_split(some, seed=0), development=np.arange(IMAGES), test=pool[:0])
        store = StoreExtractor(FeatureStore(Path(folder) / "store"), some)
        request = Request(some, some.task, split, store, backbone, settings=Settings(views=0))
        spec = FeatureSpec(taps=tuple(tap for tap in backbone.taps() if tap.grid == "map"))
        features = store(backbone, spec)
        room = modalities.get("image")
        pixels = np.stack([room.prepare(item.read(), backbone.source.input) for item in some.items[:BATCH]])
        x = backbone.normalise(torch.from_numpy(pixels)).contiguous(memory_format=torch.channels_last)
        cuts = tuple(stage.cut for stage in backbone.stages)
        trunks = {
            name: ENGINES[name].build(backbone, cuts)
            for name in TRIED
            if not ENGINES[name].suits(backbone, "cpu")
        }
        coarse, at_eight = training(request, 6, 2)
        finer, at_four = training(request, 3, 1)
        drawn = [_ridge.draw(some.targets[row], IMAGES, np.random.default_rng(row)) for row in range(IMAGES)]

        def read(arm: _decoding.Arm) -> float:
            return processor(lambda: [arm.views[0][np.array([row])] for row in range(IMAGES)]) / IMAGES

        def sampled() -> float:
            def work() -> None:
                for row, points in enumerate(drawn):
                    for tap in coarse.taps:
                        table = features.tap(tap)[np.array([row])][0].reshape(backbone.map_shape(tap))
                        baselines.picked(table, points.at)

            return processor(work) / IMAGES

        def images() -> float:
            def work() -> None:
                for item in some.items[:BATCH]:
                    room.prepare(item.read(), backbone.source.input)

            return processor(work) / BATCH

        def passed(name: str) -> float:
            with torch.inference_mode():
                return processor(lambda: trunks[name](x)) / BATCH

        measured: dict[str, Callable[[], float]] = {
            **{f"trunk, {name}": (lambda name=name: passed(name)) for name in trunks},  # type: ignore[misc]
            "image": images,
            "read": lambda: read(coarse),
            "read, with stride 4": lambda: read(finer),
            "sampled": sampled,
            "step, stride 8": at_eight,
            "step, stride 4": at_four,
        }
        rounds: dict[str, list[float]] = {name: [] for name in measured}
        for number in range(1 + ROUNDS):
            for name, work in measured.items():
                took = work()
                if number:  # the first one warms up
                    rounds[name].append(1000 * took)
    each = {name: statistics.median(values) for name, values in rounds.items()}
    ratios = {}
    for name in trunks:
        trunk = each[f"trunk, {name}"]
        ratios[name] = {
            "read": trunk / each["read"],
            "read and sampled": trunk / each["sampled"],
            **{
                f"epoch, {what}, {stride}": (added + trunk + each[f"step, {stride}"])
                / each[f"step, {stride}"]
                for stride in ("stride 8", "stride 4")
                for what, added in (("trunk", 0.0), ("image and trunk", each["image"]))
            },
        }
    found = {
        "milliseconds": {name: round(value, 3) for name, value in each.items()},
        "places": int(np.median([len(points.classes) for points in drawn])),
        "engines of a step": [arm.design.choice.engine for arm in (coarse, finer) if arm.design.choice],
        "ratios": {name: {k: round(v, 1) for k, v in own.items()} for name, own in ratios.items()},
    }
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cells": {}}
    RESULTS.write_text(json.dumps({**record, "speed": found}, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()

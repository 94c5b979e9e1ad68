"""Masks from few images: CamVid, every arm, two trunks.

    OMP_NUM_THREADS=1 python benchmarks/dense.py --shared FOLDER [--trunk mobilenetv2] [--arm decoder] [--table]

FOLDER holds `data/seg_camvid/camvid.zip` with `splits.csv` (11 classes, 180 images to draw from, 100 to test on) and
`weights/imagenet/*.safetensors`. 10, 45 and 180 images are drawn, three times (180 are all there are: another draw is
another seed); each arm is trained on all of them, at most 120 processor seconds, and its model is asked about every test
image at its full 480 x 360. Seconds are those of the processor, of the training alone; passes over images and views are
told apart. `unet` is no arm of the product: a small U-Net on the pixels, views and steps of `scratch`, so that it is seen
what that arm stands for. Results are written as they come, and a run that was stopped goes on.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

import headstart as hs
from _unet import learnt
from headstart import modalities, nets, sources, strategies, tasks
from headstart.core import environment
from headstart.core.evidence import Cost
from headstart.core.features import FeatureSpec
from headstart.core.strategy import Request, Trial
from headstart.data import splits
from headstart.measure import overlap
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore
from headstart.strategies.dense import _decoding, decoder
from headstart.strategies.gradient import _arm, _ladder

RESULTS = Path(__file__).parent / "results" / "dense.json"
CLASSES = ("Sky", "Building", "Pole", "Road", "Pavement", "Tree", "SignSymbol", "Fence", "Car", "Pedestrian",
           "Bicyclist", "void")  # fmt: skip
TRUNKS = {
    "mobilenetv2": "mobilenetv2_100.torchvision_ptq_in1k.safetensors",
    "efficientnet-lite0": "package/efficientnet-lite0",
}
SIZE = (360, 480)
COUNTS = {10: 3, 45: 3, 180: 3}
"""Images -> draws."""
ARMS = ("majority", "pixels", "random-frozen", "probe", "decoder", "scratch", "unet", "finetune", "full")
FREE = ("majority", "pixels", "unet")
"""Arms that read no trunk: measured with the first one."""
MOST_SECONDS = 120.0
"""Of the processor, of one training."""


def unpacked(pack: Path, where: Path) -> Path:
    """Folders train, val and test, each with images and masks."""
    with zipfile.ZipFile(pack / "camvid.zip") as archive:
        for line in (pack / "splits.csv").read_text().splitlines()[1:]:
            image, mask, split = line.split(",")
            for kind, name in (("images", image), ("masks", mask)):
                place = where / split / kind / Path(name).name
                place.parent.mkdir(parents=True, exist_ok=True)
                place.write_bytes(archive.read(name))
    (where / "classes.txt").write_text("\n".join(CLASSES))
    return where


def design_of(arm: Any, request: Request) -> dict[str, Any]:
    """Its design with as many steps as are aimed at, or as fit."""
    request = arm.reads(request)
    rows = request.split.development
    made = _decoding.Arm(request, request.network, arm.design(request), arm.kind)
    per_epoch = max(1, round(len(rows) / min(made.design.batch_size, len(rows))))
    epochs = -(-arm.arm.steps(len(rows)) // per_epoch)
    made = decoder.with_engine(replace(made, design=made.design.lasting(epochs, per_epoch)), rows, 1)
    times = []
    pilot = replace(made, design=made.design.lasting(1, _arm.PILOT_STEPS))
    watch = decoder_watch(times)
    _decoding.train_on(pilot, rows, watch)
    step = float(np.median(np.diff(times)))
    fitting = [e for e in (*_ladder.EPOCHS, epochs) if e <= epochs and e * per_epoch * step <= MOST_SECONDS]
    return dict(made.design.lasting(max(fitting, default=1), per_epoch).to_json())


def decoder_watch(times: list[float]) -> Any:
    """Notes the processor's time after every step."""
    from headstart.train.loop import Watch

    return Watch(progress=lambda *_: times.append(time.process_time()))


class Test:
    """The test images, prepared once for each contract."""

    def __init__(self, dataset: Any, rows: np.ndarray) -> None:
        self.dataset, self.rows = dataset, rows
        self.masks = [dataset.targets[row] for row in rows.tolist()]
        self._kept: dict[str, list[np.ndarray]] = {}

    def table(self, net: Any, task: Any, contract: Any) -> np.ndarray:
        """float64 `[3, K]`: counts of all test images, of what maps prepared images to scores."""
        room = modalities.get("image")
        methods: Any = tasks.for_task(task)
        key = json.dumps(contract.to_json())
        if key not in self._kept:
            self._kept[key] = [
                room.prepare(self.dataset.items[row].read(), contract) for row in self.rows.tolist()
            ]
        found = np.zeros((3, task.outputs))
        with torch.inference_mode():
            for pixels, mask in zip(self._kept[key], self.masks, strict=True):
                scores = net(torch.from_numpy(pixels[None]))[0].numpy()
                found += overlap.counts(mask, methods.placed(scores, mask.shape), task.outputs)
        return found


def cell(dataset: Any, test: Test, backbone: Any, name: str, count: int, draw: int) -> dict[str, Any]:
    """What an arm that learnt from one draw is worth."""
    pool = np.flatnonzero(dataset.split == "train")
    rows = np.sort(np.random.default_rng(100 + draw).permutation(pool)[:count])
    some = replace(dataset.subset(rows), split=None)
    split = splits.make_split(some, seed=0)
    split = replace(split, development=np.arange(count), test=np.zeros(0, np.int64))
    store = StoreExtractor(FeatureStore.default(), some)
    request = Request(some, some.task, split, store, backbone, seed=draw)
    arm: Any = decoder.Scratch() if name == "unet" else strategies.get(name, some.task)
    choices: dict[str, Any] = {}
    start = time.process_time()
    if isinstance(arm, decoder.Decoder):
        choices = design_of(arm, request)
    elif name not in FREE:
        network = backbone.fresh(draw) if name == "random-frozen" else backbone
        store(network, FeatureSpec(taps=network.taps()))
    passes, start = time.process_time() - start, time.process_time()
    if name == "unet":
        net, contract = learnt(arm.reads(request), choices)
        seconds = time.process_time() - start
    else:
        trial = Trial(name, name, None, np.zeros((0, 0, 0), np.float32), Cost(), choices=choices)
        model = arm.refit(request, trial)
        seconds = time.process_time() - start
        net, contract = nets.assemble(model.net, model.tensors, model.input, some.task), model.input
    table = test.table(net, some.task, contract)
    ious = overlap.ious(table)
    return {
        "mIoU": float(np.nanmean(ious)),
        "accuracy": float(table[0].sum() / table[1].sum()),
        "iou": dict(zip(some.task.labels, np.nan_to_num(ious).round(4).tolist(), strict=True)),
        "seconds": round(seconds, 2),
        "before": round(passes, 2),
        "steps": choices.get("steps"),
        "views": choices.get("views"),
        "engine": choices.get("engine", {}).get("engine"),
    }


def told(cells: dict[str, dict[str, Any]]) -> str:
    """The table of the docs."""
    lines = ["| trunk | arm | " + " | ".join(f"{n} images" for n in COUNTS) + " | seconds of training |",
             "|---|---|" + "---|" * (len(COUNTS) + 1)]  # fmt: skip
    for trunk in TRUNKS:
        for arm in ARMS:
            row, seconds = [], []
            for count in COUNTS:
                found = [c for key, c in cells.items() if key.rsplit("|", 1)[0] == f"{trunk}|{arm}|{count}"]
                scores = [c["mIoU"] for c in found]
                spread = f" ({min(scores):.3f} to {max(scores):.3f})" if len(scores) > 1 else ""
                row.append(f"{np.mean(scores):.3f}{spread}" if scores else "")
                seconds.append(f"{np.mean([c['seconds'] for c in found]):.0f}" if found else "")
            if any(row):
                said = "none" if arm in FREE else trunk
                lines.append(f"| {said} | {arm} | " + " | ".join(row) + f" | {' / '.join(seconds)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--trunk", choices=TRUNKS, action="append")
    parser.add_argument("--arm", choices=ARMS, action="append")
    parser.add_argument("--count", type=int, choices=COUNTS, action="append")
    parser.add_argument("--draw", type=int, action="append")
    parser.add_argument("--table", action="store_true", help="print the table of what is there")
    given = parser.parse_args()
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", "1")))
    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cells": {}}
    if given.table:
        print(told(record["cells"]))
        return
    with tempfile.TemporaryDirectory() as scratch:
        os.environ.setdefault("HEADSTART_CACHE", scratch)
        dataset = hs.load(unpacked(given.shared / "data" / "seg_camvid", Path(scratch) / "camvid"))
        test = Test(dataset, np.flatnonzero(dataset.split == "test"))
        for trunk in given.trunk or TRUNKS:
            file = given.shared / "weights" / "imagenet" / TRUNKS[trunk]
            spec = f"file:{file}" if TRUNKS[trunk].endswith(".safetensors") else TRUNKS[trunk]
            backbone = sources.mapped(sources.load(spec), SIZE)
            for count, draws in COUNTS.items():
                for arm, draw in ((arm, draw) for arm in given.arm or ARMS for draw in range(draws)):
                    key = f"{trunk}|{arm}|{count}|{draw}"
                    left_out = (given.count and count not in given.count) or (
                        given.draw is not None and draw not in given.draw
                    )
                    if left_out or key in record["cells"] or (arm in FREE and trunk != next(iter(TRUNKS))):
                        continue
                    found = cell(dataset, test, backbone, arm, count, draw)
                    record = json.loads(RESULTS.read_text()) if RESULTS.exists() else {"cells": {}}
                    record["machine"] = environment.machine()
                    record["cells"][key] = found
                    RESULTS.write_text(json.dumps(record, indent=1) + "\n")
                    print(key, json.dumps({k: v for k, v in found.items() if k != "iou"}), flush=True)
    print(told(record["cells"]))


if __name__ == "__main__":
    main()

"""The whole of `headstart fit --strategy probe` on 1,000 + 250 pictures of 128 px, against what it cannot do without.

    python benchmarks/probe_fit.py --shared FOLDER [--source SPEC] [--repeats 2]
    python benchmarks/probe_fit.py --data FOLDER --source SPEC

FOLDER holds `data/cifar10_small`: 100 training and 25 test pictures a class, enlarged to 128 px and saved as JPEG files.
`--data` names other pictures. Without a source it is timm's ResNet-18 at 128 px with random weights, which costs what a trained one costs.

A fit from a cold store (in a process of its own), the bare forward of the same network over the same pictures (prepared
and in memory; the better of two loops) and decoding the files alone take turns. Seconds on the clock and of the processor,
which other programs disturb less, with the machine's load; the fastest of the repeats counts. A fit's parts lie between
its events: "pass" with imports and reading; "pixels"; "probe"; "verdict" with the training on all rows and the test part;
"page" with the model's proof, the insight and the page. "proof" is the processor time of the fresh process for it.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

import headstart as hs
from _sets import pack
from headstart import sources
from headstart.core import environment
from headstart.modalities import image
from pass_speed import LAYOUTS, RESULTS, Times, bare, best, timed

SIDE = 128
COUNTS = {"train": 100, "test": 25}
FIT = """
import json, os, sys, time
import headstart as hs
began, marks = time.perf_counter(), []
ends = {"majority": "pass", "pixels": "pixels", "probe": "probe"}
def listen(event):
    part = {"verdict": "verdict", "done": "page"}.get(event.kind)
    part = ends.get(event.data["strategy"]) if event.kind == "trial" else part
    if part is not None:
        marks.append((part, time.perf_counter() - began, time.process_time()))
data, source, out = sys.argv[1:]
verdict = hs.fit(data, sources=[source], strategies=["probe"], out=out, listen=listen).verdict
others = os.times()
print(json.dumps({"verdict": verdict, "marks": marks, "proof": others.children_user + others.children_system}))
"""


def pictures(shared: Path, folder: Path, counts: dict[str, int] = COUNTS) -> Path:
    """JPEG files by part and class, the first of each: so many a class."""
    dataset = pack("cifar10_small")(shared / "data", folder)
    assert dataset.split is not None
    assert dataset.y is not None
    assert dataset.task is not None
    left = {(part, label): count for part, count in counts.items() for label in range(dataset.task.outputs)}
    for item, part, label in zip(dataset.items, dataset.split.tolist(), dataset.y.tolist(), strict=True):
        if left.get((part, label), 0):
            left[part, label] -= 1
            path = folder / "pictures" / part / dataset.task.labels[label] / f"{left[part, label]:04d}.jpg"
            path.parent.mkdir(parents=True, exist_ok=True)
            with Image.open(io.BytesIO(item.read())) as opened:
                opened.convert("RGB").resize((SIDE, SIDE), Image.Resampling.BICUBIC).save(path, quality=90)
    return folder / "pictures"


def resnet(folder: Path) -> str:
    """A source: ResNet-18 with random weights."""
    import timm
    from safetensors.torch import save_file

    torch.manual_seed(0)
    save_file(timm.create_model("resnet18").state_dict(), folder / "resnet18.safetensors")
    return f"file:{folder}/resnet18.safetensors?arch=timm/resnet18&num_classes=1000&input={SIDE}&crop_pct=1"


def whole(data: Path, source: str) -> dict[str, Any]:
    """A fit from a cold store: its verdict, and by part (clock, processor) in seconds."""
    with tempfile.TemporaryDirectory() as folder:
        place = {"HEADSTART_CACHE": f"{folder}/cache", "OMP_WAIT_POLICY": "PASSIVE"}
        command = [sys.executable, "-c", FIT, str(data), source, f"{folder}/run"]
        done = subprocess.run(
            command, env={**os.environ, **place}, check=True, capture_output=True, text=True
        )
    found = json.loads(done.stdout.splitlines()[-1])
    marks = np.array([[0.0, 0.0], *([clock, cpu] for _, clock, cpu in found["marks"])])
    spent = dict(zip((part for part, *_ in found["marks"]), np.diff(marks, axis=0).tolist(), strict=True))
    parts = {**spent, "whole": marks[-1].tolist(), "proof": [0.0, found["proof"]]}
    return {"verdict": found["verdict"], "parts": parts}


def measure(data: Path, source: str, repeats: int) -> dict[str, Any]:
    backbone, dataset = sources.load(source), hs.load(data)
    backbone.module.eval()
    contents = [item.read() for item in dataset.items]
    pixels = np.stack([image.prepare(content, backbone.source.input) for content in contents])
    decoding: list[Times] = []
    forward: list[Times] = []
    fits: list[dict[str, Any]] = []
    loads = []
    for _ in range(repeats):
        decoding.append(timed(lambda: [np.asarray(Image.open(io.BytesIO(data))) for data in contents]))
        forward += [bare(backbone, pixels, 32, LAYOUTS["plain"], apart=False),
                    bare(backbone, pixels, 8, LAYOUTS["channels last"], apart=True)]  # fmt: skip
        fits.append(whole(data, source))
        loads.append(os.getloadavg()[0])
    parts = {name: best([fit["parts"][name] for fit in fits]) for name in fits[0]["parts"]}
    return {
        "source": backbone.source.name,
        "items": len(dataset),
        "verdict": fits[0]["verdict"],
        "seconds": {"decoding": best(decoding), "forward": best(forward), **parts},
        "load": loads,
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    place = parser.add_mutually_exclusive_group(required=True)
    place.add_argument("--shared", type=Path)
    place.add_argument("--data", type=Path)
    parser.add_argument("--source")
    parser.add_argument("--repeats", type=int, default=2)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        source = options.source or resnet(Path(folder))
        data = options.data or pictures(options.shared, Path(folder))
        found = measure(data, source, options.repeats)
    for name, (clock, cpu) in found["seconds"].items():
        print(f"{name:<10} {clock:7.2f} s {cpu:7.2f} s of the processor")
    print(f"load {found['load']}; {found['verdict']}")
    RESULTS.mkdir(exist_ok=True)
    record = {**found, "machine": environment.machine(), "versions": environment.versions()}
    (RESULTS / "probe_fit.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()

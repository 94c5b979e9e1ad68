"""How close the pass comes to its floor: the network's own forward, with nothing to read and nothing to store.

    python benchmarks/pass_speed.py --weights FOLDER --data DATA [--items 256] [--repeats 3]

FOLDER holds weight files with their side-cars (`file:PATH` sources); DATA is anything `headstart.load` reads.
The floor is the best of several bare loops over images that are prepared and in memory: batches of 8 and 32,
either memory layout, all cores inside one operation, or a batch for each core at the same time. The pass reads,
decodes, prepares, computes, pools every tap and writes it to a new store. Floor and pass take turns and the fastest of the repeats counts, in seconds on the
clock and in processor seconds (which other programs on the machine disturb less).
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headstart import sources
from headstart.core import environment
from headstart.core.dataset import Dataset
from headstart.core.features import FeatureSpec
from headstart.data import load
from headstart.modalities import image
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore

RESULTS = Path(__file__).parent / "results"
LAYOUTS = {"plain": torch.contiguous_format, "channels last": torch.channels_last}

Times = tuple[float, float]
"""Seconds on the clock, processor seconds."""


def timed(work: Callable[[], Any]) -> Times:
    clock, cpu = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - clock, time.process_time() - cpu


def best(found: list[Times]) -> Times:
    return min(t[0] for t in found), min(t[1] for t in found)


def bare(backbone: Any, pixels: np.ndarray, batch: int, layout: Any, *, apart: bool) -> Times:
    """Forward only: from normalised images in memory to the embedding, which is thrown away.

    `apart`: a thread for each core, each with its own batches.
    """
    batches = [
        backbone.normalise(torch.from_numpy(pixels[i : i + batch])).contiguous(memory_format=layout)
        for i in range(0, len(pixels), batch)
    ]

    def forward(x: torch.Tensor) -> None:
        with torch.inference_mode():
            backbone.full(x)

    forward(batches[0])
    if not apart:
        return timed(lambda: [forward(x) for x in batches])
    cores = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(cores, initializer=lambda: torch.set_num_threads(1)) as pool:
            list(pool.map(forward, batches[:cores]))
            return timed(lambda: list(pool.map(forward, batches)))
    finally:
        torch.set_num_threads(cores)


def whole(backbone: Any, dataset: Dataset) -> tuple[Times, Any]:
    """The pass into a new store."""
    with tempfile.TemporaryDirectory() as folder:
        extract = StoreExtractor(FeatureStore(Path(folder)), dataset)
        found: list[Any] = []
        spec = FeatureSpec(taps=backbone.taps())
        times = timed(lambda: found.append(extract(backbone, spec)))
        return times, found[0]


def measure(spec: str, dataset: Dataset, repeats: int) -> dict[str, Any]:
    """Floor, pass and decoding of one source, in milliseconds an item."""
    backbone = sources.load(spec)
    backbone.module.eval()
    contents = [item.read() for item in dataset.items]
    pixels = np.empty((len(contents), 3, *backbone.source.input.size), dtype=np.uint8)

    def decode() -> None:
        for place, data in enumerate(contents):
            pixels[place] = image.prepare(data, backbone.source.input)

    decoding = timed(decode)
    floors: dict[str, list[Times]] = {}
    passes: list[Times] = []
    for _ in range(repeats):
        for name, layout in LAYOUTS.items():
            for batch, apart in ((8, False), (32, False), (8, True)):
                loop = f"{batch}, {name}, {'a batch a core' if apart else 'all cores on one'}"
                floors.setdefault(loop, []).append(bare(backbone, pixels, batch, layout, apart=apart))
        passes.append(whole(backbone, dataset)[0])
    floor = best([best(times) for times in floors.values()])
    took = best(passes)
    scale = 1000 / len(dataset)
    return {
        "source": backbone.source.name,
        "input": backbone.source.input.size[0],
        "floor_ms": scale * floor[0],
        "floor_loop": min(floors, key=lambda name: best(floors[name])[0]),
        "decode_ms": scale * decoding[0],
        "pass_ms": scale * took[0],
        "ratio": took[0] / floor[0],
        "floor_cpu_ms": scale * floor[1],
        "decode_cpu_ms": scale * decoding[1],
        "pass_cpu_ms": scale * took[1],
        "ratio_cpu": took[1] / floor[1],
        "share_forward_cpu": floor[1] / took[1],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, help="folder with weights/imagenet and data/hymenoptera")
    parser.add_argument("--weights", type=Path)
    parser.add_argument("--data")
    parser.add_argument("--items", type=int, default=256)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--only", default="", help="Part of the file name.")
    options = parser.parse_args()
    if options.shared is not None:
        options.weights = options.weights or options.shared / "weights" / "imagenet"
        options.data = options.data or str(options.shared / "data" / "hymenoptera")
    if options.weights is None or options.data is None:
        parser.error("give --shared, or --weights and --data")
    dataset = load(options.data)
    rows = np.unique(np.linspace(0, len(dataset) - 1, min(options.items, len(dataset))).astype(int))
    dataset = dataset.subset(rows)
    dataset.digests()
    head = f"{'source':<44} {'floor':>8} {'decode':>8} {'pass':>8} {'ratio':>6} {'ratio (cpu)':>12}"
    print(f"{len(dataset)} items, {torch.get_num_threads()} cores; milliseconds an item\n{head}")
    found = []
    for path in sorted(options.weights.glob("*.safetensors")):
        if options.only in path.name:
            row = measure(f"file:{path}", dataset, options.repeats)
            found.append(row)
            print(
                f"{row['source']:<44} {row['floor_ms']:8.1f} {row['decode_ms']:8.1f} {row['pass_ms']:8.1f} "
                f"{row['ratio']:6.2f} {row['ratio_cpu']:12.2f}",
                flush=True,
            )
    RESULTS.mkdir(exist_ok=True)
    record = {"items": len(dataset), "rows": found, "machine": environment.machine()}
    record["versions"] = environment.versions()
    (RESULTS / "pass_speed.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()

"""How close the pass comes to its floor: the network's own forward, with nothing to read and nothing to store.

    python benchmarks/pass_speed.py --weights FOLDER --data DATA [--items 256] [--repeats 3]

FOLDER holds weight files with their side-cars (`file:PATH` sources); DATA is anything `headstart.load` reads.
The floor is the best of several bare loops over images that are prepared and in memory: batches of 8 and 32,
either memory layout, all cores inside one operation, or a batch for each core at the same time. The pass reads,
decodes, prepares, computes, pools every tap and writes it to a new store. Floor and pass take turns and the fastest of the repeats counts, in seconds on the
clock and in processor seconds (which other programs on the machine disturb less).

Each engine that suits the network computes the taps of the same prepared images, in turns and with one thread: processor
milliseconds an item, seconds to be built and first used, agreement with the network as it is, and its share of the peak of
a product of matrices in bfloat16.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from headstart import sources
from headstart.core import environment
from headstart.core.dataset import Dataset
from headstart.core.features import FeatureSpec
from headstart.data import load
from headstart.modalities import image
from headstart.passes.engines import EAGER, ENGINES
from headstart.passes.extractor import StoreExtractor
from headstart.passes.steps.choice import agreement
from headstart.passes.steps.forward import Forward
from headstart.store.disk import keys
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


def peak(dtype: torch.dtype, side: int = 2048) -> float:
    """Floating-point operations a processor second of a product of square matrices, one thread."""
    torch.set_num_threads(1)
    a, b = (torch.randn(side, side).to(dtype) for _ in range(2))
    return 2 * side**3 / min(timed(lambda: a @ b)[1] for _ in range(6))


def operations(backbone: Any, batch: np.ndarray) -> float:
    """Floating-point operations of an item, by what torch counts of its products and convolutions."""
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        backbone.full(backbone.normalise(torch.from_numpy(batch[:1])))
    return float(counter.get_total_flops())


def engines(backbone: Any, pixels: np.ndarray, repeats: int, batch: int = 8) -> dict[str, dict[str, Any]]:
    """By engine, see above; "problem" where it cannot compute this network."""
    columns = [keys.tap_column(tap) for tap in backbone.taps()]
    batches = [pixels[start : start + batch] for start in range(0, len(pixels), batch)][:4]
    work, most = operations(backbone, pixels), peak(torch.bfloat16)
    found: dict[str, dict[str, Any]] = {}
    cores = torch.get_num_threads()
    torch.set_num_threads(1)
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, cores)
        running: dict[str, Forward] = {}
        for name in ENGINES:
            problem = ENGINES[name].suits(backbone, "cpu")
            found[name] = {"problem": problem} if problem else {"ms": float("inf")}
            if not problem:
                forward = Forward(backbone, torch.device("cpu"), ENGINES[name]).ready(columns)
                start = time.process_time()
                running[name] = stack.enter_context(forward)
                running[name](batches[0], columns)
                found[name]["setup_s"] = time.process_time() - start
        expected = [running[EAGER](one, columns)[0] for one in batches]
        for _ in range(repeats):
            for name, run in running.items():
                row, start = found[name], time.process_time()
                given = [run(one, columns)[0] for one in batches]
                took = (time.process_time() - start) / sum(map(len, batches))
                row["ms"] = min(row["ms"], 1000 * took)
                row["agreement"] = min(map(agreement, expected, given))
                row["of_peak"] = work / (row["ms"] / 1000) / most
    return found


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
        "engines": engines(backbone, pixels, repeats),
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
            for name, one in row["engines"].items():
                told = one.get("problem") or (
                    f"{one['ms']:8.1f} ms (cpu) {one['setup_s']:6.1f} s to build, cosine {one['agreement']:.5f}, "
                    f"{one['of_peak']:.0%} of the bfloat16 peak"
                )
                print(f"    {name:<40} {told}", flush=True)
    RESULTS.mkdir(exist_ok=True)
    record = {"items": len(dataset), "rows": found, "machine": environment.machine()}
    record["versions"] = environment.versions()
    (RESULTS / "pass_speed.json").write_text(json.dumps(record, indent=2) + "\n")


if __name__ == "__main__":
    main()

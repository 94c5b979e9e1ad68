"""How cost and peak memory of the product grow with items, classes and width.

    python benchmarks/growth.py [--most 100000] [--million] [--only items|classes|width] [--stages read pass ...]

Texts made from a seed, eight words each of a vocabulary of 2,000, through word vectors made from a seed: a source that
costs next to nothing, so that what is seen is the product. Every stage is a process of its own, with one thread:
"read" the table; "pass", all taps into a new store; "probe" on two folds; the whole of `fit --strategy probe`; "predict"
for all items with its model. Seconds of the processor, because other programs hardly disturb them ("fit" and "predict" with
the start of the process, about five seconds), and peak memory. The exponent is the slope between the two largest sizes on
logarithmic axes: 1 is linear, 0 is flat. Results: benchmarks/results/growth.json, docs/images/growth.svg, and the table of docs/speed.md.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "_versus"))

import table  # noqa: E402

RESULTS = HERE / "results" / "growth.json"
FIGURE = HERE.parent / "docs" / "images" / "growth.svg"
VOCABULARY, LENGTH = 2_000, 8
STAGES = ("read", "pass", "probe", "fit", "predict")
PATIENCE = 5_400
"""Seconds after which a stage is given up."""


@dataclass(frozen=True)
class Size:
    """Of a made data set and its source."""

    items: int
    classes: int = 10
    width: int = 64


AXES: dict[str, list[Size]] = {
    "items": [Size(n) for n in (1_000, 10_000, 100_000, 1_000_000)],
    "classes": [Size(20_000, classes=c) for c in (10, 100, 1_000, 10_000)],
    "width": [Size(5_000, width=d) for d in (64, 256, 1_024, 4_096)],
}


def write(size: Size, folder: Path) -> tuple[Path, str]:
    """A table of texts and a source: two words of a text are of its class."""
    import numpy as np

    rng = np.random.default_rng(0)
    y = rng.permutation(np.arange(size.items) % size.classes)
    words = rng.integers(0, VOCABULARY, (size.items, LENGTH))
    words[:, 0], words[:, 1] = y % VOCABULARY, (7 * y // VOCABULARY + 31 * y) % VOCABULARY
    path = folder / "texts.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        out = csv.writer(file)
        out.writerow(["text", "label"])
        for row, label in zip(words.tolist(), y.tolist(), strict=True):
            out.writerow([" ".join(f"w{word}" for word in row), f"class {label}"])
    with (folder / "words.bin").open("wb") as file:
        file.write(f"{VOCABULARY} {size.width}\n".encode())
        for number in range(VOCABULARY):
            file.write(f"w{number} ".encode() + rng.standard_normal(size.width, np.float32).tobytes() + b"\n")
    return path, f"vectors:{folder / 'words.bin'}"


# stages that are not commands


def stage(name: str, data: str, spec: str) -> None:
    """Run one in this process and print its seconds."""
    import numpy as np

    import headstart as hs
    from headstart import sources, strategies
    from headstart.core.features import FeatureSpec
    from headstart.core.split import Fold, Split
    from headstart.core.strategy import Request
    from headstart.passes.extractor import StoreExtractor
    from headstart.store.store import FeatureStore

    if name == "read":
        return timed(lambda: hs.load(data).digests())
    dataset, backbone = hs.load(data), sources.load(spec)
    extract = StoreExtractor(FeatureStore.default(), dataset)
    if name == "pass":
        return timed(lambda: extract(backbone, FeatureSpec(taps=backbone.taps())))
    rows = np.arange(len(dataset))
    halves = [rows[rows % 4 < 2], rows[rows % 4 >= 2]]
    folds = (Fold(0, halves[0], halves[1]), Fold(0, halves[1], halves[0]))
    split = Split(rows, rows[:0], folds, rows, 0, "2 folds")
    assert dataset.task is not None
    request = Request(dataset, dataset.task, split, extract, backbone)
    return timed(lambda: strategies.get("probe").fit(request))


def timed(work: Callable[[], Any]) -> None:
    clock, processor = time.perf_counter(), time.process_time()
    work()
    took = {"clock": time.perf_counter() - clock, "seconds": time.process_time() - processor}
    print(json.dumps(took))


def run(command: list[str], folder: Path) -> dict[str, float]:
    """Seconds and peak memory in MB of a process, by its own word where it says them."""
    environment = {**os.environ, "HEADSTART_CACHE": str(folder / "store"), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        start = time.perf_counter()
        process = subprocess.Popen([sys.executable, *command], stdout=out, stderr=err, env=environment)
        while not (ended := os.wait4(process.pid, os.WNOHANG))[0]:
            if time.perf_counter() - start > PATIENCE:
                process.kill()
            time.sleep(0.02)
        _, status, used = ended
        process.returncode = os.waitstatus_to_exitcode(status)
        clock = time.perf_counter() - start
        out.seek(0)
        err.seek(0)
        said, told = out.read().decode(), err.read().decode()
    found: dict[str, Any] = {"clock": clock, "seconds": used.ru_utime + used.ru_stime}
    if process.returncode:
        return {"failed": " ".join(told.split())[-300:] or f"ended with {process.returncode}", **found}
    if command[0].endswith(".py"):
        found |= json.loads(said.splitlines()[-1])
    found["megabytes"] = used.ru_maxrss / 1000
    return {key: float(f"{value:.4g}") for key, value in found.items()}


def measure(size: Size, stages: list[str]) -> dict[str, dict[str, float]]:
    """Every stage at one size, in the order in which each finds what it needs."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        data, spec = write(size, folder)
        model = folder / "run"
        fit = [
            "fit",
            str(data),
            "--source",
            spec,
            "--strategy",
            "probe",
            "--budget",
            "2h",
            "--out",
            str(model),
        ]
        commands = {
            "fit": ["-m", "headstart", *fit, "--quiet"],
            "predict": [
                "-m",
                "headstart",
                "predict",
                str(model),
                str(data),
                "--output",
                str(folder / "o.csv"),
            ],
        }
        found = {}
        for name in stages:
            inside = [str(Path(__file__)), "--stage", name, str(data), spec]
            found[name] = run(commands.get(name, inside), folder)
            print(f"{size}: {name}: {found[name]}", flush=True)
        return found


# what is made of it


def exponents(points: list[tuple[float, float]]) -> dict[str, float]:
    """Slopes on logarithmic axes: of a straight line through all points, and between the last two."""
    x, y = zip(*((math.log(a), math.log(b)) for a, b in points), strict=True)
    middle, mean = sum(x) / len(x), sum(y) / len(y)
    whole = sum((a - middle) * (b - mean) for a, b in zip(x, y, strict=True))
    return {
        "all": round(whole / sum((a - middle) ** 2 for a in x), 2),
        "last": round((y[-1] - y[-2]) / (x[-1] - x[-2]), 2),
    }


def curves(rows: list[dict[str, Any]], axis: str, what: str) -> dict[str, list[tuple[float, float]]]:
    """Stage -> (size, value) where it ended well."""
    found: dict[str, list[tuple[float, float]]] = {}
    for row in rows:
        for name, one in row["stages"].items():
            if "failed" not in one:
                found.setdefault(name, []).append((row[axis], max(one[what], 1e-3)))
    return {name: points for name, points in found.items() if len(points) > 1}


def plain(value: float) -> str:
    """Three digits, never with an exponent."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def summary(results: dict[str, Any]) -> str:
    """Markdown: for each axis and stage the values at every size, and the exponents."""
    lines = [
        "| grows | stage | seconds of the processor | exponent | peak memory, MB | exponent |",
        "|---|---|---|---|---|---|",
    ]
    for axis, rows in results["axes"].items():
        sizes = ", ".join(f"{row[axis]:,}" for row in rows)
        for name in STAGES:
            cells = []
            for what in ("seconds", "megabytes"):
                values = [row["stages"].get(name, {}) for row in rows]
                told = ["failed" if "failed" in one else plain(one[what]) if one else "-" for one in values]
                points = curves(rows, axis, what).get(name)
                cells += [", ".join(told), f"{exponents(points)['last']:.2f}" if points else "-"]
            if any(name in row["stages"] for row in rows):
                lines.append(f"| {axis}: {sizes} | {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


COLOURS = dict(zip(STAGES, ("#7b6d8d", "#2a7f9e", "#c0612b", "#3d8b4f", "#a33b5c"), strict=True))
WIDE, HIGH, LEFT, TOP = 250, 190, 52, 30


def panel(curve: dict[str, list[tuple[float, float]]], place: tuple[int, int], title: str) -> list[str]:
    """One pair of logarithmic axes at a place, with a line for each stage."""
    points = [point for line in curve.values() for point in line]
    (left, right), (low, high) = (
        (math.floor(math.log10(min(values))), math.ceil(math.log10(max(values))))
        for values in zip(*points, strict=True)
    )
    right, high = max(right, left + 1), max(high, low + 1)

    def at(x: float, y: float) -> tuple[float, float]:
        return (
            round(place[0] + LEFT + WIDE * (math.log10(x) - left) / (right - left), 1),
            round(place[1] + TOP + HIGH * (1 - (math.log10(y) - low) / (high - low)), 1),
        )

    (x0, y0), (x1, y1) = at(10.0**left, 10.0**low), at(10.0**right, 10.0**high)
    drawn = [f'<text x="{x0}" y="{y1 - 10}" class="title">{title}</text>']
    for power in range(left, right + 1):
        x = at(10.0**power, 10.0**low)[0]
        drawn += [
            f'<path d="M{x} {y0}V{y1}" class="grid"/>',
            f'<text x="{x}" y="{y0 + 14}" text-anchor="middle">{10.0**power:,g}</text>',
        ]
    for power in range(low, high + 1):
        y = at(10.0**left, 10.0**power)[1]
        drawn += [
            f'<path d="M{x0} {y}H{x1}" class="grid"/>',
            f'<text x="{x0 - 5}" y="{y + 4}" text-anchor="end">{10.0**power:,g}</text>',
        ]
    for name, line in curve.items():
        places = [at(x, y) for x, y in line]
        drawn.append(
            f'<polyline points="{" ".join(f"{x},{y}" for x, y in places)}" stroke="{COLOURS[name]}" class="line"/>'
        )
        drawn += [f'<circle cx="{x}" cy="{y}" r="3" fill="{COLOURS[name]}"/>' for x, y in places]
    return drawn


def figure(results: dict[str, Any]) -> str:
    """SVG: seconds above, memory below, a column for each axis."""
    drawn = []
    for column, (axis, rows) in enumerate(results["axes"].items()):
        for row, (what, unit) in enumerate((("seconds", "seconds"), ("megabytes", "MB"))):
            curve = curves(rows, axis, what)
            if curve:
                drawn += panel(
                    curve, (column * (WIDE + LEFT + 20), row * (HIGH + TOP + 30)), f"{unit} by {axis}"
                )
    width, height = 3 * (WIDE + LEFT + 20) + 10, 2 * (HIGH + TOP + 30) + 24
    for number, name in enumerate(STAGES):
        drawn.append(f'<circle cx="{60 + 90 * number}" cy="{height - 12}" r="4" fill="{COLOURS[name]}"/>')
        drawn.append(f'<text x="{68 + 90 * number}" y="{height - 8}">{name}</text>')
    style = "text{font:11px sans-serif;fill:#444}.title{font-weight:bold}.grid{stroke:#ddd}.line{fill:none;stroke-width:2}"
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img">'
    told = "<title>Seconds and peak memory by items, classes and width, both axes logarithmic</title>"
    return (
        "\n".join(
            [
                head,
                told,
                f"<style>{style}</style>",
                f'<rect width="{width}" height="{height}" fill="#fff"/>',
                *drawn,
                "</svg>",
            ]
        )
        + "\n"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", help="not used: the data is made here")
    parser.add_argument("--most", type=int, default=100_000, help="items")
    parser.add_argument("--million", action="store_true", help="up to 1,000,000 items")
    parser.add_argument("--only", nargs="+", choices=AXES, default=list(AXES))
    parser.add_argument("--stages", nargs="+", choices=STAGES, default=list(STAGES))
    parser.add_argument("--trial", action="store_true", help="nothing is stored")
    parser.add_argument("--stage", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.stage:
        return stage(*options.stage)
    most = 1_000_000 if options.million else options.most
    results = json.loads(RESULTS.read_text(encoding="utf-8")) if RESULTS.is_file() else {"axes": {}}
    for axis in options.only:
        rows = results["axes"][axis] = []
        for size in AXES[axis]:
            if size.items <= most:
                named = dict(zip(("items", "classes", "width"), astuple(size), strict=True))
                rows.append({**named, "stages": measure(size, options.stages)})
        results["axes"] = {name: results["axes"][name] for name in AXES if name in results["axes"]}
        if not options.trial:
            about = subprocess.run(
                [sys.executable, str(HERE / "_versus" / "ours.py"), "about"],
                check=True, capture_output=True, text=True,
            )  # fmt: skip
            RESULTS.write_text(
                json.dumps({**results, **json.loads(about.stdout)}, indent=1) + "\n", encoding="utf-8"
            )
            FIGURE.write_text(figure(results), encoding="utf-8")
            table.into_docs("growth", summary(results))
    print(summary(results))
    return None


if __name__ == "__main__":
    main()

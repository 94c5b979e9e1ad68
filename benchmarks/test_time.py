"""Photos taken otherwise than those learnt from: what adapting a model at test time gains, and where it harms.

    OMP_NUM_THREADS=1 python benchmarks/test_time.py --shared FOLDER [--set dogcat] [--seeds 3] [--side 224] [--work FOLDER]

FOLDER holds `data/SET` (images.zip, splits.csv; two classes) and `weights/imagenet`. For each seed MobileNetV2 is probed on the
photos as they are; the test photos are then corrupted, and answered as they are and after each way of adapting:
accuracy, and the paired gain with a 95 % interval over photos (bootstrap; of each photo the mean over seeds).
Harm is looked for with what the product refuses, too: one class alone, three of it to one of the other, and ten photos; a sorted
folder is no such thing, for statistics are of all photos at once. The labels only count what was right.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageEnhance, ImageFilter

import headstart as hs
from _sets import pack
from headstart.core import environment
from headstart.errors import BadOption
from headstart.predict import adapting

NETWORK = "mobilenetv2_100.torchvision_ptq_in1k.safetensors"
RESULTS = Path(__file__).parent / "results"
RESAMPLES = 2_000
HOWS = ("as it is", *adapting.METHODS)
WHOLE = "all, a class after the other"
HARM = ("none", "contrast")
"""What is looked at with skewed and few photos, too."""


def noise(photo: Image.Image, rng: np.random.Generator) -> Image.Image:
    pixels = np.asarray(photo, np.float64)
    return Image.fromarray(np.clip(pixels + rng.normal(0, 46, pixels.shape), 0, 255).astype(np.uint8))


CORRUPTIONS: dict[str, Callable[[Image.Image, np.random.Generator], Image.Image]] = {
    "none": lambda photo, _: photo,
    "contrast": lambda photo, _: ImageEnhance.Contrast(photo).enhance(0.2),
    "blur": lambda photo, _: photo.filter(ImageFilter.GaussianBlur(0.012 * min(photo.size))),
    "brightness": lambda photo, _: ImageEnhance.Brightness(photo).enhance(2.5),
    "noise": noise,
}


def answered(model: Any, photos: list[Image.Image], how: str) -> tuple[np.ndarray, dict[str, Any]]:
    """Answers `[N]` and what was done; where the product refuses, also what would have come of it."""
    if how == "as it is":
        return np.array(model.predict(photos).answers), {}
    try:
        found = model.predict(photos, adapt=how)
        return np.array(found.answers), {"refused": "", "done": found.adapted.to_json()}
    except BadOption as error:
        least, apart = adapting.LEAST, adapting.base.APART
        adapting.LEAST, adapting.base.APART = 1, 2.0
        try:
            return np.array(model.predict(photos, adapt=how).answers), {"refused": str(error)}
        finally:
            adapting.LEAST, adapting.base.APART = least, apart


def sets(y: np.ndarray, rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Rows of the test photos that are given together."""
    one, other = sorted(set(y.tolist()))
    ones, others = (rng.permutation(np.flatnonzero(y == label)) for label in (one, other))
    return {
        WHOLE: np.concatenate([np.sort(ones), np.sort(others)]),
        f"{one} alone": ones,
        f"3 of {one} to 1 of {other}": np.concatenate([ones, others[: len(ones) // 3]]),
        "10 photos": rng.permutation(len(y))[:10],
    }


def one_seed(table: Path, spec: str, seed: int, where: Path) -> Iterator[dict[str, Any]]:
    """One cell after the other, the whole test part first."""
    run = hs.fit(
        table, sources=[spec], budget="5min", quality="fast", strategies=["probe"], seed=seed, out=where
    )
    data = hs.load(table)
    test = np.flatnonzero(data.split == "test")
    labels = np.array([data.task.labels[one] for one in data.y[test]])
    photos = {}
    for number, (name, corrupt) in enumerate(CORRUPTIONS.items()):
        rng = np.random.default_rng((seed, number))
        photos[name] = [corrupt(Image.open(data.items[row].path).convert("RGB"), rng) for row in test]
    skewed = sets(labels, np.random.default_rng(seed))
    whole = skewed.pop(WHOLE)
    cells = [(name, WHOLE, whole, how) for how in HOWS for name in CORRUPTIONS]
    cells += [(name, which, rows, how) for name in HARM for which, rows in skewed.items() for how in HOWS[:2]]
    for name, which, rows, how in cells:
        said, told = answered(run.model, [photos[name][row] for row in rows], how)
        right = (said == labels[rows]).astype(float)
        known = {"seed": seed, "arm": run.record["answer"]["winner"], "corruption": name, "set": which}
        yield {**known, "how": how, "rows": rows.tolist(), "right": right.tolist(), **told}
        done = (told.get("done") or {}).get("sentence", "")
        print(seed, name, which, how, round(right.mean(), 3), told.get("refused", ""), done, flush=True)


def interval(cells: list[dict[str, Any]], base: list[dict[str, Any]]) -> dict[str, float]:
    """Accuracy, and gain over the unadapted answers in points, over photos and all seeds."""
    gains: dict[int, list[float]] = {}
    for cell, other in zip(cells, base, strict=True):
        for row, a, b in zip(cell["rows"], cell["right"], other["right"], strict=True):
            gains.setdefault(row, []).append(a - b)
    each = 100 * np.array([np.mean(values) for values in gains.values()])
    drawn = np.random.default_rng(0).integers(0, len(each), (RESAMPLES, len(each)))
    low, high = np.quantile(each[drawn].mean(1), (0.025, 0.975))
    return {
        "accuracy": float(100 * np.mean([np.mean(cell["right"]) for cell in cells])),
        "gain": float(each.mean()),
        "low": float(low),
        "high": float(high),
        "refused": sum(bool(cell.get("refused")) for cell in cells),
    }


def table_of(found: list[dict[str, Any]]) -> str:
    """As Markdown."""
    head = ("corruption", "photos", *HOWS)
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    for name, which in dict.fromkeys((cell["corruption"], cell["set"]) for cell in found):
        cells = {
            how: [c for c in found if (c["corruption"], c["set"], c["how"]) == (name, which, how)]
            for how in HOWS
        }
        shown = []
        for how in (how for how in HOWS if cells[how]):
            got = interval(cells[how], cells["as it is"])
            gain = (
                f" ({got['gain']:+.1f} [{got['low']:+.1f}, {got['high']:+.1f}])" if how != "as it is" else ""
            )
            refused = f", refused {got['refused']} of {len(cells[how])}" if got["refused"] else ""
            shown.append(f"{got['accuracy']:.1f}{gain}{refused}")
        lines.append("| " + " | ".join((name, which, *shown)) + " |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/ and weights/")
    parser.add_argument("--set", default="hymenoptera", help="folder in data/ with photos of two classes")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--side", type=int, default=224, help="pixels of the network's input")
    parser.add_argument(
        "--work", type=Path, help="a folder to keep: what is fitted there is not fitted again"
    )
    options = parser.parse_args()
    found: list[dict[str, Any]] = []
    weights = options.shared / "weights" / "imagenet" / NETWORK
    with tempfile.TemporaryDirectory() as scratch:
        place = options.work or Path(scratch)
        os.environ["HEADSTART_CACHE"] = str(place / "cache")
        spec = f"file:{weights}" if options.side == 224 else f"file:{weights}?input={options.side}"
        pack(options.set)(options.shared / "data", place)
        data = place / options.set / "splits.csv"
        for seed in range(options.seeds):
            for cell in one_seed(data, spec, seed, place / f"run-{options.set}-{options.side}-{seed}"):
                found.append(cell)
                content = {
                    "side": options.side,
                    "versions": environment.versions(),
                    "machine": environment.machine(),
                }
                kept = "test_time" if options.set == "hymenoptera" else f"test_time_{options.set}"
                (RESULTS / f"{kept}.json").write_text(
                    json.dumps({**content, "results": found}, indent=1) + "\n"
                )
            print(table_of(found), flush=True)


if __name__ == "__main__":
    main()

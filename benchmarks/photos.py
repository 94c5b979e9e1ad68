"""Real photos, real ImageNet weights: what `headstart fit` finds, and what that costs.

    python benchmarks/photos.py --shared FOLDER [--budget 10min] [--set hymenoptera]

FOLDER holds `data/NAME/images.zip` with `splits.csv`, and `weights/imagenet/*.safetensors`. For every data set:
the verdict, test accuracy of the shipped model, the best single-tap linear probe of the probed sources on the
same test items (the floor that choosing taps has to beat), gain over training from scratch, time, and the share of it that is the pass.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import tempfile
import time
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

import headstart as hs
from headstart import sources, tasks
from headstart.core import environment, words
from headstart.core.budget import words as seconds_in_words
from headstart.core.features import FeatureSpec
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore

SETS = ("hymenoptera", "dogcat", "cifar10_small")
RESULTS = Path(__file__).parent / "results"


def unpack(pack: Path, where: Path) -> Path:
    """The pack's pictures and its table in one folder."""
    target = where / pack.name
    with zipfile.ZipFile(pack / "images.zip") as archive:
        archive.extractall(target)
    shutil.copy(pack / "splits.csv", target / "splits.csv")
    return target / "splits.csv"


def single_taps(table: Path, specs: list[str]) -> list[dict[str, Any]]:
    """Test accuracy of a linear probe on each single tap of each source, penalty by cross-validation."""
    dataset = hs.load(table)
    assert dataset.task is not None
    assert dataset.y is not None
    assert dataset.split is not None
    methods = tasks.for_task(dataset.task)
    test = np.flatnonzero(dataset.split == "test")
    train = np.flatnonzero(dataset.split != "test")
    found = []
    for spec in specs:
        backbone = sources.load(spec)
        features = StoreExtractor(FeatureStore.default(), dataset)(
            backbone, FeatureSpec(taps=backbone.taps())
        )
        for tap in backbone.taps():
            rows = features.tap(tap)
            x = rows[train].astype(np.float64)
            linear = methods.fit_linear(x, dataset.y[train], outputs=dataset.task.outputs)
            logits = linear.logits(rows[test].astype(np.float64))
            score = methods.scores["accuracy"].value(dataset.y[test], methods.activate(logits))
            found.append(
                {
                    "source": backbone.source.name,
                    "tap": str(tap),
                    "test": score,
                    "last": tap.stage == backbone.stages[-1].name,
                }
            )
    return found


def run_set(name: str, shared: Path, where: Path, budget: str) -> dict[str, Any]:
    """One data set through the product, from a cold store."""
    table = unpack(shared / "data" / name, where)
    weights = sorted((shared / "weights" / "imagenet").glob("*.safetensors"))
    specs = [f"file:{path}" for path in weights]
    start = time.perf_counter()
    run = hs.fit(table, sources=specs, budget=budget, out=where / f"run-{name}", name=name)
    seconds = time.perf_counter() - start
    answer = run.record["answer"]
    best_scratch = next((r for r in answer["rows"] if r["strategy"] == "scratch"), {})
    gain = next((c for c in answer["verdict"]["comparisons"] if "scratch" in c["against"]), None)
    probed = {r["source"] for r in answer["rows"] if r["strategy"] == "probe"}
    taps = single_taps(table, [spec for spec in specs if sources.find(spec).name in probed])
    best_tap = max(taps, key=lambda t: t["test"])
    return {
        "set": name,
        "outcome": run.outcome,
        "verdict": run.verdict,
        "winner": answer["winner"],
        "test": answer["test"],
        "rows": answer["rows"],
        "scratch": best_scratch.get("score"),
        "gain_over_scratch": gain,
        "best_single_tap": best_tap,
        "single_taps": taps,
        "seconds": seconds,
        "pass_seconds": answer.get("pass_seconds"),
        "budget": budget,
    }


def table(results: list[dict[str, Any]]) -> str:
    """The results as a Markdown table."""
    lines = [
        "| set | verdict | shipped | test accuracy | best single tap (test) | gain over scratch | time | of it the pass |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        test, gain = r["test"], r["gain_over_scratch"]
        shown = f"{words.value('accuracy', test['value'])} {words.interval('accuracy', test['low'], test['high'])}"
        gained = "-"
        if gain is not None:
            g = gain["gain"]
            gained = f"{words.gain('accuracy', g['value'])} {words.gain_interval('accuracy', g['low'], g['high'])}, n = {g['n']}"
        share = "-" if r["pass_seconds"] is None else f"{100 * r['pass_seconds'] / r['seconds']:.0f} %"
        best = f"{words.value('accuracy', r['best_single_tap']['test'])} ({r['best_single_tap']['source']} {r['best_single_tap']['tap']})"
        lines.append(
            f"| {r['set']} | {r['outcome']} | {r['winner']} | {shown} | {best} | {gained} | "
            f"{seconds_in_words(r['seconds'])} | {share} |"
        )
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/ and weights/")
    parser.add_argument("--budget", default="10min")
    parser.add_argument("--set", action="append", choices=SETS, dest="sets")
    options = parser.parse_args()
    results = []
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADSTART_CACHE"] = str(Path(scratch) / "cache")
        for name in options.sets or SETS:
            results.append(run_set(name, options.shared, Path(scratch), options.budget))
            print(table(results), flush=True)
            save(results)


def save(results: list[dict[str, Any]]) -> None:
    """Write the results; those of other sets that an earlier run wrote stay."""
    path = RESULTS / "photos.json"
    earlier = json.loads(path.read_text())["results"] if path.exists() else []
    new = {r["set"] for r in results}
    every = [*results, *(r for r in earlier if r["set"] not in new)]
    content = {
        "results": sorted(every, key=lambda r: SETS.index(r["set"])),
        "versions": environment.versions(),
        "machine": environment.machine(),
    }
    RESULTS.mkdir(exist_ok=True)
    path.write_text(json.dumps(content, indent=1, default=str) + "\n")


if __name__ == "__main__":
    main()

"""How far behind the best baseline is what ships with few labels? Selection on many small label sets, offline.

    python benchmarks/shipping.py --shared FOLDER [--draws 20]

FOLDER holds `data/` and `weights/imagenet/`. Label sets of 20 and 40 items are drawn from two sets of photos, read
through three sources. Arms are ridge models: on a source (for the probe), its random twin, pixels, random patches (in
place of training from scratch, with three or five folds of the fifteen), the majority class, and the product's own
average of probe and patches (`strategies.ensemble`), where it gives both a weight. `evidence.selection` chooses by
the folds, with and without that average; all are fitted again on the whole label set and meet the items not drawn.
"far behind" is more than two standard errors of the test part behind the best of the baselines there.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from _sets import IMAGENET
from claims import REAL, REPEATS, SETS, TWINS, features, label_set
from coverage import folds_of, ridge
from headstart import sources, tasks
from headstart.core import environment
from headstart.core.dataset import Dataset
from headstart.core.experiment import Experiment
from headstart.core.files import write_json
from headstart.core.split import Split
from headstart.core.strategy import Trial
from headstart.evidence import selection
from headstart.strategies import ensemble

NAMES = ("hymenoptera", "dogcat")
SIZES = (20, 40)
STRATEGIES = {"net: probe": "probe", "net: random-frozen": "random-frozen", "net: scratch": "scratch"}
RESULTS = Path(__file__).parent / "results" / "shipping.json"


def probabilities(scores: np.ndarray) -> np.ndarray:
    """Of ridge regression's answers float64 `[..., K]`."""
    p = np.clip(scores, 0.02, None)
    return np.asarray(p / p.sum(axis=-1, keepdims=True))


def draws(name: str, items: Dataset, read: Mapping[str, np.ndarray], count: int) -> Iterator[dict[str, Any]]:
    """What ships with and without the average, and how good every arm is on the items not drawn."""
    y, task = items.y, items.task
    assert y is not None
    assert task is not None
    targets = np.eye(task.outputs)
    for n in SIZES:
        for seed in range(count):
            rng = np.random.default_rng([seed, n])
            if (rows := label_set(y, n, rng)) is None:
                continue
            train, test = rows
            train = np.sort(train)
            folds = folds_of(y[train], REPEATS, rng)
            split = Split(np.arange(n), np.zeros(0, np.int64), tuple(folds), np.arange(n), 0, "drawn")
            setting = Experiment(items.subset(train), task, split)
            afforded = folds[: int(rng.choice([3, 5]))]
            for source in REAL:
                inputs = {"pixels": "pixels", "net: probe": source, "net: random-frozen": TWINS[source]}
                trials, tested = {}, {}
                for arm, what in {**inputs, "net: scratch": "patches"}.items():
                    x, p = read[what], np.full((REPEATS, n, task.outputs), np.nan, np.float32)
                    for fold in afforded if what == "patches" else folds:
                        there = train[fold.train]
                        found = ridge(x[there], targets[y[there]], x[train[fold.test]])
                        p[fold.repeat, fold.test] = probabilities(found)
                    trials[arm] = Trial(arm, STRATEGIES.get(arm, arm), "net", p)
                    tested[arm] = probabilities(ridge(x[train], targets[y[train]], x[test]))
                share = targets[y[train]].mean(axis=0)
                constant = np.tile(share, (REPEATS, n, 1)).astype(np.float32)
                trials["majority"] = Trial("majority", "majority", None, constant)
                tested["majority"] = np.tile(share, (len(test), 1))
                pair = trials["net: probe"], trials["net: scratch"]
                p, weight, temperatures = ensemble.averaged(*pair, setting)
                alone = selection.shipped(trials, trials, setting, count=selection.ROUGH)
                if weight not in (0, 1):
                    members = [trial.arm for trial in pair]
                    trials["stack"] = Trial("stack", "stack", "net", p, choices={"members": members})
                    soft = [
                        tasks.for_task(task).softened(tested[arm], t)
                        for arm, t in zip(members, temperatures, strict=True)
                    ]
                    tested["stack"] = weight * soft[0] + (1 - weight) * soft[1]
                now = selection.shipped(trials, trials, setting, count=selection.ROUGH)
                right = {arm: float((said.argmax(axis=1) == y[test]).mean()) for arm, said in tested.items()}
                yield {
                    "set": name, "source": source, "n": n, "seed": seed, "n_test": len(test),
                    "without": alone, "now": now, "right": right,
                }  # fmt: skip


def far(row: dict[str, Any], rule: str) -> bool:
    """Whether what a rule ships is behind the best baseline by more than two standard errors."""
    best = max(row["right"][arm] for arm in ("pixels", "majority", "net: scratch", "net: random-frozen"))
    error = np.sqrt(max(best * (1 - best), 1e-4) / row["n_test"])
    return bool(row["right"][row[rule]] < best - 2 * error)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/ and weights/")
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    nets = {name: sources.load(f"bundled/{name}") for name in ("strokes", "textures")}
    nets["MobileNetV1 0.25"] = sources.load(f"file:{options.shared / 'weights' / 'imagenet' / IMAGENET}")
    nets |= {f"{name}, random 0": net.fresh(0) for name, net in [*nets.items()]}
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADSTART_CACHE"] = str(Path(scratch) / "cache")
        for name in NAMES:
            items = SETS[name](options.shared / "data", Path(scratch) / name)
            rows += draws(name, items, features(items, nets), options.draws)
            print(f"{name}: {len(rows)} draws", flush=True)
    print("| draws | far behind, without the average | with it | accuracy | with it |\n|---|---|---|---|---|")
    parts = {"all": rows, **{s: [r for r in rows if r["source"] == s] for s in REAL}}
    parts |= {f"{n} labels": [r for r in rows if r["n"] == n] for n in SIZES}
    for part, some in parts.items():
        cells = [f"{sum(far(r, rule) for r in some)} of {len(some)}" for rule in ("without", "now")]
        cells += [
            f"{100 * np.mean([r['right'][r[rule]] for r in some]):.1f} %" for rule in ("without", "now")
        ]
        print(f"| {part} | {' | '.join(cells)} |")
    versions, machine = environment.versions(), environment.machine()
    write_json(RESULTS, {"rows": rows, "versions": versions, "machine": machine})


if __name__ == "__main__":
    main()

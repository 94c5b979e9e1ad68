"""Is labelling the images that `label-next` proposes worth more than labelling at random, where labels are masks or
boxes?

    OMP_NUM_THREADS=1 python benchmarks/label_next_images.py --shared FOLDER [--set camvid] [--draws 10]

From few images (10, and 30) as many again are bought from the training images: at random, and as
`headstart.workflows.label_next.choose` says, by its two policies. Then the probe of MobileNetV2, in closed form, is fitted
to all of them and measured on the test images. The table has the
mean over draws of the first images, and the gain over random, paired by draw, with its 95 % interval (t over the draws).
Cells that an earlier run finished are kept; delete the results file to make them again.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

import dense
import detection
from bundled import summary
from headstart import data, sources, strategies, tasks
from headstart.core.cells import column
from headstart.core.dataset import Dataset
from headstart.core.features import FeatureSpec
from headstart.core.split import Split
from headstart.core.strategy import Learnt, Maps, Request
from headstart.measure import selection
from headstart.passes.extractor import StoreExtractor
from headstart.passes.suited import suited
from headstart.store.store import FeatureStore
from headstart.strategies.dense import probe as dense_probe
from headstart.tasks.base import Places
from headstart.workflows.label_next import Room, choose

RESULTS = Path(__file__).parent / "results" / "label_next_images.json"
STARTS = (10, 30)
"""Labelled images at the start; as many are bought."""


def camvid(shared: Path, where: Path) -> Dataset:
    return data.load(dense.unpacked(shared / "data" / "seg_camvid", where / "camvid"))


SETS = {"camvid": camvid, "bccd": lambda shared, where: detection.cells(shared, where / "bccd")}


class Place:
    """One set: its training images to buy from, its test images to measure on."""

    def __init__(self, whole: Dataset, spec: str) -> None:
        assert whole.split is not None
        train, test = (np.flatnonzero(whole.split == part) for part in ("train", "test"))
        self.pool = len(train)
        self.dataset = replace(whole.subset(np.concatenate([train, test])), split=None)
        assert self.dataset.task is not None
        self.task = self.dataset.task
        self.backbone = suited(sources.load(spec), self.dataset)
        self.extract = StoreExtractor(FeatureStore.default(), self.dataset)
        tap = self.backbone.embedding
        self.near = self.extract(self.backbone, FeatureSpec(taps=(tap,))).tap(tap)[np.arange(self.pool)]

    def learnt(self, rows: np.ndarray, seed: int) -> Learnt:
        """The probe in closed form, which has learnt nothing yet."""
        split = Split(rows, np.zeros(0, np.int64), (), np.arange(len(self.dataset)), seed, "drawn")
        request = Request(self.dataset, self.task, split, self.extract, self.backbone, seed=seed)
        probe = strategies.get("probe", self.task)
        assert isinstance(probe, Maps)
        return probe.closed(request)

    def score(self, rows: np.ndarray, seed: int) -> float:
        """On the test images, of a model of these rows."""
        test = np.arange(self.pool, len(self.dataset))
        answers = column(self.learnt(rows, seed)(rows, test))
        return float(tasks.score_of(self.task).value(self.dataset.targets[test], answers))

    def glances(self, rows: np.ndarray, others: np.ndarray, seed: int) -> np.ndarray:
        """What a model of these rows says of others."""
        learnt, methods = self.learnt(rows, seed), tasks.for_task(self.task)
        assert isinstance(methods, Places)
        if isinstance(learnt, dense_probe.Reader):  # its answers no longer know how sure they are
            linear = learnt.linear(learnt.request.view(rows), rows)
            return column(methods.glance(None, learnt.scores(linear, row)) for row in others.tolist())
        return column(methods.glance(one, np.zeros(0)) for one in learnt(rows, others))

    def draw(self, start: int, seed: int) -> dict[str, float]:
        """The score before, and after buying by each policy."""
        order = np.random.default_rng(seed).permutation(self.pool)
        first, rest = order[:start], order[start:]
        known = np.arange(self.pool) < start
        features = selection.prepared(self.near[order].astype(np.float32))
        room = Room(features, known, ~known, self.glances(first, rest, seed), self.task)
        picks = {"random": rest[:start]}
        for name, few in (("typical", True), ("doubtful", False)):
            picks[name] = order[[row for row, _, _ in choose(room, start, few=few, seed=seed)]]
        after = {name: self.score(np.concatenate([first, own]), seed) for name, own in picks.items()}
        return {"before": self.score(first, seed), **after}


def table(found: dict[str, list[dict[str, float]]]) -> str:
    """Points of the set's metric."""
    lines = [
        "| set | images | before | at random | typical, over random | doubtful, over random |",
        "|---|---|---|---|---|---|",
    ]
    for key, rows in found.items():
        name, start = key.rsplit(" ", 1)
        means = [f"{100 * np.mean([row[arm] for row in rows]):.1f}" for arm in ("before", "random")]
        for arm in ("typical", "doubtful"):
            gain = summary([row[arm] - row["random"] for row in rows])
            means.append(f"{100 * gain['value']:+.1f} [{100 * gain['low']:.1f}, {100 * gain['high']:.1f}]")
        lines.append(f"| {name} | {start} + {start} | {' | '.join(means)} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--set", choices=SETS, action="append")
    parser.add_argument("--draws", type=int, default=10)
    options = parser.parse_args()
    found = json.loads(RESULTS.read_text()) if RESULTS.exists() else {}
    spec = f"file:{options.shared.resolve() / 'weights' / 'imagenet' / detection.NETWORK}"
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for name in options.set or SETS:
            place = Place(SETS[name](options.shared, Path(folder)), spec)
            for start in STARTS:
                rows = found.setdefault(f"{name} {start}", [])
                while len(rows) < options.draws:
                    rows.append(place.draw(start, len(rows)))
                    RESULTS.parent.mkdir(exist_ok=True)
                    RESULTS.write_text(json.dumps(found, indent=1) + "\n")
                    print(name, start, rows[-1], flush=True)
    print(table(found))


if __name__ == "__main__":
    main()

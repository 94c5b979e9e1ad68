"""How often the verdict's interval holds the true gain: real features, learners fitted anew for every data set.

    python benchmarks/coverage.py --shared FOLDER [--sets 300]

FOLDER holds `data/cifar10_small`. Data sets of n photos are drawn from its 7,000; on each, two ridge
classifiers (on the features of a bundled source, of the same network with random weights, of the pixels, or the
majority class) are compared by repeated 5-fold cross-validation. The true gain is that of classifiers fitted to as
many photos as a fold's training part, on 2,500 others, averaged over 80 draws. Three intervals: the bootstrap over
items alone, `headstart.measure.paired` as the verdict uses it, and the corrected resampled t (Nadeau and Bengio).
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from _sets import pack
from headstart import sources, tasks
from headstart.core import environment
from headstart.core.dataset import Dataset
from headstart.core.features import FeatureSpec
from headstart.core.split import Fold
from headstart.core.task import Task
from headstart.measure.paired import Resampling, held_out_ratio, paired_gain
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore

PAIRS = (
    ("textures", "pixels", range(10)),
    ("textures", "random", range(10)),
    ("textures", "majority", range(10)),
    ("textures", "strokes", range(10)),
    ("textures", "pixels", (3, 5)),
    ("textures", "random", (3, 5)),
    ("textures", "majority", (3, 5)),
)
"""(ours, theirs, classes): 3 and 5 are cats and dogs."""
SIZES = ((60, 10), (150, 10), (400, 3), (400, 1))
"""(photos, repeats of the five folds)"""
PARTS = 5
WIDTH = 80
"""Principal components that ridge reads."""
RESULTS = Path(__file__).parent / "results" / "coverage.json"


def features(dataset: Dataset) -> dict[str, np.ndarray]:
    """Principal components of what each learner reads, `[N, WIDTH]`."""
    extract = StoreExtractor(FeatureStore.default(), dataset)
    rows = np.arange(len(dataset))
    nets: dict[str, Any] = {name: sources.load(f"bundled/{name}") for name in ("textures", "strokes")}
    nets["random"] = nets["textures"].fresh(0)
    found = {}
    for name, net in nets.items():
        tap = net.embedding
        found[name] = extract(net, FeatureSpec(taps=(tap,))).tap(tap)[rows]
    stored = np.asarray(extract(None, FeatureSpec(inputs=64)).inputs()[rows], np.float32)
    found["pixels"] = stored.reshape(len(rows), 3, 16, 4, 16, 4).mean(axis=(3, 5)).reshape(len(rows), -1)
    return {name: components(np.asarray(x, np.float64)) for name, x in found.items()}


def components(x: np.ndarray) -> np.ndarray:
    standard = (x - x.mean(axis=0)) / (x.std(axis=0) + 1e-6)
    _, directions = np.linalg.eigh(standard.T @ standard)
    return np.asarray(standard @ directions[:, ::-1][:, :WIDTH])


def ridge(x: np.ndarray, targets: np.ndarray, new: np.ndarray) -> np.ndarray:
    """Scores `[M, K]` of new rows."""
    mean, sd = x.mean(axis=0), x.std(axis=0) + 1e-9
    z, offset = (x - mean) / sd, targets.mean(axis=0)
    gram = z @ z.T
    gram.flat[:: len(z) + 1] += 0.3 * x.shape[1]
    return np.asarray((new - mean) / sd @ (z.T @ np.linalg.solve(gram, targets - offset)) + offset)


def scores(
    reads: np.ndarray | None, y: np.ndarray, train: np.ndarray, test: np.ndarray, k: int
) -> np.ndarray:
    """Of one learner; without features it is the majority class."""
    targets = np.eye(k)[y[train]]
    if reads is None:
        return np.tile(targets.mean(axis=0), (len(test), 1))
    return ridge(reads[train], targets, reads[test])


def folds_of(y: np.ndarray, repeats: int, rng: np.random.Generator) -> list[Fold]:
    """Stratified."""
    folds = []
    for repeat in range(repeats):
        order = rng.permutation(len(y))
        place = np.empty(len(y), np.int64)
        place[order[np.argsort(y[order], kind="stable")]] = np.arange(len(y)) % PARTS
        folds += [
            Fold(repeat, np.flatnonzero(place != part), np.flatnonzero(place == part))
            for part in range(PARTS)
        ]
    return folds


def intervals(
    y: np.ndarray, p: np.ndarray, folds: Sequence[Fold], seed: int
) -> dict[str, tuple[float, float]]:
    """The three intervals from predictions `[2, R, n, K]`."""
    judged = tasks.score_of(Task("classification", ("a", "b"), "accuracy"))
    found = paired_gain(y, p[0], p[1], scoring=judged, folds=folds, resampling=Resampling(1000, seed=seed))
    assert found.sampled is not None
    right = (p.argmax(axis=3) == y).astype(float)
    each = np.array([(right[0] - right[1])[f.repeat, f.test].mean() for f in folds])
    half = stats.t.ppf(0.975, len(each) - 1) * np.sqrt(
        each.var(ddof=1) * (1 / len(each) + held_out_ratio(folds))
    )
    return {
        "bootstrap": (found.sampled.low, found.sampled.high),
        "verdict": (found.low, found.high),
        "corrected t": (found.gain - half, found.gain + half),
    }


def cell(
    learn: Callable[[str, np.ndarray, np.ndarray, int], np.ndarray],
    pair: tuple[str, str],
    y: np.ndarray,
    pool: np.ndarray,
    size: tuple[int, int, int],
) -> dict[str, Any]:
    """Coverage and mean width of each interval for one pair of learners; `size`: photos, repeats, sets."""
    n, repeats, sets = size
    k, rng = int(y[pool].max()) + 1, np.random.default_rng(0)
    truths = []
    for _ in range(80):
        drawn = rng.permutation(pool)
        train, test = drawn[: n - n // PARTS], drawn[n : n + 2500]
        a, b = (learn(name, train, test, k).argmax(axis=1) == y[test] for name in pair)
        truths.append(a.mean() - b.mean())
    truth = float(np.mean(truths))
    hits: dict[str, int] = {}
    widths: dict[str, float] = {}
    for seed in range(sets):
        drawn = rng.permutation(pool)[:n]
        folds = folds_of(y[drawn], repeats, rng)
        p = np.full((2, repeats, n, k), np.nan)
        for fold in folds:
            for place, name in enumerate(pair):
                p[place, fold.repeat, fold.test] = learn(name, drawn[fold.train], drawn[fold.test], k)
        for name, (low, high) in intervals(y[drawn], p, folds, seed).items():
            hits[name] = hits.get(name, 0) + (low <= truth <= high)
            widths[name] = widths.get(name, 0.0) + (high - low) / sets
    return {
        "gain": truth,
        "coverage": {name: count / sets for name, count in hits.items()},
        "width": widths,
        "sets": sets,
    }


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The results as a Markdown table."""
    names = list(rows[0]["coverage"])
    lines = [f"| compared | classes | photos | repeats | true gain | {' | '.join(names)} |", ""]
    lines[1] = "|---|---|---|---|---|" + "---|" * len(names)
    for r in rows:
        covered = " | ".join(f"{100 * r['coverage'][n]:.1f} % ({100 * r['width'][n]:.0f})" for n in names)
        lines.append(
            f"| {r['ours']} to {r['theirs']} | {r['classes']} | {r['photos']} | {r['repeats']} "
            f"| {100 * r['gain']:+.1f} | {covered} |"
        )
    means = " | ".join(f"{100 * np.mean([r['coverage'][n] for r in rows]):.1f} %" for n in names)
    return "\n".join([*lines, f"| mean | | | | | {means} |"])


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/")
    parser.add_argument("--sets", type=int, default=300)
    options = parser.parse_args()
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADSTART_CACHE"] = str(Path(scratch) / "cache")
        dataset = pack("cifar10_small")(options.shared / "data", Path(scratch))
        assert dataset.y is not None
        read = features(dataset)
    for ours, theirs, classes in PAIRS:
        among = np.array(classes)
        pool = np.flatnonzero(np.isin(dataset.y, among))
        y = np.searchsorted(among, dataset.y).clip(0, len(among) - 1)

        def learn(name: str, train: np.ndarray, test: np.ndarray, k: int, y: np.ndarray = y) -> np.ndarray:
            return scores(read.get(name), y, train, test, k)

        for n, repeats in SIZES:
            found = cell(learn, (ours, theirs), y, pool, (n, repeats, options.sets))
            about = {"ours": ours, "theirs": theirs, "classes": len(among), "photos": n, "repeats": repeats}
            rows.append({**about, **found})
            RESULTS.parent.mkdir(exist_ok=True)
            content = {"rows": rows, "versions": environment.versions(), "machine": environment.machine()}
            RESULTS.write_text(json.dumps(content, indent=1) + "\n")
            print(table(rows[-1:]).splitlines()[2], flush=True)
    print(table(rows))


if __name__ == "__main__":
    main()

"""How early may transfer be said to help? Rules are compared on thousands of small label sets, offline.

    python benchmarks/claims.py --shared FOLDER [--draws 20]

FOLDER holds `data/` and `weights/imagenet/`. Eight image sets are read once through three sources, their random
twins and two sources that are worth nothing (random weights, columns of noise). Then label sets of 20 to 400
items are drawn; on each a ridge probe of every source is compared with ridge on pixels, on its random twin and on
random patches (in place of training from scratch, with one to five folds of the fifteen, as a run has time for),
and with the majority class, by three repeats of five folds. All are fitted again to the whole label set and meet
the items not drawn, which tell what was true. A rule decides by the gains alone: "helps", "hurts" or nothing.
"Silent" is a draw in which the probe is more than two points ahead of all of them there and the rule does not
claim it. What is learnt from draws (the prior) is learnt from those of the other sets.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from scipy import stats

from _sets import IMAGENET, digits, npz, pack
from coverage import components, folds_of, ridge
from headstart import sources, tasks
from headstart.core import environment
from headstart.core.dataset import Dataset
from headstart.core.features import FeatureSpec
from headstart.core.files import write_json
from headstart.core.split import Fold
from headstart.core.task import Task
from headstart.evidence.verdict import judge
from headstart.measure.intervals import wilson
from headstart.measure.paired import PairedGain, Resampling, deciding, held_out_ratio, paired_gain
from headstart.passes.extractor import StoreExtractor
from headstart.store.store import FeatureStore

SETS = {
    "digits": digits,
    "cifar10": pack("cifar10_small"),
    "mnist": npz("mnist"),
    "usps": npz("usps"),
    "hymenoptera": pack("hymenoptera"),
    "dogcat": pack("dogcat"),
    "pacs art": pack("pacs_photo_art", "art_painting"),
    "pacs photo": pack("pacs_photo_art", "photo"),
}
MOST = 1600
"""Items of a set."""
SIZES = (20, 50, 100, 200, 400)
REPEATS = 3
TWINS = {
    "strokes": "strokes, random 0",
    "textures": "textures, random 0",
    "MobileNetV1 0.25": "MobileNetV1 0.25, random 0",
    "strokes, random 1": "strokes, random 0",
    "MobileNetV1 0.25, random 1": "MobileNetV1 0.25, random 0",
    "noise": "strokes, random 0",
}
"""Source -> its architecture, random."""
REAL = ("strokes", "textures", "MobileNetV1 0.25")
RIVALS = ("scratch", "pixels", "majority", "random-frozen")
SCORE = tasks.score_of(Task("classification", ("a", "b"), "accuracy"))
NOW = "5 % below, 1.25 % above"
RESULTS = Path(__file__).parent / "results" / "claims.json"

Gains = Mapping[str, PairedGain]


@dataclass(frozen=True)
class Draw:
    """One probe on one label set: what the folds say (two-sided 95 %), and what was true."""

    set: str
    source: str
    n: int
    gains: Gains
    full: Gains
    """The same, had there been time for every fold of every rival."""
    t: Mapping[str, tuple[float, float]]
    """Standard error and degrees of freedom of the corrected resampled t."""
    truth: Mapping[str, float]
    """Gain over each rival on the items not drawn."""

    @property
    def margin(self) -> float:
        return min(self.truth.values())


def features(dataset: Dataset, nets: Mapping[str, Any]) -> dict[str, np.ndarray]:
    """Principal components `[N, 80]` of what each arm reads."""
    extract, rows = StoreExtractor(FeatureStore.default(), dataset), np.arange(len(dataset))
    found = {
        name: extract(net, FeatureSpec(taps=(net.embedding,))).tap(net.embedding)[rows]
        for name, net in nets.items()
    }
    stored = np.asarray(extract(None, FeatureSpec(inputs=32)).inputs()[rows], np.float32) / 255
    rng = np.random.default_rng(1)
    found["pixels"] = stored.reshape(len(rows), 3, 16, 2, 16, 2).mean(axis=(3, 5)).reshape(len(rows), -1)
    found["patches"] = patches(stored, rng)
    found["noise"] = rng.normal(size=(len(rows), 80))
    return {name: components(np.asarray(x, np.float64)) for name, x in found.items()}


def patches(pictures: np.ndarray, rng: np.random.Generator, filters: int = 120) -> np.ndarray:
    """How much of each of some whitened patches of the set lies in the quarters of each picture (Coates and Ng,
    2011): about what a small network learns without a source."""
    windows = np.lib.stride_tricks.sliding_window_view(pictures, (6, 6), axis=(2, 3))[:, :, ::2, ::2]
    seen = windows.transpose(0, 2, 3, 1, 4, 5).reshape(len(pictures), 14, 14, -1)

    def normal(x: np.ndarray) -> np.ndarray:
        x = x - x.mean(axis=-1, keepdims=True)
        return np.asarray(x / np.sqrt(x.var(axis=-1, keepdims=True) + 0.01))

    at = [rng.integers(0, most, 4000) for most in seen.shape[:3]]
    some = normal(seen[at[0], at[1], at[2]])
    spread, axes = np.linalg.eigh(np.cov(some.T) + 0.1 * np.eye(some.shape[1]))
    white = (axes / np.sqrt(spread)) @ axes.T
    bank = ((some - some.mean(axis=0)) @ white)[:filters]
    turn = white @ (bank / np.linalg.norm(bank, axis=1, keepdims=True)).T
    found = []
    for start in range(0, len(seen), 100):
        answer = np.maximum((normal(seen[start : start + 100]) - some.mean(axis=0)) @ turn - 0.5, 0)
        found.append(answer.reshape(len(answer), 2, 7, 2, 7, -1).mean(axis=(2, 4)).reshape(len(answer), -1))
    return np.concatenate(found)


def label_set(y: np.ndarray, n: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray] | None:
    """(rows drawn, rows to test on), at least two of each class; None where the set is too small."""
    order, classes = rng.permutation(len(y)), int(y.max()) + 1
    test = np.clip(len(y) // 2 - 30, 150, 700)
    rest = order[test:]
    if n > len(rest) or n < 2 * classes:
        return None
    least = np.concatenate([rest[y[rest] == c][:2] for c in range(classes)])
    return np.concatenate([least, rest[~np.isin(rest, least)][: n - len(least)]]), order[:test]


def draws(name: str, y: np.ndarray, read: Mapping[str, np.ndarray], count: int) -> Iterator[Draw]:
    """`count` label sets of every size, every source on each."""
    targets = np.eye(int(y.max()) + 1)
    for n in SIZES:
        for seed in range(count):
            rng = np.random.default_rng([seed, n])
            if (rows := label_set(y, n, rng)) is None:
                continue
            train, test = rows
            folds = folds_of(y[train], REPEATS, rng)
            given = np.full((REPEATS, n, targets.shape[1]), np.nan)
            p: dict[str, np.ndarray] = {"majority": given.copy()}
            right = {"majority": float((y[test] == targets[y[train]].sum(axis=0).argmax()).mean())}
            for fold in folds:
                p["majority"][fold.repeat, fold.test] = targets[y[train[fold.train]]].mean(axis=0)
            for arm, x in read.items():
                p[arm] = given.copy()
                for fold in folds:
                    there = train[fold.train]
                    p[arm][fold.repeat, fold.test] = ridge(x[there], targets[y[there]], x[train[fold.test]])
                said = ridge(x[train], targets[y[train]], x[test]).argmax(axis=1)
                right[arm] = float((said == y[test]).mean())
            afforded = folds[: int(rng.choice([3, 5] if n < 50 else [1, 2, 3, 5]))]
            for source, twin in TWINS.items():
                names = dict(zip(RIVALS, ("patches", "pixels", "majority", twin), strict=True))
                yield compared(
                    (name, source, n),
                    y[train],
                    p[source],
                    {k: p[v] for k, v in names.items()},
                    folds,
                    afforded,
                )(right[source], {k: right[v] for k, v in names.items()})


def compared(
    about: tuple[str, str, int],
    y: np.ndarray,
    ours: np.ndarray,
    rivals: Mapping[str, np.ndarray],
    folds: Sequence[Fold],
    afforded: Sequence[Fold],
) -> Callable[[float, Mapping[str, float]], Draw]:
    """What the folds say; the truth is added to it."""
    seen = np.full(ours.shape, np.nan)
    for fold in afforded:
        seen[fold.repeat, fold.test] = rivals["scratch"][fold.repeat, fold.test]
    gain = partial(paired_gain, y, ours, scoring=SCORE, folds=folds, resampling=Resampling(1000))
    full = {name: gain(their) for name, their in rivals.items()}
    gains = {**full, "scratch": gain(seen)}
    t = {}
    for name in RIVALS:
        used = afforded if name == "scratch" else folds
        hit = (ours.argmax(axis=2) == y).astype(float) - (rivals[name].argmax(axis=2) == y)
        each = np.array([hit[fold.repeat, fold.test].mean() for fold in used])
        error = np.inf
        if len(each) > 1:
            error = np.sqrt(each.var(ddof=1) * (1 / len(each) + held_out_ratio(folds)))
        t[name] = (float(error), float(len(each) - 1))
    return lambda right, theirs: Draw(*about, gains, full, t, {k: right - v for k, v in theirs.items()})


def corrected_t(draw: Draw, level: float) -> Gains:
    """Nadeau and Bengio's interval, its lower end at `level`, its upper one at 97.5 %."""
    found = {}
    for name, gained in draw.gains.items():
        error, free = draw.t[name]
        reach = [stats.t.ppf(q, max(free, 1)) * error for q in (level, 0.975)]
        found[name] = replace(gained, low=gained.gain - reach[0], high=gained.gain + reach[1])
    return found


def items_alone(draw: Draw) -> Gains:
    """The bootstrap over items, which takes the fits as given."""
    return {
        name: replace(gained, low=gained.sampled.low, high=gained.sampled.high)
        for name, gained in draw.gains.items()
        if gained.sampled is not None
    }


def holm(draw: Draw) -> Gains:
    """One-sided, corrected for the number of rivals: the worst at 5 %, the next at 2.5 %, ..."""
    order = sorted(draw.gains, key=lambda name: draw.gains[name].gain / max(draw.gains[name].error, 1e-9))
    return {name: deciding(draw.gains[name], below=0.05 / (place + 1)) for place, name in enumerate(order)}


Prior = tuple[np.ndarray, np.ndarray]


def arrays(some: Sequence[Draw]) -> tuple[np.ndarray, np.ndarray]:
    """(gains `[D, 4]`, covariance of their noise `[D, 4, 4]`: half is that of the probe itself)."""
    gains = np.array([[d.gains[name].gain for name in RIVALS] for d in some])
    errors = np.array([[max(d.gains[name].error, 0.004) for name in RIVALS] for d in some])
    return gains, errors[:, :, None] * errors[:, None, :] * (0.5 + 0.5 * np.eye(len(RIVALS)))


def learnt(some: Sequence[Draw], rounds: int = 60) -> Prior:
    """Mean and covariance of the true gains (empirical Bayes, by expectation and maximisation)."""
    gains, noise = arrays(some)
    mean, spread = gains.mean(axis=0), np.cov(gains.T)
    for _ in range(rounds):
        turn = spread @ np.linalg.inv(spread + noise)
        off = np.einsum("dij,dj->di", turn, gains - mean)
        left = (spread - turn @ spread).mean(axis=0)
        mean = mean + off.mean(axis=0)
        off = off - off.mean(axis=0)
        spread = off.T @ off / len(off) + left
    return mean, spread


def shrunk(some: Sequence[Draw], prior: Prior) -> tuple[np.ndarray, np.ndarray]:
    """(posterior means `[D, 4]`, probability that all gains are above zero `[D]`)."""
    mean, spread = prior
    gains, noise = arrays(some)
    turn = spread @ np.linalg.inv(spread + noise)
    centres = mean + np.einsum("dij,dj->di", turn, gains - mean)
    normal = np.random.default_rng(0).standard_normal((4000, len(RIVALS)))
    sure = []
    for centre, cover in zip(centres, spread - turn @ spread, strict=True):
        root = np.linalg.cholesky((cover + cover.T) / 2 + 1e-9 * np.eye(len(cover)))
        sure.append(((centre + normal @ root.T) > 0).all(axis=1).mean())
    return centres, np.array(sure)


Claim = tuple[str, bool]
"""(outcome, whether the items not drawn agree)"""


def claim(draw: Draw, gains: Gains) -> Claim:
    """What is said by these gains. "hurts" is right when every rival that is said to be better is."""
    said = judge(gains)
    if said == "hurts":
        return said, all(draw.truth[name] < 0 for name, gained in gains.items() if gained.high < 0)
    return said, draw.margin > 0


def outcomes(some: Sequence[Draw]) -> dict[str, list[Claim]]:
    """What every rule says of every draw."""
    eased = lambda d, below: {k: deciding(g, below=below) for k, g in d.gains.items()}  # noqa: E731
    rules: dict[str, Callable[[Draw], Gains]] = {
        "bootstrap over items, two-sided": items_alone,
        "corrected t, two-sided": lambda d: corrected_t(d, 0.975),
        "corrected t, 5 % below": lambda d: corrected_t(d, 0.95),
        "two-sided 95 % (before)": lambda d: d.gains,
        "5 % below, Holm over the rivals": holm,
        NOW: lambda d: eased(d, 0.05),
        "7 % below": lambda d: eased(d, 0.07),
        "10 % below": lambda d: eased(d, 0.1),
        f"{NOW}, every fold run": lambda d: {k: deciding(g) for k, g in d.full.items()},
    }
    found = {name: [claim(d, rule(d)) for d in some] for name, rule in rules.items()}
    sure = np.zeros(len(some))
    for name in SETS:
        here = np.array([d.set == name for d in some])
        if here.any():
            prior = learnt([d for d in some if d.set != name])
            sure[here] = shrunk([d for d in some if d.set == name], prior)[1]
    for least in (0.95, 0.9):
        found[f"prior of the other sets, {100 * least:.0f} % sure"] = [
            ("helps", d.margin > 0) if p >= least else claim(d, eased(d, 0.05))
            for d, p in zip(some, sure, strict=True)
        ]
    return found


def told(some: Sequence[Draw], said: Sequence[Claim]) -> dict[str, int]:
    """How often a rule claims, how often it is right, and how often it is silent."""
    ahead = [word for d, (word, _) in zip(some, said, strict=True) if d.margin > 0.02]
    found = {"draws": len(some), "ahead": len(ahead), "silent": sum(word != "helps" for word in ahead)}
    for outcome in ("helps", "hurts"):
        right = [agreed for word, agreed in said if word == outcome]
        found |= {outcome: len(right), f"{outcome} right": sum(right)}
    return found


def shipped(gains: Gains, need: float) -> str:
    """The arm that ships: a baseline that stands before the probe by more than `need` standard errors, one
    that trains by more than one; and whatever is better beyond the interval."""
    chosen, least = "probe", 0.0
    for name in ("pixels", "majority"):
        if gains[name].gain < min(least, -need * gains[name].error):
            chosen, least = name, gains[name].gain
    if gains["scratch"].gain - least < -gains["scratch"].error:
        chosen = "scratch"
    worse = {name: g.gain for name, g in gains.items() if g.high < 0}
    return min(worse, key=lambda name: worse[name]) if worse and chosen == "probe" else chosen


def lost(some: Sequence[Draw], rule: Callable[[Draw], str]) -> float:
    """Mean points by which the arm that a rule ships is behind the best on the items not drawn."""
    behind = []
    for d in some:
        gain = {"probe": 0.0, **{name: -value for name, value in d.truth.items()}}
        best = max(value for name, value in gain.items() if name != "random-frozen")
        behind.append(max(0.0, best - gain[rule(d)]))
    return 100 * float(np.mean(behind))


def report(some: Sequence[Draw]) -> dict[str, Any]:
    """Everything that is told of the draws; prints it as Markdown tables."""
    said = outcomes(some)
    parts: dict[str, Callable[[Draw], bool]] = {
        "all": lambda d: d.n > 0,
        "real sources": lambda d: d.source in REAL,
        "sources worth nothing": lambda d: d.source not in REAL,
        **{f"{n} labels": lambda d, n=n: d.n == n for n in SIZES},  # type: ignore[misc]
        **{name: lambda d, name=name: d.set == name for name in SETS},  # type: ignore[misc]
    }
    rules, choices = {}, {}
    for part, among in parts.items():
        rows = [i for i, d in enumerate(some) if among(d)]
        here = [some[i] for i in rows]
        if not here:
            continue
        rules[part] = {name: told(here, [words[i] for i in rows]) for name, words in said.items()}
        choices[part] = {
            "by place": lost(here, lambda d: shipped(d.gains, 0.0)),
            "by one standard error": lost(
                here, lambda d: shipped({k: deciding(g) for k, g in d.gains.items()}, 1.0)
            ),
        }
        print(f"\n{part}: {len(here)} draws, {rules[part][NOW]['ahead']} ahead by two points")
        print("| rule | helps | right | hurts | right | silent |\n|---|---|---|---|---|---|")
        for name, row in rules[part].items():
            sure = wilson(row["helps right"], row["helps"])
            print(
                f"| {name} | {row['helps']} | {100 * row['helps right'] / max(1, row['helps']):.1f} % "
                f"[{100 * sure.low:.0f}, {100 * sure.high:.0f}] | {row['hurts']} "
                f"| {100 * row['hurts right'] / max(1, row['hurts']):.1f} % | {row['silent']} |"
            )
        print("behind the best arm, points:", {k: round(v, 2) for k, v in choices[part].items()}, flush=True)
    return {"rules": rules, "behind": choices}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--shared", type=Path, required=True, help="folder with data/ and weights/")
    parser.add_argument("--draws", type=int, default=20)
    options = parser.parse_args()
    nets = {name: sources.load(f"bundled/{name}") for name in ("strokes", "textures")}
    nets["MobileNetV1 0.25"] = sources.load(f"file:{options.shared / 'weights' / 'imagenet' / IMAGENET}")
    for name in [*nets]:
        nets |= {f"{name}, random {seed}": nets[name].fresh(seed) for seed in (0, 1)}
    found: list[Draw] = []
    with tempfile.TemporaryDirectory() as scratch:
        os.environ["HEADSTART_CACHE"] = str(Path(scratch) / "cache")
        for name, read in SETS.items():
            items = read(options.shared / "data", Path(scratch) / name)
            some = np.random.default_rng(0).permutation(len(items))[:MOST]
            items = items.subset(np.sort(some))
            assert items.y is not None
            found += draws(name, items.y, features(items, nets), options.draws)
            print(f"{name}: {len(found)} draws", flush=True)
    versions, machine = environment.versions(), environment.machine()
    content = {"draws": options.draws, **report(found), "versions": versions, "machine": machine}
    RESULTS.parent.mkdir(exist_ok=True)
    write_json(RESULTS, content)


if __name__ == "__main__":
    main()

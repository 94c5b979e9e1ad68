"""What needs no source at all: the constant answer, and a simple model on raw pixels."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from headstart import modalities, tasks
from headstart.core.evidence import Cost
from headstart.core.features import FeatureSpec
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial, arm_name
from headstart.measure.partition import drawn
from headstart.measure.spectral import fit_scaling
from headstart.modalities.image import PLAIN, STORED
from headstart.strategies.linear import _taps
from headstart.strategies.linear._ridge import group_numbers, ridge_targets
from headstart.strategies.shared._folds import run_folds
from headstart.tasks.base.fits import Linear

SIDE = 16
"""Side of the images the model sees: areas of the stored ones, averaged."""
LANDMARKS = 500
"""Most images that others are compared with."""
FAR = 1e6
"""Standard deviation given to pixels that never vary: they count for nothing."""


class Majority:
    """The best constant: class shares, label shares, or the median."""

    name = "majority"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """Nothing to speak of."""
        return Cost(seconds=0.1)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`."""
        methods = tasks.for_task(request.task)

        def fit_fold(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ARG001
            y = request.dataset.targets[fold.train]
            constant = methods.activate(methods.constant(y, request.task.outputs)[None])
            return constant.repeat(len(fold.test), axis=0), {}

        trial = run_folds(replace(request, backbone=None), arm_name(self.name, None), fit_fold)
        return replace(trial, choices={}, reason=trial.reason or "the same answer for every item")

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "constant"."""
        y = request.dataset.targets[request.split.development]
        bias = tasks.for_task(request.task).constant(y, request.task.outputs)
        reads = modalities.get(request.dataset.modality).PLAIN
        return Model(request.task, reads, {"kind": "constant"}, {"head.bias": bias.astype(np.float32)})


class Pixels:
    """A linear model on small images, or on their Gaussian similarities to some of them.

    Which of the two is decided inside each fold, by the leave-one-out error of ridge regression on
    its training rows. The similarities are those of a Gaussian process by its landmarks (Williams and
    Seeger, NIPS 2000) with a width by the median distance.
    """

    name = "pixels"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """Decoding once, and a linear model a fold."""
        return decoded_cost(request, 0.003)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds the "map" of most folds and that of each."""
        request = replace(request, backbone=None)
        x, methods = _small_images(request), tasks.for_task(request.task)

        def fit_fold(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ARG001
            chosen = choose_map(request, x, fold.train)
            linear = fit_linear(request, chosen.apply(x[fold.train]), fold.train, rough=True)
            predictions = methods.activate(linear.logits(chosen.apply(x[fold.test])))
            return predictions, {"map": chosen.name, "C": linear.penalty}

        trial = run_folds(request, arm_name(self.name, None), fit_fold)
        votes = Counter(fold["map"] for fold in trial.choices["folds"])
        best = votes.most_common(1)[0][0]
        reason = trial.reason or f"{WORDS[best]} on {SIDE} x {SIDE} pixels"
        return replace(trial, choices={"map": best, **trial.choices}, reason=reason)

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "pixels", with the map of most folds."""
        x, rows = _small_images(request), request.split.development
        chosen = make_map(str(trial.choices["map"]), x[rows], seed=request.seed)
        linear = fit_linear(request, chosen.apply(x[rows]), rows)
        net: dict[str, Any] = {"kind": "pixels", "side": SIDE, "map": chosen.name}
        tensors = {
            "pixels.mean": chosen.mean,
            "pixels.sd": chosen.sd,
            "head.weight": linear.weight,
            "head.bias": linear.bias,
        }
        if chosen.landmarks is not None:
            net["gamma"] = chosen.gamma
            tensors["landmarks"] = chosen.landmarks
        return Model(request.task, PLAIN, net, {k: v.astype(np.float32) for k, v in tensors.items()})


def decoded_cost(request: Request, seconds: float) -> Cost:
    """So many seconds an item for decoding it once, and a linear model a fold."""
    rows = len(request.split.folds[0].train) if request.split.folds else 0
    fold = 0.05 + 5e-5 * rows * min(20, request.task.outputs)
    return Cost(seconds=seconds * len(request.dataset) + fold * (len(request.split.folds) + 1))


WORDS = {"linear": "a linear model", "rbf": "Gaussian similarities"}


@dataclass(frozen=True)
class PixelMap:
    """From small images to features."""

    name: str
    mean: np.ndarray = field(repr=False)
    sd: np.ndarray = field(repr=False)
    landmarks: np.ndarray | None = field(default=None, repr=False)
    """float64 `[m, D]`, standardised."""
    gamma: float = 0.0

    def apply(self, x: np.ndarray) -> np.ndarray:
        """float64 `[N, D]` -> `[N, D]` standardised, or `[N, m]` similarities in (0, 1]."""
        standard = (x - self.mean) / self.sd
        if self.landmarks is None:
            return standard
        return np.exp(-self.gamma * _squared_distances(standard, self.landmarks))


def make_map(name: str, x: np.ndarray, *, seed: int) -> PixelMap:
    """The map of that name, fitted to training images `[N, D]`; their labels are not looked at."""
    scaling = fit_scaling(x)
    sd = np.divide(1.0, scaling.factor, out=np.full_like(scaling.factor, FAR), where=scaling.factor > 0)
    if name == "linear":
        return PixelMap(name, scaling.mean, sd)
    standard = (x - scaling.mean) / sd
    picked = drawn(len(x), LANDMARKS, seed=seed)
    marks = standard[picked]
    between = _squared_distances(marks, marks)[np.triu_indices(len(marks), 1)]
    middle = float(np.median(between)) if len(between) else 0.0
    return PixelMap(name, scaling.mean, sd, marks, 1.0 / middle if middle > 0 else 1.0)


def choose_map(request: Request, x: np.ndarray, rows: np.ndarray) -> PixelMap:
    """The map with the smaller leave-one-out error on these rows; the linear one on a tie."""
    maps = {name: make_map(name, x[rows], seed=request.seed) for name in WORDS}
    some = drawn(len(rows), _taps.SELECTION_ROWS, seed=request.seed)
    looked = rows[some]
    blocks = _taps.Blocks.of({name: made.apply(x[looked]) for name, made in maps.items()}, looked)
    wanted = ridge_targets(request, looked)
    errors = _taps.profile(blocks, wanted, group_numbers(request, looked))
    return maps[min(maps, key=lambda name: errors[name].mse)]


def _squared_distances(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """float64 `[N, m]`; their products in single precision, which changes a similarity by 1e-6 at most."""
    square = (a.astype(np.float32) @ b.astype(np.float32).T).astype(np.float64)
    square *= -2.0
    square += np.einsum("nd,nd->n", a, a)[:, None]
    square += np.einsum("nd,nd->n", b, b)
    return np.maximum(square, 0.0, out=square)


def _small_images(request: Request) -> np.ndarray:
    """float64 `[N, 3 * SIDE**2]` in [0, 1]: the stored images, areas averaged."""
    stored = request.features(None, FeatureSpec(inputs=STORED)).inputs()
    step = STORED // SIDE
    out = np.empty((len(stored), 3 * SIDE * SIDE))
    for start in range(0, len(stored), 1024):
        part = np.asarray(stored[np.arange(start, min(start + 1024, len(stored)))], np.float64)
        cells = part.reshape(len(part), 3, SIDE, step, SIDE, step).mean(axis=(3, 5))
        out[start : start + len(part)] = cells.reshape(len(part), -1) / 255.0
    return out


def fit_linear(request: Request, features: np.ndarray, rows: np.ndarray, *, rough: bool = False) -> Linear:
    """The linear model of features `[len(rows), D]` of these rows; `rough` as in `tasks.base.Fit`."""
    methods, y = tasks.for_task(request.task), request.dataset.targets[rows]
    return methods.fit_linear(
        features,
        y,
        outputs=request.task.outputs,
        groups=group_numbers(request, rows),
        seed=request.seed,
        weights=methods.weights(request.task, y),
        rough=rough,
    )

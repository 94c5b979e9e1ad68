"""The linear probe: several taps of a frozen network, side by side, under one linear model.

Which taps is decided inside each fold, by the leave-one-out error of ridge regression on its
training rows (see `_taps`); the linear model is that of the task, its penalty chosen by grouped
cross-validation on the same rows. Nothing here runs the trunk: everything is read from the store.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.backbone import Backbone
from headstart.core.evidence import Cost
from headstart.core.features import Features, FeatureSpec, Tap
from headstart.core.model import Model
from headstart.core.split import Fold, Split
from headstart.core.strategy import Request, Trial
from headstart.core.task import Task
from headstart.measure import threads
from headstart.measure.partition import blind_sample
from headstart.strategies.linear import _taps
from headstart.strategies.linear._ridge import group_numbers, ridge_targets, silenced
from headstart.strategies.shared._folds import run_folds
from headstart.strategies.shared._shipping import taps_model
from headstart.tasks.base.fits import Linear

VIEWS = 0
"""Augmented views a probe trains on unless it is told. Each costs a pass. Measured: 0 to half a point on
photos with ImageNet networks; on handwriting with a small network 3 points, but 6 lost when mirrored."""


WIDE = 1_000
"""Columns that a linear model is taken to have."""
AT_ONCE = 4_096
"""Rows that are read from the store at a time to be answered."""


class Probe:
    """Linear model on the taps that are worth it."""

    name = "probe"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """A pass for the items and one for each view; the closed forms by rows, taps and folds."""
        passes = 1.0 + views(request)
        return Cost(passes, passes * seconds_per_pass + closed_form_seconds(request))

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds "taps", "views", "profile" (by tap: "mse" with its
        standard error "mse_error", and "accuracy" for classes, leave-one-out on the development rows)
        and what each fold chose."""
        return fit(request, request.network, request.arm(self.name))

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "taps"."""
        return refit(request, request.network, trial)

    def stored_answers(self, request: Request, model: Model, rows: np.ndarray) -> np.ndarray:
        """See `core.strategy.FromStore`."""
        return stored_answers(request, request.network, model, rows)


class EarlyProbe(Probe):
    """The same on taps of the first half of the network alone: later ones belong to the source's own task."""

    name = "early-probe"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """The closed forms: the pass was made for the probe."""
        return Cost(0.0, closed_form_seconds(request))

    def fit(self, request: Request) -> Trial:
        """See `Strategy`, and `Probe.fit`."""
        backbone = request.network
        names = [stage.name for stage in backbone.stages]
        first = set(names[: max(1, len(names) // 2)])
        taps = tuple(tap for tap in backbone.taps() if tap.stage in first)
        return fit(request, backbone, request.arm(self.name), taps)


class RandomFrozen(Probe):
    """The same probe on the same architecture with random weights: what the learned weights add."""

    name = "random-frozen"

    def fit(self, request: Request) -> Trial:
        """See `Strategy`, and `Probe.fit`."""
        return fit(request, _random(request), request.arm(self.name))

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "taps"; it owes nothing to the source's weights."""
        return replace(refit(request, _random(request), trial), source={})

    def stored_answers(self, request: Request, model: Model, rows: np.ndarray) -> np.ndarray:
        """See `core.strategy.FromStore`."""
        return stored_answers(request, _random(request), model, rows)


def _random(request: Request) -> Backbone:
    return request.network.fresh(request.seed)


def views(request: Request) -> int:
    """Augmented views of each item to train on."""
    if request.settings.augment == "none":
        return 0
    return VIEWS if request.settings.views is None else request.settings.views


BESIDES = 1.35
"""What a probe of 244 photos took, against its closed forms alone: it reads what is stored, and profiles."""


def closed_form_seconds(request: Request) -> float:
    """A rough time for choosing taps and fitting linear models, on one core."""
    rows = len(request.split.folds[0].train) if request.split.folds else 0
    taps = len(request.network.taps()) if request.backbone is not None else 1
    small = min(rows, _taps.SELECTION_ROWS)
    selection = (taps + 12) * (2e-4 + 4e-11 * small**3)
    seen = rows * (1 + views(request))
    fitting = 0.01 + 4e-5 * seen + 2e-8 * seen * min(seen, WIDE) * request.task.outputs
    return BESIDES * (len(request.split.folds) + 1) * (selection + fitting)


@dataclass(frozen=True)
class Reading:
    """Stored features of the development rows, and what tap selection needs of them."""

    request: Request
    backbone: Backbone
    features: Features
    views: int
    blocks: _taps.Blocks = field(repr=False)
    usual: str = ""
    """The tap that has to be beaten; empty: the embedding."""

    def matrix(self, taps: tuple[Tap, ...], rows: np.ndarray) -> np.ndarray:
        """float32 `[len(rows), D]`: the taps side by side, of the items as they are."""
        return np.concatenate([_block(self.features, tap, rows) for tap in taps], axis=1)

    def with_views(self, tap: Tap, rows: np.ndarray) -> np.ndarray:
        """float32 `[(1 + views) * len(rows), D]`: the items, then each of their views."""
        return np.concatenate([_block(self.features, tap, rows, view) for view in range(self.views + 1)])

    def choose(self, rows: np.ndarray) -> tuple[Tap, ...]:
        """The taps for a model of these rows, by these rows alone."""
        part = self.blocks.among(rows)
        wanted, groups = ridge_targets(self.request, part.rows), group_numbers(self.request, part.rows)
        chosen = _taps.choose(part, wanted, groups, usual=self.usual or str(self.backbone.embedding))
        return tuple(Tap.parse(name) for name in chosen.names)

    def fit(self, taps: tuple[Tap, ...], rows: np.ndarray, *, rough: bool = False) -> Linear:
        """The task's linear model on the rows and their views; `rough` as in `tasks.base.Fit`."""
        x = np.concatenate([silenced(self.with_views(tap, rows)) for tap in taps], axis=1)
        several = group_numbers(self.request, rows) is not None or self.views > 0
        methods, weights = tasks.for_task(self.request.task), self.request.weights
        y = self.request.dataset.targets[rows]
        own = methods.weights(self.request.task, y) if weights is None else weights[rows]
        return methods.fit_linear(
            x,
            np.concatenate([y] * (self.views + 1)),
            outputs=self.request.task.outputs,
            groups=np.tile(self.request.split.groups[rows], self.views + 1) if several else None,
            seed=self.request.seed,
            weights=None if own is None else np.tile(own, self.views + 1),
            rough=rough,
        )

    def profile(self) -> dict[str, dict[str, float]]:
        """By tap: how well it does by itself, leave-one-out on the development rows.

        Accuracy is left out where there are so many classes that the targets were projected.
        """
        rows = self.blocks.rows
        wanted = ridge_targets(self.request, rows)
        groups = group_numbers(self.request, rows)
        table = {}
        tilt, methods = left_out_tilt(wanted, groups), tasks.for_task(self.request.task)
        for name, errors in _taps.profile(self.blocks, wanted, groups).items():
            table[name] = {"mse": errors.mse, "mse_error": errors.standard_error(groups)}
            if methods.exclusive and wanted.shape[1] == self.request.task.outputs:
                right = (errors.predictions + tilt).argmax(axis=1) == self.request.dataset.targets[rows]
                table[name]["accuracy"] = float(np.mean(right))
        return table


def left_out_tilt(targets: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """float64 `[n, K]`: the mean of all targets minus that of all but the row (and its group).

    Without its own rows a class is a little rarer than the others: on equal classes a tap that knows
    nothing would always vote for another one, and be far below chance.
    """
    n = len(targets)
    unit = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    size = np.bincount(unit)[unit][:, None]
    own = np.zeros((int(unit.max()) + 1, targets.shape[1]))
    np.add.at(own, unit, targets)
    mean = targets.mean(axis=0)
    left = (n * mean - own[unit]) / np.maximum(n - size, 1)
    return np.asarray(mean - left)


def _block(features: Features, tap: Tap, rows: np.ndarray, view: int = 0) -> np.ndarray:
    """float32 `[len(rows), D]`"""
    return np.asarray(features.tap(tap, view)[rows], np.float32)


def selection_rows(split: Split, seed: int) -> np.ndarray:
    """Development rows that tap selection looks at, in increasing order; drawn blindly, whole groups
    together, when there are too many."""
    most = round(_taps.SELECTION_ROWS * len(split.development) / max(1, len(split.folds[0].train)))
    return blind_sample(split, most, seed=seed)


def read(request: Request, backbone: Backbone, only: tuple[Tap, ...] = ()) -> Reading:
    """Have the pass store what is missing, and prepare the choice among all taps, or `only` these."""
    taps = only or tuple(dict.fromkeys((*backbone.taps(), backbone.embedding)))
    count = views(request)
    features = request.features(backbone, spec(request, taps, count))
    rows = selection_rows(request.split, request.seed)
    found: dict[str, np.ndarray] = {}
    for tap in reversed(taps):  # what is there twice (the last map's mean, the embedding) counts once
        block = silenced(_block(features, tap, rows))
        if not any(_same(block, other) for other in found.values()):
            found[str(tap)] = block
    blocks = _taps.Blocks.of({str(tap): found[str(tap)] for tap in taps if str(tap) in found}, rows)
    return Reading(request, backbone, features, count, blocks, str(only[-1]) if only else "")


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    return a.shape == b.shape and bool(np.abs(a - b).max(initial=0) <= 2e-3 * np.abs(a).max(initial=0))


def spec(request: Request, taps: tuple[Tap, ...], count: int) -> FeatureSpec:
    """What the pass stores for a probe on these taps with so many views."""
    usual = FeatureSpec(taps=taps, views=count)
    return replace(usual, view_kind=request.settings.augment) if request.settings.augment else usual


def fit(request: Request, backbone: Backbone, arm: str, only: tuple[Tap, ...] = ()) -> Trial:
    """The trial of a probe on a backbone, on all its taps or `only` these."""
    request = replace(request, backbone=backbone)
    reading = read(request, backbone, only)
    methods = tasks.for_task(request.task)

    def fit_fold(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ARG001
        own = replace(reading, request=request)
        taps = own.choose(fold.train)
        linear = own.fit(taps, fold.train, rough=True)
        predictions = methods.activate(linear.logits(own.matrix(taps, fold.test).astype(np.float64)))
        return predictions, {"taps": [str(tap) for tap in taps], **linear.choices}

    before = Cost(reading.features.forward_passes, reading.features.seconds)
    about = "|".join((str(_taps.Rules()), *map(str, only)))
    trial = run_folds(request, arm, fit_fold, before=before, about=about)
    with threads.suited_to(len(request.split.development)):
        taps, profile = reading.choose(request.split.development), reading.profile()
    often = Counter(tap for fold in trial.choices["folds"] for tap in fold["taps"])
    choices = {
        "taps": [str(tap) for tap in taps],
        "views": reading.views,
        "profile": profile,
        "chosen_by_folds": dict(often.most_common()),
        **trial.choices,
    }
    seen = f", {reading.views} views" if reading.views else ""
    return replace(trial, choices=choices, reason=trial.reason or f"reads {' + '.join(map(str, taps))}{seen}")


def at_penalty(task: Task, features: np.ndarray, y: np.ndarray, penalty: float, *, seed: int = 0) -> Linear:
    """The probe's linear model of a fold, on features `[N, D]` that have been read, at a given penalty."""
    methods = tasks.for_task(task)
    return methods.fit_linear(
        silenced(features),
        y,
        outputs=task.outputs,
        penalties=[penalty],
        seed=seed,
        weights=methods.weights(task, y),
        rough=True,
    )


def refit(request: Request, backbone: Backbone, trial: Trial) -> Model:
    """The probe on all development rows, on the taps of the trial."""
    request = replace(request, backbone=backbone)
    taps = tuple(Tap.parse(name) for name in trial.choices["taps"])
    count = int(trial.choices["views"])
    features = request.features(backbone, spec(request, taps, count))
    none = np.zeros(0, np.int64)
    nothing = _taps.Blocks(none, none, {}, {})
    reading = Reading(request, backbone, features, count, nothing)
    linear = reading.fit(taps, request.split.development)
    return taps_model(request.task, backbone, taps, linear.weight, linear.bias)


def stored_answers(request: Request, backbone: Backbone, model: Model, rows: np.ndarray) -> np.ndarray:
    """float32 `[n, K]`: what a model that `refit` made says of rows, from what is stored of them."""
    taps = tuple(Tap.parse(name) for name in model.net["taps"])
    features, methods = request.features(backbone, spec(request, taps, 0)), tasks.for_task(model.task)
    weight, bias = (model.tensors[f"head.{name}"].astype(np.float64) for name in ("weight", "bias"))
    found = []
    for start in range(0, len(rows), AT_ONCE):
        some = rows[start : start + AT_ONCE]
        x = np.concatenate([_block(features, tap, some) for tap in taps], axis=1)
        logits = (x @ weight.T + bias) / model.tensors.get("temperature", 1.0)
        found.append(np.asarray(methods.activate(logits), np.float32))
    return np.concatenate(found)

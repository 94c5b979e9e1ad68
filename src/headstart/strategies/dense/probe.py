"""The probe for maps: ridge regression of every pixel on several taps of a frozen network, closed form.

Its maps are stored by the one pass; nothing here runs the trunk. A linear model and bilinear scaling can be
exchanged: it is fitted on places between the cells of each map, and applied to every map at its own size,
whose scores are scaled and added.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.backbone import Backbone
from headstart.core.evidence import Cost
from headstart.core.features import Features, FeatureSpec, Tap
from headstart.core.maps import LabelMap
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.strategies.dense import _ridge
from headstart.strategies.dense._sizes import extent
from headstart.strategies.dense.baselines import picked
from headstart.strategies.shared import _shipping
from headstart.strategies.shared._folds import run_folds

MOST_CHANNELS = 384
"""Of one tap in the closed form; more are projected onto as many random directions, which the head undoes."""


class Probe:
    """Ridge regression on maps."""

    name = "probe"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """A pass, and a closed form a fold."""
        folds = request.split.folds
        width = sum(
            min(MOST_CHANNELS, depth)
            for depth in (_shape(request.network, t)[0] for t in _taps(request.network))
        )
        fit = 0.3 + 1e-10 * _ridge.MOST_PLACES * width**2 + 2e-8 * width**3
        tested = sum(len(fold.test) for fold in folds)
        return Cost(1.0, seconds_per_pass + (len(folds) + 1) * fit + 0.025 * tested)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds "taps", and the "penalty" of each fold."""
        return fit(request, request.network, request.arm(self.name))

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "maps"."""
        return refit(request, request.network)


class RandomFrozen(Probe):
    """The same on the same architecture with random weights: what the learned weights add."""

    name = "random-frozen"

    def fit(self, request: Request) -> Trial:
        """See `Strategy`."""
        return fit(request, request.network.fresh(request.seed), request.arm(self.name))

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "maps"; it owes nothing to the source's weights."""
        return replace(refit(request, request.network.fresh(request.seed)), source={})


Learner = Callable[[np.ndarray, np.ndarray], Iterator[LabelMap]]
"""(training rows, test rows) -> the map of each test row."""


def learner(request: Request) -> Learner:
    """The closed form on the request's network, for any rows."""
    reader = _Reader.of(request, request.network)
    methods: Any = tasks.for_task(request.task)

    def learnt(train: np.ndarray, test: np.ndarray) -> Iterator[LabelMap]:
        linear = reader.linear(request.view(train), train)
        for row in test.tolist():
            yield LabelMap.of(methods.placed(reader.scores(linear, row), extent(request.dataset, row)))

    return learnt


def fit(request: Request, backbone: Backbone, arm: str) -> Trial:
    """Out-of-fold maps."""
    reader = _Reader.of(request, backbone)
    methods: Any = tasks.for_task(request.task)

    def fit_fold(request: Request, fold: Fold, _: int) -> tuple[Any, dict[str, Any]]:
        linear = reader.linear(request, fold.train)
        maps = (
            LabelMap.of(methods.placed(reader.scores(linear, row), extent(request.dataset, row)))
            for row in fold.test.tolist()
        )
        return maps, {"penalty": linear.penalty}

    trial = run_folds(request, arm, fit_fold)
    names = [str(tap) for tap in reader.taps]
    reason = trial.reason or f"closed form on {len(names)} maps of {reader.sizes}"
    return replace(
        trial,
        cost=trial.cost
        + Cost(forward_passes=reader.features.forward_passes, seconds=reader.features.seconds),
        choices={**trial.choices, "taps": names},
        reason=reason,
        digest=backbone.digest,
    )


def refit(request: Request, backbone: Backbone) -> Model:
    """The model of all development rows."""
    reader = _Reader.of(request, backbone)
    linear = reader.linear(request, request.split.development)
    net = {
        "kind": "maps",
        "architecture": dict(backbone.source.architecture),
        "taps": [str(tap) for tap in reader.taps],
    }
    tensors = {
        **_shipping.state(backbone.module, "trunk"),
        "head.weight": linear.weight.astype(np.float32),
        "head.bias": linear.bias.astype(np.float32),
    }
    return Model(request.task, backbone.source.input, net, tensors, source=_shipping.origin(backbone))


def _taps(backbone: Backbone) -> tuple[Tap, ...]:
    return tuple(tap for tap in backbone.taps() if tap.grid == "map")


def _shape(backbone: Any, tap: Tap) -> tuple[int, int, int]:
    found: tuple[int, int, int] = backbone.map_shape(tap)
    return found


@dataclass(frozen=True)
class _Reader:
    """The stored maps of one source."""

    features: Features
    taps: tuple[Tap, ...]
    shapes: tuple[tuple[int, int, int], ...]
    """(channels, height, width) of each."""
    turns: tuple[np.ndarray | None, ...] = field(repr=False)
    """float32 `[C, MOST_CHANNELS]` of those that are projected."""
    drawn: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)
    """By row, what was drawn of it: features float16 `[P, D]` and classes. At most `_ridge.MOST_PLACES`."""

    @classmethod
    def of(cls, request: Request, backbone: Backbone) -> _Reader:
        taps = _taps(backbone)
        features = request.features(backbone, FeatureSpec(taps=backbone.taps()))
        shapes = tuple(_shape(backbone, tap) for tap in taps)
        rng = np.random.default_rng(request.seed)
        turns = tuple(
            np.linalg.qr(rng.normal(size=(depth, MOST_CHANNELS)))[0].astype(np.float32)
            if depth > MOST_CHANNELS
            else None
            for depth, _, _ in shapes
        )
        return cls(features, taps, shapes, turns)

    @property
    def sizes(self) -> str:
        """Of the maps, in words."""
        return ", ".join(f"{width} x {height}" for _, height, width in self.shapes)

    def maps(self, row: int) -> list[np.ndarray]:
        """float16 `[C, h, w]` of each tap."""
        at = np.array([row])
        return [
            self.features.tap(tap)[at][0].reshape(shape)
            for tap, shape in zip(self.taps, self.shapes, strict=True)
        ]

    def linear(self, request: Request, rows: np.ndarray) -> _ridge.Fitted:
        """Fitted to the masks of some rows, on the taps as they are."""
        masks = request.dataset.targets[rows]
        for place, row in enumerate(rows.tolist()):
            if row not in self.drawn:
                rng = np.random.default_rng([request.seed, row])
                points = _ridge.draw(masks[place], len(request.split.development), rng)
                columns = [
                    part if turn is None else part.astype(np.float32) @ turn
                    for part, turn in zip(
                        (picked(m, points.at) for m in self.maps(row)), self.turns, strict=True
                    )
                ]
                x = np.concatenate(columns, axis=1).astype(np.float16)
                self.drawn[row] = (x, points.classes)
        x, classes = zip(*(self.drawn[row] for row in rows.tolist()), strict=True)
        found = _ridge.fit(x, classes, request.task.outputs)
        weights, start = [], 0
        for (depth, _, _), turn in zip(self.shapes, self.turns, strict=True):
            width = depth if turn is None else turn.shape[1]
            part = found.weight[:, start : start + width]
            weights.append(part if turn is None else part @ turn.T)
            start += width
        return replace(found, weight=np.concatenate(weights, axis=1))

    def scores(self, linear: _ridge.Fitted, row: int) -> np.ndarray:
        """float32 `[K, h, w]` at the size of the finest map."""
        import torch

        from headstart.nets.maps import added

        with torch.inference_mode():
            maps = [torch.from_numpy(one)[None].float() for one in self.maps(row)]
            weight, bias = (torch.from_numpy(a.astype(np.float32)) for a in (linear.weight, linear.bias))
            found: np.ndarray = added(maps, weight, bias)[0].numpy()
        return found

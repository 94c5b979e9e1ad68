"""The probe for maps: ridge regression of every pixel on several taps of a frozen network, closed form.

Its maps are stored by the one pass; nothing here runs the trunk. A linear model and bilinear scaling can be
exchanged: it is fitted on places between the cells of each map, and applied to every map at its own size,
whose scores are scaled and added.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar

import numpy as np

from headstart import tasks
from headstart.core.backbone import Backbone
from headstart.core.evidence import Cost
from headstart.core.features import FeatureSpec, Tap
from headstart.core.maps import LabelMap
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Learnt, Request, Trial
from headstart.strategies.dense import _ridge
from headstart.strategies.dense._sizes import extent
from headstart.strategies.dense._stored import Stored
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
        network: Any = request.network
        width = sum(min(MOST_CHANNELS, network.map_shape(tap)[0]) for tap in _taps(network))
        fit = 0.3 + 1e-10 * _ridge.MOST_PLACES * width**2 + 2e-8 * width**3
        tested = sum(len(fold.test) for fold in folds)
        return Cost(1.0, seconds_per_pass + (len(folds) + 1) * fit + 0.025 * tested)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds "taps", and the "penalty" of each fold."""
        return fit(request, request.network, request.arm(self.name))

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "maps"."""
        return refit(request, request.network)

    def closed(self, request: Request) -> Learnt:
        """See `core.strategy.Maps`."""
        return Reader.of(request, request.network)


class RandomFrozen(Probe):
    """The same on the same architecture with random weights: what the learned weights add."""

    name = "random-frozen"

    def fit(self, request: Request) -> Trial:
        """See `Strategy`."""
        return fit(request, request.network.fresh(request.seed), request.arm(self.name))

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "maps"; it owes nothing to the source's weights."""
        return replace(refit(request, request.network.fresh(request.seed)), source={})


def fit(request: Request, backbone: Backbone, arm: str) -> Trial:
    """Out-of-fold maps."""
    reader = Reader.of(request, backbone)

    def fit_fold(request: Request, fold: Fold, _: int) -> tuple[Any, dict[str, Any]]:
        linear = reader.linear(request, fold.train)
        return reader.said(request, linear, fold.test), {"penalty": linear.penalty}

    stored = reader.stored
    reason = f"closed form on {len(stored.taps)} maps of {stored.sizes}"
    return stored.told(run_folds(request, arm, fit_fold), reason)


def refit(request: Request, backbone: Backbone) -> Model:
    """The model of all development rows."""
    reader = Reader.of(request, backbone)
    linear = reader.linear(request, request.split.development)
    tensors = {
        **_shipping.state(backbone.module, "trunk"),
        "head.weight": linear.weight.astype(np.float32),
        "head.bias": linear.bias.astype(np.float32),
    }
    net = {"kind": "maps", **reader.stored.net}
    return Model(request.task, backbone.source.input, net, tensors, source=_shipping.origin(backbone))


def _taps(backbone: Backbone) -> tuple[Tap, ...]:
    return tuple(tap for tap in backbone.taps() if tap.grid == "map")


def turned(shapes: Sequence[tuple[int, int, int]], seed: int) -> tuple[np.ndarray | None, ...]:
    """float32 `[C, MOST_CHANNELS]` for each map that is too deep for the closed form."""
    rng = np.random.default_rng(seed)
    return tuple(
        np.linalg.qr(rng.normal(size=(depth, MOST_CHANNELS)))[0].astype(np.float32)
        if depth > MOST_CHANNELS
        else None
        for depth, _, _ in shapes
    )


def columns(maps: Sequence[np.ndarray], at: np.ndarray, turns: Sequence[np.ndarray | None]) -> np.ndarray:
    """float16 `[P, D]`: maps float32 `[C, h, w]` at places float32 `[P, 2]` (`baselines.picked`)."""
    parts = [
        part if turn is None else part.astype(np.float32) @ turn
        for part, turn in zip((picked(one, at) for one in maps), turns, strict=True)
    ]
    return np.concatenate(parts, axis=1).astype(np.float16)


@dataclass(frozen=True)
class Reader:
    """The stored maps of one source, and models of them (`core.strategy.Learnt`)."""

    request: Request
    stored: Stored
    turns: tuple[np.ndarray | None, ...] = field(repr=False)
    """Of those that are projected."""
    drawn: dict[int, tuple[np.ndarray, np.ndarray]] = field(default_factory=dict, repr=False)
    """By row, what was drawn of it: features float16 `[P, D]` and classes. At most `_ridge.MOST_PLACES`."""
    stand_in: ClassVar[str] = ""

    @classmethod
    def of(cls, request: Request, backbone: Backbone) -> Reader:
        stored = Stored.of(request, backbone, _taps(backbone), FeatureSpec(taps=backbone.taps()))
        return cls(request, stored, turned(stored.shapes, request.seed))

    def __call__(self, train: np.ndarray, test: np.ndarray) -> Iterator[LabelMap]:
        return self.said(self.request, self.linear(self.request.view(train), train), test)

    @property
    def taps(self) -> tuple[Tap, ...]:
        """What it reads."""
        return self.stored.taps

    def error(self) -> float:
        """Mean squared error on images left out."""
        rows = self.request.split.development
        return self.linear(self.request, rows).error

    def said(self, request: Request, linear: _ridge.Fitted, rows: np.ndarray) -> Iterator[LabelMap]:
        """The map of each row."""
        methods: Any = tasks.for_task(request.task)
        for row in rows.tolist():
            yield LabelMap.of(methods.placed(self.scores(linear, row), extent(request.dataset, row)))

    def maps(self, row: int) -> list[np.ndarray]:
        """float16 `[C, h, w]` of each tap."""
        return self.stored(row)

    def linear(self, request: Request, rows: np.ndarray) -> _ridge.Fitted:
        """Fitted to the masks of some rows, on the taps as they are."""
        masks = request.dataset.targets[rows]
        for place, row in enumerate(rows.tolist()):
            if row not in self.drawn:
                rng = np.random.default_rng([request.seed, row])
                points = _ridge.draw(masks[place], len(request.split.development), rng)
                self.drawn[row] = (columns(self.maps(row), points.at, self.turns), points.classes)
        x, classes = zip(*(self.drawn[row] for row in rows.tolist()), strict=True)
        found = _ridge.fit(x, classes, request.task.outputs)
        weights, start = [], 0
        for (depth, _, _), turn in zip(self.stored.shapes, self.turns, strict=True):
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

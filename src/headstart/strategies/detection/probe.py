"""The probe for boxes: a small convolutional head on stored maps of a frozen network, and of views of the
images. Nothing here runs the trunk."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from headstart import modalities
from headstart.core.backbone import Backbone
from headstart.core.evidence import Cost
from headstart.core.features import FeatureSpec, Tap
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Learnt, Request, Trial
from headstart.strategies.dense._stored import Stored
from headstart.strategies.detection import _closed, _settle
from headstart.strategies.shared import _shipping

FINEST = 8
"""Pixels of the input between two places of the largest map that is read."""
VIEW = "scene"
VIEWS, EACH = 1000, (3, 12)
"""Views of all images together, and of each at least and at most; of those to test on none is stored."""
FEWEST, STEPS, POWER = 360, 40.0, 0.65
"""Steps of a training on n images: STEPS * n**POWER, and at least so many. Twice as many were no better with
50 (blood cells, mAP50 .82 and .81)."""
FIRST = 3
"""Folds that are run at first: every other arm comes before the rest of them."""
STEP_SECONDS = 0.035


class Probe:
    """A head on maps."""

    name = "probe"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:
        """A pass over the images and their views, and a training a fold."""
        folds = request.split.folds[:FIRST]
        steps = sum(_steps(request, len(fold.train)) for fold in folds)
        steps += _steps(request, len(request.split.development))
        passes = 1.0 + _views(request) * len(request.split.development) / max(1, len(request.dataset))
        return Cost(passes, passes * seconds_per_pass + STEP_SECONDS * steps)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds "taps", "steps" of each fold, "thresholds" and "said"."""
        return fit(request, request.network, request.arm(self.name))

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "boxes"."""
        return refit(request, request.network, trial)

    def closed(self, request: Request) -> Learnt:
        """See `core.strategy.Maps`."""
        return _closed.Reader.of(request, request.network, taps_of(request.network), aim)


class RandomFrozen(Probe):
    """The same on the same architecture with random weights: what the learned weights add."""

    name = "random-frozen"

    def fit(self, request: Request) -> Trial:
        """See `Strategy`."""
        return fit(request, request.network.fresh(request.seed), request.arm(self.name))

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "boxes"; it owes nothing to the source's weights."""
        return replace(refit(request, request.network.fresh(request.seed), trial), source={})


def fit(request: Request, backbone: Backbone, arm: str) -> Trial:
    """Out-of-fold boxes of the first folds, or of as many as are asked for."""
    folds = min(max(FIRST, request.folds), len(request.split.folds))
    reader = Reader.of(request, backbone)

    def fit_fold(request: Request, fold: Fold, number: int) -> tuple[Any, dict[str, Any]]:  # noqa: ARG001
        head = reader.trained(request, fold.train)
        found = [reader.found(head, row) for row in fold.test.tolist()]
        return found, {"steps": _steps(request, len(fold.train))}

    maps, views = reader.maps, reader.maps.features.views
    reason = f"a head on {len(maps.taps)} maps of {maps.sizes}, {views} views of each image"
    return maps.told(_settle.run(request, arm, fit_fold, folds), reason)


def refit(request: Request, backbone: Backbone, trial: Trial) -> Model:
    """The model of all development rows."""
    reader = Reader.of(request, backbone)
    head = reader.trained(request, request.split.development)
    net = {"kind": "boxes", **reader.maps.net}
    tensors = {
        **_shipping.state(backbone.module, "trunk"),
        **_shipping.state(head, "head"),
        **_settle.of(trial.choices, request.task.outputs),
    }
    return Model(request.task, backbone.source.input, net, tensors, source=_shipping.origin(backbone))


def _steps(request: Request, images: int) -> int:
    from headstart.strategies.detection._train import BATCH

    epochs = request.settings.epochs
    if epochs is not None:
        return max(1, epochs * -(-images // BATCH))
    return steps(images)


def steps(images: int) -> int:
    """Aimed at with so many, whatever is trained: with the last layers twice as many gave 50 images of blood
    cells the same mAP50 (.85), and .465 mAP50:95 in place of .442."""
    return max(FEWEST, round(STEPS * images**POWER))


def _views(request: Request) -> int:
    if request.settings.views is not None:
        return request.settings.views
    return int(np.clip(VIEWS // max(1, len(request.dataset)), *EACH))


def taps_of(backbone: Any) -> tuple[Tap, ...]:
    """The maps that a head reads, the largest first."""
    height, _ = backbone.source.input.size
    known = [(tap, backbone.map_shape(tap)[1]) for tap in backbone.taps() if tap.grid == "map"]
    known.sort(key=lambda one: -one[1])
    coarse = [tap for tap, high in known if height / high >= 0.9 * FINEST]
    return tuple(coarse) or (known[-1][0],)


def aim(request: Request, row: int, size: tuple[int, int], view: int = 0) -> Any:
    """What is to be said of a view of a row on a map of that height and width."""
    from headstart.strategies.detection import _train

    room: Any = modalities.get(request.dataset.modality)
    frame = room.frame(view, VIEW, request.dataset.digests()[row])
    return _train.moved(request.dataset.targets[row], frame, request.task.outputs, size)


@dataclass(frozen=True)
class Reader:
    """The stored maps of one source."""

    maps: Stored
    """The largest first."""
    boxes: dict[tuple[int, int], Any] = field(default_factory=dict, repr=False)
    """By row and view, what is aimed at."""

    @classmethod
    def of(cls, request: Request, backbone: Any) -> Reader:
        taps = taps_of(backbone)
        viewed = tuple(request.split.development.tolist())
        spec = FeatureSpec(taps=taps, views=_views(request), view_kind=VIEW, viewed=viewed)
        return cls(Stored.of(request, backbone, taps, spec))

    def trained(self, request: Request, rows: np.ndarray) -> Any:
        """A head for the boxes of some rows."""
        from headstart.strategies.detection import _train

        return _train.train(
            self.maps,
            partial(self.aim, request),
            rows,
            channels=[depth for depth, _, _ in self.maps.shapes],
            outputs=request.task.outputs,
            views=self.maps.features.views,
            steps=_steps(request, len(rows)),
            seed=request.seed,
        )

    def aim(self, request: Request, row: int, view: int) -> Any:
        """What is to be said of a view of a row."""
        if (row, view) not in self.boxes:
            self.boxes[row, view] = aim(request, row, self.maps.shapes[0][1:], view)
        return self.boxes[row, view]

    def found(self, head: Any, row: int) -> np.ndarray:
        """float32 `[M, 6]`: what a head says of a row."""
        import torch

        from headstart.nets.boxes import decoded

        with torch.inference_mode():
            maps = [torch.from_numpy(one.astype(np.float32))[None] for one in self.maps(row, 0)]
            rows: np.ndarray = decoded(*head(maps))[0].numpy()
        return rows

"""The head of the probe for boxes, trained by gradients with the last layers, with all layers, or from
scratch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core.model import Model
from headstart.core.strategy import Request, Trial
from headstart.nets.boxes import Head, decoded
from headstart.strategies.dense import _decoding, decoder
from headstart.strategies.detection import _settle, _train, probe
from headstart.train.engines import Loss


class Joined(Head):
    """Middles and sides side by side: `[B, K + 4, h, w]`."""

    def forward(self, maps: Sequence[Tensor]) -> Tensor:  # type: ignore[override]
        return torch.cat(super().forward(maps), 1)


@dataclass(frozen=True)
class Arm(_decoding.Arm):
    """What the trainings of an arm share; `seen` has the `_train.Aim` of each view."""

    net: ClassVar[str] = "boxes"
    taps_of = staticmethod(probe.taps_of)
    steps = staticmethod(probe.steps)

    def head(self, channels: Sequence[int]) -> nn.Module:
        return Joined(channels, self.request.task.outputs)

    def start(self, net: Any, rows: np.ndarray) -> None:
        some = _train.seen(rows)
        if not self.kind.fresh:
            read = (net.maps(torch.from_numpy(self.views[0][np.array([row])])) for row in some.tolist())
            _train.standardise(net.head, ([one[0].double().numpy() for one in maps] for maps in read))
        self.targets(some)
        _train.expect(net.head, [self.seen[row][0] for row in some.tolist()])

    def targets(self, rows: np.ndarray) -> np.ndarray:
        """int64 `[n, 1 + views]`: numbers by which `loss` finds what is aimed at."""
        size, outputs = self.backbone.map_shape(self.taps[0])[1:], self.request.task.outputs
        for row in rows.tolist():
            if row not in self.seen:
                truth = self.request.dataset.targets[row]
                self.seen[row] = [_train.moved(truth, frame, outputs, size) for frame in self.frames(row)]
        views = 1 + self.design.views
        return rows[:, None] * views + np.arange(views)

    def loss(self, rows: np.ndarray) -> Loss:
        """By the objects that an image has on average."""
        views, outputs = 1 + self.design.views, self.request.task.outputs
        objects = max(1.0, self.request.dataset.targets[rows].counts().sum() / len(rows))

        def loss(z: Tensor, targets: Tensor) -> Tensor:
            aims = [
                self.seen[row][view].to(z.device)
                for row, view in (divmod(n, views) for n in targets.tolist())
            ]
            return _train.each(z[:, :outputs], z[:, outputs:], aims) / objects

        return loss

    def answer(self, z: Tensor) -> np.ndarray:
        outputs = self.request.task.outputs
        rows: np.ndarray = decoded(z[:, :outputs].float(), z[:, outputs:].float())[0].numpy()
        return rows


class Boxed:
    """What of an arm is another for boxes."""

    arm = Arm
    head = "head"
    statistics = 2
    """That of the head has never seen a batch."""

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` has "thresholds" and "said", too."""
        return _settle.settled(request, super().fit(request))  # type: ignore[misc]

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "boxes"."""
        model: Model = super().refit(request, trial)  # type: ignore[misc]
        more = _settle.of(trial.choices, request.task.outputs)
        return replace(model, tensors={**model.tensors, **more})


class Finetune(Boxed, decoder.Finetune):
    """With the layers behind the last map but one, on stored states."""


class Full(Boxed, decoder.Full):
    """With all layers."""


class Scratch(Boxed, decoder.Scratch):
    """With all layers, from new random weights."""

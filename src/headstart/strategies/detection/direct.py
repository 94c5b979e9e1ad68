"""Direct use of a detector, where it knows the target's labels by name: no training at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from headstart import modalities, nets
from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.strategies.detection import _settle
from headstart.strategies.direct import named
from headstart.strategies.shared import _shipping
from headstart.strategies.shared._folds import empty_trial

SLOWER = 10.0
"""How often the time of a pass of its trunk a detector takes: it reads images at a size of its own."""


class Direct:
    """What the source's detector says; scores are moved as those of every arm."""

    name = "direct"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        return Cost(1.0, SLOWER * seconds_per_pass)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`; "not applicable", with the labels that are missing, when names do not match."""
        backbone: Any = request.network
        arm = request.arm(self.name)
        if getattr(backbone, "detector", None) is None:
            return empty_trial(request, arm, "not applicable", "the source finds no boxes")
        columns = named(request, backbone.source.labels or ())
        if isinstance(columns, str):
            return empty_trial(request, arm, "not applicable", columns)
        model = _model(request, columns, np.zeros(request.task.outputs))
        net: Any = nets.assemble(model.net, model.tensors, model.input, request.task)
        room = modalities.get(request.dataset.modality)

        def fit_fold(request: Request, fold: Fold, number: int) -> tuple[Any, dict[str, Any]]:  # noqa: ARG001
            return [_rows(net, room, model, request, row) for row in fold.test.tolist()], {}

        trial = _settle.run(request, arm, fit_fold)
        names = backbone.source.labels
        told = {k: [names[i] for i in own] for k, own in zip(request.task.labels, columns, strict=True)}
        reason = trial.reason or f"{sum(map(len, columns))} of its {len(names)} classes name the labels"
        choices = {**trial.choices, "columns": columns, "labels": told}
        return replace(trial, choices=choices, reason=reason, digest=backbone.digest)

    def refit(self, request: Request, trial: Trial) -> Model:
        """A net of kind "detector"."""
        return _model(request, trial.choices["columns"], trial.choices["thresholds"])


def _model(request: Request, columns: Any, levels: Any) -> Model:
    backbone: Any = request.network
    net = {
        "kind": "detector",
        "architecture": dict(backbone.source.architecture),
        "columns": [list(own) for own in columns],
    }
    tensors = _shipping.state(backbone.detector, "detector")
    tensors["settled.thresholds"] = np.array(levels, np.float32)
    return Model(request.task, backbone.source.input, net, tensors, source=_shipping.origin(backbone))


def _rows(net: Any, room: Any, model: Model, request: Request, row: int) -> np.ndarray:
    """float32 `[M, 6]`"""
    import torch

    dataset = request.dataset
    contract: Any = model.input
    if dataset.levels is not None:
        contract = contract.with_levels(dataset.levels)
    pixels = room.prepare(dataset.items[row].read(), contract)
    with torch.inference_mode():
        found: np.ndarray = net(torch.from_numpy(np.ascontiguousarray(pixels))[None])[0].numpy()
    return found

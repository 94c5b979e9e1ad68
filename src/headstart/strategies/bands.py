"""The simple model on raw sound: statistics of a mel spectrogram, and a linear model. No source at all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from headstart import tasks
from headstart.core.dataset import Dataset
from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.strategy import Request, Trial, arm_name
from headstart.measure.spectral import fit_scaling
from headstart.modalities import audio
from headstart.nets.bands import statistics
from headstart.strategies._folds import run_folds
from headstart.strategies._ridge import group_numbers
from headstart.tasks.base import Linear

FAR = 1e6
"""Standard deviation given to numbers that never vary: they count for nothing."""


class Bands:
    """How loud each band is on average, how much that varies, and how fast; scaling and penalty come from the
    training rows of each fold alone."""

    name = "bands"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """Decoding once, and a linear model a fold."""
        rows = len(request.split.folds[0].train) if request.split.folds else 0
        fold = 0.05 + 5e-5 * rows * min(20, request.task.outputs)
        return Cost(seconds=0.01 * len(request.dataset) + fold * (len(request.split.folds) + 1))

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds "C" of each fold."""
        request = replace(request, backbone=None)
        x, methods = _features(request.dataset), tasks.for_task(request.task)

        def fit_fold(
            train: np.ndarray, test: np.ndarray, number: int  # noqa: ARG001
        ) -> tuple[np.ndarray, Mapping[str, Any]]:  # fmt: skip
            mean, sd, linear = _fitted(request, x, train)
            return methods.activate(linear.logits((x[test] - mean) / sd)), {"C": linear.penalty}

        trial = run_folds(request, arm_name(self.name, None), fit_fold)
        return replace(trial, reason=trial.reason or f"{x.shape[1]} statistics of {audio.PLAIN.mels} bands")

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "bands"."""
        x, rows = _features(request.dataset), request.split.development
        mean, sd, linear = _fitted(request, x, rows)
        tensors = {"bands.mean": mean, "bands.sd": sd, "head.weight": linear.weight, "head.bias": linear.bias}
        net = {"kind": "bands"}
        return Model(request.task, audio.PLAIN, net, {k: v.astype(np.float32) for k, v in tensors.items()})


_READ: dict[str, np.ndarray] = {}
"""Of the data set that was read last, by its content: to decode sounds takes most of the time."""


def _features(dataset: Dataset) -> np.ndarray:
    """float64 `[N, D]`"""
    if dataset.fingerprint not in _READ:
        rows = [audio.prepare(item.read(), audio.PLAIN) for item in dataset.items]
        with torch.inference_mode():
            found = [statistics(torch.from_numpy(row)[None])[0].numpy() for row in rows]
        _READ.clear()
        _READ[dataset.fingerprint] = np.asarray(found, np.float64)
    return _READ[dataset.fingerprint]


def _fitted(request: Request, x: np.ndarray, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray, Linear]:
    """Mean, standard deviation and linear model of these rows."""
    assert request.dataset.y is not None
    methods, y = tasks.for_task(request.task), request.dataset.y[rows]
    scaling = fit_scaling(x[rows])
    sd = np.divide(1.0, scaling.factor, out=np.full_like(scaling.factor, FAR), where=scaling.factor > 0)
    linear = methods.fit_linear(
        (x[rows] - scaling.mean) / sd,
        y,
        outputs=request.task.outputs,
        groups=group_numbers(request, rows),
        seed=request.seed,
        weights=methods.weights(request.task, y),
    )
    return scaling.mean, sd, linear

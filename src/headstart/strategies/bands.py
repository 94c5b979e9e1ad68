"""The simple model on raw sound: statistics of a mel spectrogram, and a linear model. No source at all."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from headstart import tasks
from headstart.core.dataset import Dataset
from headstart.core.evidence import Cost
from headstart.core.model import Model
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial, arm_name
from headstart.modalities import audio
from headstart.nets.bands import statistics
from headstart.strategies.baselines import decoded_cost, fit_linear, make_map
from headstart.strategies.shared._folds import run_folds


class Bands:
    """How loud each band is on average, how much that varies, and how fast; scaling and penalty come from the
    training rows of each fold alone."""

    name = "bands"

    def cost(self, request: Request, seconds_per_pass: float) -> Cost:  # noqa: ARG002
        """Decoding once, and a linear model a fold."""
        return decoded_cost(request, 0.01)

    def fit(self, request: Request) -> Trial:
        """See `Strategy`. `Trial.choices` holds "C" of each fold."""
        request = replace(request, backbone=None)
        x, methods = _features(request.dataset), tasks.for_task(request.task)

        def fit_fold(request: Request, fold: Fold, number: int) -> tuple[np.ndarray, dict[str, Any]]:  # noqa: ARG001
            scale = make_map("linear", x[fold.train], seed=request.seed)
            linear = fit_linear(request, scale.apply(x[fold.train]), fold.train, rough=True)
            return methods.activate(linear.logits(scale.apply(x[fold.test]))), {"C": linear.penalty}

        trial = run_folds(request, arm_name(self.name, None), fit_fold)
        return replace(trial, reason=trial.reason or f"{x.shape[1]} statistics of {audio.PLAIN.mels} bands")

    def refit(self, request: Request, trial: Trial) -> Model:  # noqa: ARG002
        """A net of kind "bands"."""
        x, rows = _features(request.dataset), request.split.development
        scale = make_map("linear", x[rows], seed=request.seed)
        linear = fit_linear(request, scale.apply(x[rows]), rows)
        tensors = {
            "bands.mean": scale.mean, "bands.sd": scale.sd,
            "head.weight": linear.weight, "head.bias": linear.bias,
        }  # fmt: skip
        net = {"kind": "bands"}
        return Model(request.task, audio.PLAIN, net, {k: v.astype(np.float32) for k, v in tensors.items()})


_READ: dict[str, np.ndarray] = {}
"""Of the data set that was read last, by its content: to decode sounds takes most of the time."""


def _features(dataset: Dataset) -> np.ndarray:
    """float64 `[N, D]`"""
    known = _READ.get(dataset.fingerprint)
    if known is None:
        rows = [audio.prepare(item.read(), audio.PLAIN) for item in dataset.items]
        with torch.inference_mode():
            found = [statistics(torch.from_numpy(row)[None])[0].numpy() for row in rows]
        known = np.asarray(found, np.float64)
        _READ.clear()
        _READ[dataset.fingerprint] = known
    return known

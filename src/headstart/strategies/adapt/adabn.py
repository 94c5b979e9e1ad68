"""AdaBN: batch normalisation by the statistics of the domain at hand; the weights stay.

Li, Wang, Shi, Liu and Hou, "Revisiting Batch Normalization for Practical Domain Adaptation", ICLR workshop
2017; mixed with those of the network as in Schneider et al., "Improving robustness against common
corruptions by covariate shift adaptation", NeurIPS 2020.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from headstart import modalities, tasks
from headstart.core import fingerprint
from headstart.core.model import Model
from headstart.core.strategy import NotApplicable, Request
from headstart.strategies.adapt._base import Adapts, Domains, shown
from headstart.strategies.shared._folds import OutOfTime
from headstart.strategies.shared._shipping import taps_model
from headstart.tasks.base.fits import Linear

PRIOR = 16
"""Items that the network's own statistics count as: of few items their own say little."""
LEAST = 32
"""Items of a domain without which their statistics are noise."""
BATCH = 64


class AdaBN(Adapts):
    """The head learns from the source under the source's statistics, and reads the target under the
    target's."""

    name = "adabn"

    def __init__(self) -> None:
        self._seen: dict[str, Trunk] = {}

    def adapt(self, request: Request) -> Renormalised:
        from torch.nn.modules.batchnorm import _BatchNorm

        domains = Domains.of(request)
        if not any(isinstance(part, _BatchNorm) for part in request.network.module.modules()):
            raise NotApplicable(f"{request.network.source.name} has no batch normalisation")
        fewest = min(len(domains.source), len(domains.target))
        if fewest < LEAST:
            raise NotApplicable(
                f"statistics of {fewest} items are noise; at least {LEAST} of each domain are needed"
            )
        # held-out rows of the source have no part in its head, but are items like the others
        whole = (
            request.split.development if np.isin(domains.source, request.split.development).all() else None
        )
        own = self._trunk(request, domains.source if whole is None else whole)
        theirs = self._trunk(request, domains.target)
        linear = domains.fit(shown(own(domains.source), request))
        return Renormalised(domains, linear, own, theirs)

    def _trunk(self, request: Request, rows: np.ndarray) -> Trunk:
        key = request.network.digest + request.dataset.fingerprint + fingerprint.of_array(rows)
        if key not in self._seen:
            self._seen[key] = Trunk(request, rows)
        return self._seen[key]


class Trunk:
    """The network under the statistics of some rows. Raises `OutOfTime` where the request's budget ends
    before these are known."""

    def __init__(self, request: Request, rows: np.ndarray) -> None:
        import torch
        from torch.nn.modules.batchnorm import _BatchNorm

        self.request, self.backbone = request, request.network.copy()
        self._known: dict[str, np.ndarray] = {}
        layers: list[Any] = [part for part in self.backbone.module.modules() if isinstance(part, _BatchNorm)]
        before = [(one.running_mean.clone(), one.running_var.clone(), one.momentum) for one in layers]
        for one in layers:
            one.reset_running_stats()
            one.momentum = None  # the plain mean over all batches
            one.train()
        with torch.inference_mode():
            # parts of nearly equal size: a last batch of one item would count as much as a full one
            for part in np.array_split(rows, max(1, round(len(rows) / BATCH))):
                if request.budget.over:
                    raise OutOfTime
                self._states(part)
        share = len(rows) / (len(rows) + PRIOR)
        for one, (mean, var, momentum) in zip(layers, before, strict=True):
            one.running_mean.mul_(share).add_(mean, alpha=1 - share)
            one.running_var.mul_(share).add_(var, alpha=1 - share)
            one.momentum = momentum
            one.eval()

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """float64 `[n, D]`: the taps of these rows."""
        import torch

        key = fingerprint.of_array(rows)
        if key not in self._known:
            found = []
            with torch.inference_mode():
                for first in range(0, len(rows), BATCH):
                    states = self._states(rows[first : first + BATCH])
                    taps = [self.backbone.pool(states[cut], tap).float() for tap, cut in self._cuts.items()]
                    found.append(torch.cat(taps, 1).numpy(force=True).astype(np.float64))
            self._known[key] = np.concatenate(found)
        return self._known[key]

    @cached_property
    def _cuts(self) -> dict[Any, str]:
        cut_of = {stage.name: stage.cut for stage in self.backbone.stages}
        return {tap: cut_of[tap.stage] for tap in self.request.reads}

    def _states(self, rows: np.ndarray) -> Any:
        import torch

        modality = modalities.get(self.request.dataset.modality)
        items, contract = self.request.dataset.items, self.backbone.source.input
        prepared = modality.collate([modality.prepare(items[row].read(), contract) for row in rows])
        x = self.backbone.normalise(torch.from_numpy(prepared))
        return self.backbone.states(x, tuple(dict.fromkeys(self._cuts.values())))


@dataclass(frozen=True)
class Renormalised:
    """See `core.strategy.Adapted`."""

    domains: Domains = field(repr=False)
    linear: Linear = field(repr=False)
    own: Trunk = field(repr=False)
    theirs: Trunk = field(repr=False)

    @property
    def choices(self) -> dict[str, Any]:
        return {"C": self.linear.penalty, "items": len(self.domains.target)}

    def predict(self, rows: np.ndarray) -> np.ndarray:
        return self._said(self.theirs, rows)

    def of_source(self, rows: np.ndarray) -> np.ndarray:
        return self._said(self.own, rows)

    def _said(self, trunk: Trunk, rows: np.ndarray) -> np.ndarray:
        methods = tasks.for_task(self.domains.request.task)
        x = shown(trunk(rows), self.domains.request)
        return methods.activate(self.linear.logits(x)).astype(np.float32)

    def model(self) -> Model:
        request = self.domains.request
        trunk = self.theirs.backbone.module
        return taps_model(
            request.task, request.network, request.reads, self.linear.weight, self.linear.bias, trunk=trunk
        )

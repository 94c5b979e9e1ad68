"""SHOT: the head stays, and the layers bring the target's items to it. It needs a model and target items
alone."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from headstart import sources
from headstart.core.model import Model
from headstart.core.strategy import NotApplicable, Request
from headstart.strategies.adapt._base import Domains
from headstart.strategies.adapt.deep._base import Deep, Offered
from headstart.strategies.adapt.deep._training import Seen, Way
from headstart.train.losses.hypothesis import information, pseudo_labels

BETA = 0.3
"""What the pseudo-labels count."""


class _Way(Way):
    source_free = True
    labels: Tensor

    def __init__(self, items: int) -> None:
        super().__init__()
        self.register_buffer("labels", torch.zeros(items, dtype=torch.int64))

    def begin(self, features: np.ndarray, z: np.ndarray) -> None:
        """The labels of an epoch."""
        p = np.exp(z - z.max(axis=1, keepdims=True))
        found = pseudo_labels(features, p / p.sum(axis=1, keepdims=True))
        self.labels.copy_(torch.from_numpy(found))

    def forward(self, seen: Seen) -> Tensor:
        told = functional.cross_entropy(seen.z, self.labels[seen.places])
        return information(seen.z) + BETA * told


class Shot(Deep):
    """See `train.losses.hypothesis`."""

    name = "shot"

    def way(self, width: int, outputs: int, items: int, head: nn.Linear) -> Way:  # noqa: ARG002
        return _Way(items)

    def adapt_model(self, request: Request, model: Model) -> Offered:
        """The same from a model of kind "taps" that reads the embedding, as fine-tuning makes it, and the
        request's target alone: its data need hold no item of the source, and its backbone is not asked for.

        Raises `NotApplicable` for another model.
        """
        parts: dict[str, dict[str, np.ndarray]] = {"trunk": {}, "head": {}}
        for name, tensor in model.tensors.items():
            part, _, rest = name.partition(".")
            parts.setdefault(part, {})[rest] = tensor
        if model.net["kind"] != "taps":
            raise NotApplicable("the model does not end in a linear head on one network")
        backbone = sources.from_state(model.net["architecture"], model.input, parts["trunk"])
        if model.net["taps"] != [str(backbone.embedding)]:
            raise NotApplicable("the model's head reads more than the embedding")
        known = {name: model.source[name] for name in ("spec", "revision", "licence") if name in model.source}
        backbone.source = replace(backbone.source, **known)
        own = request.dataset.view(labels=np.zeros(0, np.int64))
        request = replace(request, dataset=own, backbone=backbone, task=model.task, taps=())
        head = parts["head"]["weight"], parts["head"]["bias"]
        return self._train(request, Domains.of(request), head, "from a model")

"""What every model made from a source carries: its weights by name, and where they come from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from headstart.core.backbone import Backbone
from headstart.core.features import Tap
from headstart.core.model import Model
from headstart.core.task import Task


def state(module: Any, prefix: str) -> dict[str, np.ndarray]:
    """Parameters and buffers of a torch module on the CPU, their names behind `PREFIX.`"""
    return {
        f"{prefix}.{name}": np.array(tensor.detach().cpu().numpy())
        for name, tensor in module.state_dict().items()
    }


def origin(backbone: Backbone) -> Mapping[str, Any]:
    """`Model.source` for a model that uses the backbone's weights."""
    source = backbone.source
    return {
        "spec": source.spec,
        "revision": source.revision,
        "digest": backbone.digest,
        "licence": source.licence,
    }


def taps_model(
    task: Task,
    backbone: Backbone,
    taps: Iterable[Tap],
    weight: np.ndarray,
    bias: np.ndarray,
    *,
    trunk: Any = None,
) -> Model:
    """A model of kind "taps": the backbone, or another `trunk` (a torch module) of its architecture, under a
    linear head `[K, D]`, `[K]`."""
    net = {"kind": "taps", "architecture": dict(backbone.source.architecture), "taps": [str(t) for t in taps]}
    head = {"head.weight": weight.astype(np.float32), "head.bias": bias.astype(np.float32)}
    tensors = {**state(backbone.module if trunk is None else trunk, "trunk"), **head}
    return Model(task, backbone.source.input, net, tensors, source=origin(backbone))

"""What every model made from a source carries: its weights by name, and where they come from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from headstart.core.backbone import Backbone


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

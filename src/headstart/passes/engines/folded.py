"""The graph of a network in float32, channels last, BatchNorms folded into the convolutions before them."""

from __future__ import annotations

from typing import Any

import torch

from headstart.passes.engines import _graphs
from headstart.passes.engines.base import States

PRECISION = "float32, folded"
SETUP = 0.3

suits = _graphs.suits


def build(backbone: Any, cuts: tuple[str, ...]) -> States:
    """See `Engine`."""
    return _graphs.by_cut(_graphs.folded_graph(backbone, cuts, torch.float32), cuts, torch.float32)

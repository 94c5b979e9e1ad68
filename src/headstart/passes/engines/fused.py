"""The folded graph in bfloat16."""

from __future__ import annotations

from typing import Any

import torch

from headstart.passes.engines import _graphs
from headstart.passes.engines.base import States

PRECISION = "bfloat16, folded"
SETUP = 0.5

suits = _graphs.suits


def build(backbone: Any, cuts: tuple[str, ...]) -> States:
    """See `Engine`."""
    graph = _graphs.folded_graph(backbone, cuts, torch.bfloat16)
    return _graphs.by_cut(graph, cuts, torch.bfloat16)

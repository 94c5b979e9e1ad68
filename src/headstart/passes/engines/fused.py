"""The folded graph in bfloat16."""

from __future__ import annotations

from typing import Any

import torch

from headstart.passes.engines import States, folded

PRECISION = "bfloat16, folded"
SETUP = 0.5

suits = folded.suits


def build(backbone: Any, cuts: tuple[str, ...]) -> States:
    """See `Engine`."""
    graph = folded.folded_graph(backbone, cuts, torch.bfloat16)
    return folded.named(graph, cuts, torch.bfloat16)

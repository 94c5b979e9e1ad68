"""The network as it is, layer by layer in float32: what every other engine is held against."""

from __future__ import annotations

from functools import partial
from typing import Any

from headstart.passes.engines.base import States

PRECISION = "float32"
SETUP = 0.0


def suits(backbone: Any, device: str) -> str:  # noqa: ARG001 - everything everywhere
    """See `Engine`."""
    return ""


def build(backbone: Any, cuts: tuple[str, ...]) -> States:
    """See `Engine`."""
    return partial(backbone.states, cuts=cuts)

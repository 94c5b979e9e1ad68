"""The graph of a network through OpenVINO (extra `cpu`), in float32."""

from __future__ import annotations

from typing import Any

from headstart.passes.engines import _graphs, _openvino
from headstart.passes.engines.base import States

PRECISION = "float32, openvino"
SETUP = 3.0


def suits(backbone: Any, device: str) -> str:
    """See `Engine`."""
    return _graphs.suits(backbone, device) or _openvino.missing()


def build(backbone: Any, cuts: tuple[str, ...]) -> States:
    """See `Engine`."""
    return _openvino.built(backbone, cuts, "f32")

"""The graph of a network through OpenVINO (extra `cpu`), in bfloat16 where the processor has it."""

from __future__ import annotations

from typing import Any

from headstart.passes.engines import States, openvino

PRECISION = "bfloat16, openvino"
SETUP = 3.0

suits = openvino.suits


def build(backbone: Any, cuts: tuple[str, ...]) -> States:
    """See `Engine`."""
    return openvino.built(backbone, cuts, "bf16")

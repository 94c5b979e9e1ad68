"""The network as it is, with what torch deems safe in bfloat16: any network, nothing copied.

Of graphs on a processor `fused` computes the same, and mostly quicker.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from headstart.core.backbone import Graphed
from headstart.passes.engines.base import States

PRECISION = "bfloat16"
SETUP = 0.1


def suits(backbone: Any, device: str) -> str:
    """See `Engine`."""
    if device == "cpu" and isinstance(backbone, Graphed):
        return "fused does the same and more"
    if device == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False):
        return "this GPU has no bfloat16"
    return ""


def build(backbone: Any, cuts: tuple[str, ...]) -> States:
    """See `Engine`."""

    def states(x: Tensor) -> dict[str, Tensor]:
        with torch.autocast(x.device.type, torch.bfloat16):
            found: dict[str, Tensor] = backbone.states(x, cuts)
            return found

    return states

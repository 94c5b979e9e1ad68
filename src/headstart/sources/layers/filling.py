"""Weights into a network that was built for them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from headstart.errors import NetError


def compare(network: nn.Module, tensors: Mapping[str, Any], arch: str) -> None:
    """Raises `NetError` where a network has other shapes than its weights."""
    for name, value in network.state_dict().items():
        if name in tensors and tuple(tensors[name].shape) != tuple(value.shape):
            found, wanted = tuple(tensors[name].shape), tuple(value.shape)
            raise NetError(arch, f"does not fit its weights ({name} is {found}, not {wanted})")
    lost = sorted(network.state_dict().keys() - set(tensors))
    if lost:
        raise NetError(arch, f"does not fit its weights ({', '.join(lost[:3])} missing)")


def put(network: nn.Module, tensors: Mapping[str, Any], arch: str) -> None:
    """Arrays of numpy or tensors into a network. Raises `NetError` where they do not fit."""
    state = {
        name: value if isinstance(value, Tensor) else torch.from_numpy(np.array(value))
        for name, value in tensors.items()
    }
    try:
        network.load_state_dict(state)
    except RuntimeError as error:
        lines = " ".join(line.strip() for line in str(error).splitlines()[1:])
        raise NetError(arch, f"does not fit its weights ({lines[:200]})") from error

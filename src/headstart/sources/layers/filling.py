"""Weights into a network that was built for them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from headstart.core.source import Preprocessing, Source
from headstart.errors import NetError

N = TypeVar("N", bound=nn.Module)


def filled(build: Callable[[], N], tensors: Mapping[str, Any], arch: str) -> N:
    """What `build` gives, with these weights; memory is taken for sizes that are there, not for claimed ones.

    The global generators are left alone. Raises `NetError` where they do not fit.
    """
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        _compare(build(), tensors, arch)
    with torch.random.fork_rng(devices=[]):
        network = build()
    put(network, tensors, arch)
    return network


def filled_shared(build: Callable[[], N], tensors: Mapping[str, Any], arch: str) -> N:
    """The same where each tensor that the network has under several names is given under one of them."""
    with torch.device("meta"), torch.random.fork_rng(devices=[]):
        shapes = build()
    names: dict[int, list[str]] = {}
    for name, value in shapes.state_dict(keep_vars=True).items():
        names.setdefault(id(value), []).append(name)
    every = dict(tensors)
    for shared in names.values():
        there = next((name for name in shared if name in tensors), None)
        every |= {} if there is None else dict.fromkeys(shared, tensors[there])
    return filled(build, every, arch)


def unshared(network: nn.Module) -> dict[str, Tensor]:
    """The state of a network, each tensor under the first of its names."""
    found: dict[int, tuple[str, Tensor]] = {}
    for name, value in network.state_dict(keep_vars=True).items():
        found.setdefault(id(value), (name, value.detach()))
    return dict(found.values())


def share(part: nn.Module, whole: nn.Module) -> None:
    """Equal weights of a network and of the first such part of another are in memory once: they must not be
    changed in place."""
    twin = next((one for one in whole.modules() if type(one) is type(part)), nn.Module())
    own = dict(part.named_parameters(remove_duplicate=False))
    for name, parameter in twin.named_parameters(remove_duplicate=False):
        if name in own and torch.equal(own[name], parameter):
            parameter.data = own[name].data


def _compare(network: nn.Module, tensors: Mapping[str, Any], arch: str) -> None:
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


def described(
    source: Source, network: nn.Module, architecture: Mapping[str, Any], contract: Preprocessing
) -> Source:
    """The record of a network that was opened, with its own numbers."""
    return replace(
        source,
        modality=contract.modality,
        architecture=architecture,
        input=contract,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        local=True,
    )

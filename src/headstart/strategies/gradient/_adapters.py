"""Small changes to every layer instead of all weights: matrices of low rank (LoRA), or biases and norms.

An adapter prepares a body for training and makes plain weights of it again; what is trained in between is an
ordinary arm.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from torch import nn

from headstart._lazy import optional
from headstart.core.backbone import Backbone
from headstart.errors import BadOption, MissingExtra
from headstart.train.device import reproducible

RANK, ALPHA = 8, 16
"""Rank of the matrices, and what their product is scaled by (alpha / rank)."""


class Adapter(Protocol):
    """What stands between a body and its training."""

    def obstacle(self, backbone: Backbone) -> str:
        """Why a network cannot be trained so; empty where it can."""

    def words(self) -> str:
        """What is trained."""

    def begin(self, backbone: Backbone, body: nn.Module, seed: int) -> None:
        """Decide which parameters of the body are trained; perhaps add some."""

    def end(self, body: nn.Module) -> None:
        """Leave plain weights under their own names."""


@dataclass(frozen=True)
class LowRank:
    """LoRA (Hu et al., ICLR 2022) on linear layers, through peft."""

    targets: tuple[str, ...] = ()
    """Names of linear layers, or the last parts of such; empty: all of them inside the network's layers."""

    def obstacle(self, backbone: Backbone) -> str:
        """No linear layers, or no peft. Raises `BadOption` for a name that matches nothing."""
        try:
            optional("peft", extra="text", needed_for="LoRA")
        except MissingExtra as error:
            return str(error)
        found = resolve(backbone, backbone.tail(backbone.cuts[0]), self.targets)
        return "" if found else "the network has no linear layers"

    def words(self) -> str:
        return f"rank {RANK}, alpha {ALPHA}, {', '.join(self.targets) or 'all linear layers'}"

    def begin(self, backbone: Backbone, body: nn.Module, seed: int) -> None:
        """Raises `BadOption` for a name that matches nothing, `MissingExtra` without peft."""
        inject(body, resolve(backbone, body, self.targets), seed)

    def end(self, body: nn.Module) -> None:
        """The products are added to the weights, and the layers put back."""
        layers = optional("peft.tuners.lora", extra="text", needed_for="LoRA").LoraLayer
        for parent in list(body.modules()):
            for name, child in list(parent.named_children()):
                if isinstance(child, layers):
                    merged: Any = child
                    merged.merge()
                    setattr(parent, name, merged.get_base_layer())
        if hasattr(body, "peft_config"):
            del body.peft_config
        body.requires_grad_(True)


@dataclass(frozen=True)
class Vectors:
    """BitFit (Ben Zaken et al., ACL 2022), with norms: every parameter that is a vector, and no other."""

    def obstacle(self, backbone: Backbone) -> str:
        """A network without any such."""
        body = backbone.tail(backbone.cuts[0])
        return "" if any(p.ndim <= 1 for p in body.parameters()) else "the network has no biases and no norms"

    def words(self) -> str:
        return "biases and norms"

    def begin(self, backbone: Backbone, body: nn.Module, seed: int) -> None:  # noqa: ARG002
        """Nothing is added."""
        for parameter in body.parameters():
            parameter.requires_grad_(parameter.ndim <= 1)

    def end(self, body: nn.Module) -> None:
        """Nothing to undo."""
        body.requires_grad_(True)


def inject(body: nn.Module, names: list[str], seed: int) -> None:
    """Put matrices of low rank beside linear layers of these names: nothing else is trained. Raises
    `MissingExtra` without peft."""
    peft = optional("peft", extra="text", needed_for="LoRA")
    turned = any(not isinstance(body.get_submodule(name), nn.Linear) for name in names)
    config = peft.LoraConfig(
        r=RANK, lora_alpha=ALPHA, target_modules=names, lora_dropout=0.0, fan_in_fan_out=turned
    )
    with reproducible(seed):
        peft.inject_adapter_in_model(config, body)
    for name, parameter in body.named_parameters():
        parameter.requires_grad_("lora_" in name)


def is_linear(module: nn.Module) -> bool:
    """Whether it is a linear layer; GPT-2's are a class of transformers, "Conv1D"."""
    return isinstance(module, nn.Linear) or type(module).__name__ == "Conv1D"


def linear_layers(backbone: Backbone, body: nn.Module) -> Iterator[str]:
    """Name in the body of each linear layer inside the network's layers: what stands before them is not
    trained."""
    inside = {id(module) for module in backbone.tail(backbone.stages[0].cut).modules()}
    for name, module in body.named_modules():
        if is_linear(module) and id(module) in inside:
            yield name


def resolve(backbone: Backbone, body: nn.Module, targets: tuple[str, ...]) -> list[str]:
    """Names of the linear layers meant. Raises `BadOption` for a target that matches none."""
    return meant(list(linear_layers(backbone, body)), targets)


def meant(layers: list[str], targets: tuple[str, ...]) -> list[str]:
    """Those of the layers, by name, that are meant; all where there are no targets. Raises `BadOption`."""
    if not targets:
        return layers
    found: list[str] = []
    for target in targets:
        own = [name for name in layers if name == target or name.endswith(f".{target}")]
        if not own:
            there = sorted({name.rsplit(".", 1)[-1] for name in layers})
            raise BadOption(
                "--lora-targets", target, f"names of linear layers there are: {', '.join(there) or 'none'}"
            )
        found += [name for name in own if name not in found]
    return found

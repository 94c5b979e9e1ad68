"""Weights of EfficientNet-Lite that name their tensors as EfficientNet-PyTorch does, by timm's names.

There the blocks are counted through (`_blocks.7._depthwise_conv.weight`), in timm stage by stage
(`blocks.3.1.conv_dw.weight`); the blocks of a stage have one number of channels (Tan and Le, EfficientNet,
ICML 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

ENDS = {
    "_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier",
}  # fmt: skip
EXPANDED = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip
PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
"""Of a block that does not first widen what enters it."""


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors. Raises `KeyError` for a name that no EfficientNet-Lite has."""
    places = _places(tensors)
    found = {}
    for name, tensor in tensors.items():
        first, *rest = name.split(".")
        if first == "_blocks":
            number, layer, *rest = rest
            layers = EXPANDED if f"_blocks.{number}._expand_conv.weight" in tensors else PLAIN
            found[".".join([places[number], layers[layer], *rest])] = tensor
        else:
            found[".".join([ENDS[first], *rest])] = tensor
    return found


def _places(tensors: Mapping[str, Tensor]) -> dict[str, str]:
    """Number of a block -> where timm has it: "7" -> "blocks.3.1"."""
    found: dict[str, str] = {}
    stage, block, width = -1, 0, 0
    while (name := f"_blocks.{len(found)}._project_conv.weight") in tensors:
        leaving = int(tensors[name].shape[0])
        stage, block = (stage, block + 1) if leaving == width else (stage + 1, 0)
        found[str(len(found))], width = f"blocks.{stage}.{block}", leaving
    return found

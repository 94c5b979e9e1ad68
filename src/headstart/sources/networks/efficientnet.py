"""EfficientNet-Lite from weights that name their tensors as EfficientNet-PyTorch does.

There the blocks are counted through (`_blocks.7._depthwise_conv.weight`), in timm stage by stage
(`blocks.3.1.conv_dw.weight`); the blocks of a stage have one number of channels (Tan and Le, EfficientNet,
ICML 2019).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from torch import Tensor

from headstart.core.source import Source
from headstart.sources.cuts.traced import TracedBackbone
from headstart.sources.files import weights
from headstart.sources.networks import opening, recipes

ENDS = {
    "_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier",
}  # fmt: skip
EXPANDED = {
    "_expand_conv": "conv_pw", "_bn0": "bn1", "_depthwise_conv": "conv_dw", "_bn1": "bn2",
    "_project_conv": "conv_pwl", "_bn2": "bn3",
}  # fmt: skip
PLAIN = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
"""Of a block that does not first widen what enters it."""


def open_lite(source: Source, path: Path) -> TracedBackbone:
    """The network with a file's weights, and ImageNet's names for its classes. Raises `SourceError`."""
    named = replace(source, labels=recipes.imagenet_labels("timm"))
    return opening.open_backbone(named, renamed(weights.read(path, source.spec)), prefix="")


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors by timm's names. Raises `KeyError` for a name that no EfficientNet without
    squeeze-and-excitation has."""
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

"""Networks of sounds whose weights come with a package of somebody else, in that package's own format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart.core.source import Source
from headstart.core.untrusted import Damaged
from headstart.errors import NetError, SourceError
from headstart.sources.audio import opening
from headstart.sources.audio.files import ctranslate
from headstart.sources.audio.networks.backbone import AudioBackbone
from headstart.sources.files import weights

WHISPER = "WhisperSpec"
"""What CTranslate2 calls a Whisper."""
_LAYER = re.compile(r"layer_(\d+)/(.+)")
_ATTENTION = "self_attn"
_PLAIN = {
    "conv1": "conv1",
    "conv2": "conv2",
    "layer_norm": "layer_norm",
    "self_attention/layer_norm": "self_attn_layer_norm",
    "self_attention/linear_1": "self_attn.out_proj",
    "ffn/layer_norm": "final_layer_norm",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
}
"""CTranslate2's name of a module -> that of transformers; of the modules of a layer as well."""
_VALUES = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


def open_whisper(source: Source, path: Path) -> AudioBackbone:
    """Whisper's encoder from a file of CTranslate2. Raises `SourceError`."""
    with weights.readable(source.spec, f"{path.name} cannot be read", "install it again"):
        kind, found = ctranslate.read(path)
        if kind != WHISPER:
            raise Damaged(f"it is a {kind}, not a {WHISPER}")
        tensors = dict(whisper_encoder(found))
    return _restored(source, tensors)


def whisper_encoder(found: Mapping[str, np.ndarray]) -> Iterator[tuple[str, Tensor]]:
    """CTranslate2's variables of an encoder under the names of transformers, in float32."""
    for name, array in found.items():
        side, _, rest = name.partition("/")
        module, _, value = rest.rpartition("/")
        if side != "encoder" or not module:
            continue
        tensor = torch.from_numpy(np.array(array, np.float32))
        if module == "position_encodings":
            yield "embed_positions.weight", tensor
            continue
        layer = _LAYER.fullmatch(module)
        prefix, inner = (f"layers.{layer[1]}.", layer[2]) if layer else ("", module)
        if inner == "self_attention/linear_0":  # queries, keys and values by rows; keys have no bias
            for part, rows in zip("qkv", tensor.chunk(3), strict=True):
                if (part, value) != ("k", "bias"):
                    yield f"{prefix}{_ATTENTION}.{part}_proj.{value}", rows.clone()
            continue
        if inner not in _PLAIN or value not in _VALUES:
            raise Damaged(f"its variable {name[:80]} is not one of an encoder")
        yield f"{prefix}{_PLAIN[inner]}.{_VALUES[value]}", tensor


def open_voices(source: Source, path: Path) -> AudioBackbone:
    """Resemblyzer's encoder from its checkpoint. Raises `SourceError`."""
    found = weights.read_all(path, source.spec)
    tensors: dict[str, Tensor] = {}
    for whole, tensor in found.items():
        name = whole.removeprefix("model_state.")
        own = re.fullmatch(r"lstm\.(\w+)_l(\d+)", name)
        if own is not None:
            tensors[f"layers.{own[2]}.{own[1]}_l0"] = tensor
        elif name.startswith("linear."):
            tensors[name] = tensor
    return _restored(source, tensors)


def _restored(source: Source, tensors: Mapping[str, Any]) -> AudioBackbone:
    try:
        return opening.restore(source, tensors)
    except NetError as error:
        raise SourceError(source.spec, str(error), "install it again") from error

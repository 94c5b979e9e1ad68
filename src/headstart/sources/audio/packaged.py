"""Networks of sounds whose weights come with a package of somebody else, in that package's own format."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart.core.generator import Generator, Writing
from headstart.core.source import Source
from headstart.core.untrusted import Damaged, field, read_object
from headstart.errors import NetError, SourceError
from headstart.modalities.text.encoding.vocabulary import vocabulary
from headstart.sources.audio import opening, writing
from headstart.sources.audio.files import ctranslate
from headstart.sources.audio.files.generation import LONGEST
from headstart.sources.audio.networks.backbone import AudioBackbone
from headstart.sources.audio.writing import WritingSounds
from headstart.sources.files import weights

WHISPER = "WhisperSpec"
"""What CTranslate2 calls a Whisper."""
_LAYER = re.compile(r"layer_(\d+)/(.+)")
_ATTENTIONS = {"self_attention": "self_attn", "attention": "encoder_attn"}
"""CTranslate2's name of what attends to the same side, and to the encoder -> that of transformers."""
_PLAIN = {
    "conv1": "conv1",
    "conv2": "conv2",
    "layer_norm": "layer_norm",
    "self_attention/layer_norm": "self_attn_layer_norm",
    "self_attention/linear_1": "self_attn.out_proj",
    "attention/layer_norm": "encoder_attn_layer_norm",
    "attention/linear_2": "encoder_attn.out_proj",
    "ffn/layer_norm": "final_layer_norm",
    "ffn/linear_0": "fc1",
    "ffn/linear_1": "fc2",
}
"""CTranslate2's name of a module -> that of transformers; of the modules of a layer as well."""
_FUSED = {"self_attention/linear_0": "qkv", "attention/linear_0": "q", "attention/linear_1": "kv"}
"""Linear layers that are several of transformers', by rows."""
_TABLES = {
    "position_encodings/encodings": "embed_positions.weight",
    "embeddings/weight": "embed_tokens.weight",
}
_VALUES = {"weight": "weight", "bias": "bias", "gamma": "weight", "beta": "bias"}


def open_whisper(source: Source, path: Path, tokenizer: Path, settings: Path) -> WritingSounds:
    """Whisper from a file of CTranslate2: its encoder, and all of it where texts are written. Raises
    `SourceError`."""
    with weights.readable(source.spec, f"{path.name} cannot be read", "install it again"):
        tensors = dict(whisper_side(_variables(path), "encoder"))
    encoder = _restored(source, tensors)
    opens = cache(lambda: open_whisper_writer(source, path, tokenizer, settings))
    return WritingSounds.around(encoder, opens)


def open_whisper_writer(source: Source, path: Path, tokenizer: Path, settings: Path) -> Generator:
    """The whole network, which writes what its tokenizer says. Raises `SourceError`."""
    unread = f"{path.name}, {settings.name} or {tokenizer.name} cannot be read"
    with weights.readable(source.spec, unread, "install it again"):
        found = _variables(path)
        told, text = read_object(settings), tokenizer.read_text(encoding="utf-8")
        names = ("endoftext", "startoftranscript", "notimestamps")
        numbers = [vocabulary(text).number(f"<|{name}|>") for name in names]
        if None in numbers:
            raise Damaged("a token that begins or ends a transcript is missing")
        end, *start = (int(number) for number in numbers if number is not None)
        how = Writing(
            (end,), tuple(start), LONGEST, tuple(field(told, "suppress_ids", list)),
            tuple(field(told, "suppress_ids_begin", list)),
        )  # fmt: skip
        state = {
            f"model.{side}.{name}": tensor
            for side in ("encoder", "decoder")
            for name, tensor in whisper_side(found, side)
        }
    try:
        tokens = state["model.decoder.embed_tokens.weight"]
        layers = {name.split(".")[3] for name in state if name.startswith("model.decoder.layers.")}
        kwargs = {
            **source.architecture["kwargs"], "decoder_layers": len(layers), "vocab_size": len(tokens),
            "decoder_attention_heads": int(found["decoder/num_heads"]),
            "decoder_ffn_dim": len(state["model.decoder.layers.0.fc1.bias"]),
            "max_target_positions": len(state["model.decoder.embed_positions.weight"]),
            "bos_token_id": end, "eos_token_id": end, "pad_token_id": end, "decoder_start_token_id": start[0],
        }  # fmt: skip
        return writing.restore({**source.architecture, "kwargs": kwargs}, state, how, text)
    except (KeyError, NetError) as error:
        raise SourceError(source.spec, f"its decoder is not whole ({error})", "install it again") from error


def _variables(path: Path) -> Mapping[str, np.ndarray]:
    kind, found = ctranslate.read(path)
    if kind != WHISPER:
        raise Damaged(f"it is a {kind}, not a {WHISPER}")
    return found


def whisper_side(found: Mapping[str, np.ndarray], wanted: str) -> Iterator[tuple[str, Tensor]]:
    """CTranslate2's variables of a side, "encoder" or "decoder", under the names of transformers."""
    for name, array in found.items():
        side, _, rest = name.partition("/")
        module, _, value = rest.rpartition("/")
        if side != wanted or not module:
            continue
        tensor = torch.from_numpy(np.array(array, np.float32))
        if rest in _TABLES:
            yield _TABLES[rest], tensor
            continue
        layer = _LAYER.fullmatch(module)
        prefix, inner = (f"layers.{layer[1]}.", layer[2]) if layer else ("", module)
        if inner in _FUSED:
            attention, parts = _ATTENTIONS[inner.partition("/")[0]], _FUSED[inner]
            for part, rows in zip(parts, tensor.chunk(len(parts)), strict=True):
                if (part, value) != ("k", "bias"):  # Whisper's keys have none
                    yield f"{prefix}{attention}.{part}_proj.{value}", rows.clone()
        elif inner in _PLAIN and value in _VALUES:
            yield f"{prefix}{_PLAIN[inner]}.{_VALUES[value]}", tensor
        elif value in _VALUES:
            raise Damaged(f"its variable {name[:80]} is not one of a Whisper's {wanted}")


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

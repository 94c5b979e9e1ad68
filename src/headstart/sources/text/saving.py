"""A text network as a folder that Hugging Face, sentence-transformers and this package open."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from headstart.core.backbone import Backbone
from headstart.errors import HeadstartError, SourceError
from headstart.modalities.text.preprocessing import TextPreprocessing, text_input
from headstart.sources.text import opening
from headstart.sources.text.files import folder as layouts
from headstart.sources.text.files.modules import FIELDS
from headstart.sources.text.networks import transformer
from headstart.sources.text.networks.backbone import TextBackbone

MASKS = ("[MASK]", "<mask>")
"""How tokenizers write the token that stands for a hidden word."""
NAMES = {"cls_token": ("[CLS]", "<s>"), "sep_token": ("[SEP]", "</s>"), "unk_token": ("[UNK]", "<unk>")}
"""Other special tokens by what `transformers` calls them."""


def encoder_only(backbone: Backbone) -> TextBackbone:
    """The backbone. Raises `SourceError` for what is no encoder of Hugging Face that can be written alone."""
    architecture, spec = backbone.source.architecture, backbone.source.spec
    encoder = "take an encoder, such as a BERT or a MiniLM"
    if not isinstance(backbone, TextBackbone) or architecture.get("library") != layouts.LIBRARY:
        raise SourceError(spec, "it is no network of Hugging Face", "name one by hf/NAME or file:FOLDER")
    config = {"model_type": architecture["arch"], **architecture.get("kwargs", {})}
    if layouts.is_causal(config):
        problem = "its tokens see only those before them, so no word can be guessed from both sides"
        raise SourceError(spec, problem, encoder)
    if transformer.configuration(architecture, spec).is_encoder_decoder:
        problem = "its encoder belongs to a decoder, and cannot be written without it"
        raise SourceError(spec, problem, encoder)
    return backbone


def token_numbers(backbone: Backbone) -> tuple[int, frozenset[int]]:
    """(the token that stands for a hidden word, all special ones). Raises `SourceError` without the first."""
    content = json.loads(text_input(backbone.source).encoder)
    added = content.get("added_tokens") or ()
    special = frozenset(int(token["id"]) for token in added if token.get("special"))
    mask = next((int(token["id"]) for token in added if token.get("content") in MASKS), None)
    if mask is None:
        problem = "its tokenizer has no token that stands for a hidden word"
        raise SourceError(backbone.source.spec, problem, "take another source")
    return mask, special


def named_tokens(contract: TextPreprocessing) -> dict[str, str]:
    """What `transformers` calls the special tokens of a tokenizer, which do not say it themselves."""
    added = {t["id"]: t["content"] for t in json.loads(contract.encoder).get("added_tokens") or ()}
    found = {"pad_token": added[contract.pad]} if contract.pad in added else {}
    for name, known in (("mask_token", MASKS), *NAMES.items()):
        content = next((one for one in added.values() if one in known), None)
        if content is not None:
            found[name] = content
    return found


def save(
    architecture: Mapping[str, Any], tensors: Mapping[str, np.ndarray], backbone: Backbone, place: Path
) -> None:
    """Write a network of the backbone's architecture with these weights (those of `Backbone.module`)."""
    with torch.random.fork_rng(devices=[]):
        network: Any = transformer.build(architecture)
    network.load_state_dict({name: torch.from_numpy(np.array(value)) for name, value in tensors.items()})
    with transformer.quietly():
        network.save_pretrained(str(place))
    contract = text_input(backbone.source)
    steps = [("Transformer", ""), ("Pooling", "1_Pooling")]
    steps += [("Normalize", "2_Normalize")] if contract.normalize else []
    prompts = {"own": contract.prefix} if contract.prefix else {}
    contents: dict[str, Any] = {
        "tokenizer_config.json": {
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": contract.max_length,
            **named_tokens(contract),
        },
        "modules.json": [
            {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
            for number, (kind, path) in enumerate(steps)
        ],
        "1_Pooling/config.json": {
            "word_embedding_dimension": backbone.stages[-1].channels,
            **{field: pooling == contract.pooling for field, pooling in FIELDS.items()},
        },
        "sentence_bert_config.json": {"max_seq_length": contract.max_length, "do_lower_case": False},
        "config_sentence_transformers.json": {
            "prompts": prompts,
            "default_prompt_name": "own" if prompts else None,
        },
    }
    (place / "tokenizer.json").write_text(contract.encoder, encoding="utf-8")
    for name, content in contents.items():
        path = place / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content, ensure_ascii=False, indent=1), encoding="utf-8")


def prove(tensors: Mapping[str, np.ndarray], backbone: Backbone, place: Path) -> None:
    """Open what `save` wrote. Raises `SourceError` where that fails, or gives other weights."""
    source = replace(backbone.source, spec=f"file:{place}", sha256=None)
    try:
        found = opening.open_folder(source, place).module.state_dict()
        same = found.keys() == tensors.keys() and all(
            np.array_equal(found[name].numpy(), value) for name, value in tensors.items()
        )
        reason = "" if same else "its weights are others than those written"
    except HeadstartError as error:
        reason = str(error)
    if reason:
        problem = f"what was trained cannot be opened again from {place} ({reason})"
        remedy = "the training is kept there, and the same command writes it again"
        raise SourceError(backbone.source.spec, problem, remedy)

"""Tiny text models of every family, with random weights, laid out as Hugging Face does.

Real configurations, real weight files and a real tokenizer, in milliseconds and without a download:

    from made.pretrained import write_model
    backbone = headstart.sources.load(f"hf:{write_model(folder, 'bert')}")
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import torch

from headstart._lazy import optional
from headstart.sources.text.files import folder as layouts
from headstart.sources.text.generators import writing
from headstart.sources.text.networks import transformer
from headstart.testing.texts import WORDS

WIDTH, LAYERS, HEADS, LENGTH = 16, 3, 4, 40
_PLAIN = {
    "hidden_size": WIDTH,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "intermediate_size": 2 * WIDTH,
    "max_position_embeddings": LENGTH,
}
_GROUPED = {**_PLAIN, "num_key_value_heads": 2, "bos_token_id": None, "eos_token_id": None}
_DISENTANGLED = {
    **_PLAIN,
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "position_buckets": 8,
    "position_biased_input": False,
    "norm_rel_ebd": "layer_norm",
}

FAMILIES: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "bert": ("bert", _PLAIN),
    "distilbert": (
        "distilbert",
        {
            "dim": WIDTH, "n_layers": LAYERS, "n_heads": HEADS, "hidden_dim": 32,
            "max_position_embeddings": LENGTH,
        },
    ),
    "roberta": (
        "roberta",
        {**_PLAIN, "type_vocab_size": 1, "pad_token_id": 1, "max_position_embeddings": LENGTH + 2},
    ),
    "mpnet": ("mpnet", {**_PLAIN, "pad_token_id": 1, "max_position_embeddings": LENGTH + 2}),
    "modernbert": (
        "modernbert",
        {
            **_PLAIN, "global_attn_every_n_layers": 2, "local_attention": 8, "bos_token_id": 2,
            "eos_token_id": 3, "cls_token_id": 2, "sep_token_id": 3,
        },
    ),
    "deberta": ("deberta", {**_PLAIN, "relative_attention": True, "pos_att_type": ["p2c", "c2p"]}),
    "deberta-v2": ("deberta-v2", {**_DISENTANGLED, "conv_kernel_size": 3, "conv_act": "gelu"}),
    "deberta-v3": ("deberta-v2", {**_DISENTANGLED, "share_att_key": True}),
    "gpt2": (
        "gpt2",
        {
            "n_embd": WIDTH, "n_layer": LAYERS, "n_head": HEADS, "n_positions": LENGTH,
            "bos_token_id": None, "eos_token_id": None,
        },
    ),
    "llama": ("llama", _GROUPED),
    "qwen2": ("qwen2", _GROUPED),
    "t5": (
        "t5",
        {
            "d_model": WIDTH, "d_kv": 4, "d_ff": 32, "num_layers": LAYERS, "num_heads": HEADS,
            "relative_attention_num_buckets": 8,
        },
    ),
    "bart": (
        "bart",
        {
            "d_model": WIDTH, "encoder_layers": LAYERS, "decoder_layers": 1,
            "encoder_attention_heads": HEADS, "decoder_attention_heads": HEADS, "encoder_ffn_dim": 32,
            "decoder_ffn_dim": 32, "pad_token_id": 1, "max_position_embeddings": LENGTH,
            "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2,
            "forced_eos_token_id": None,
        },
    ),
    "electra": ("electra", {**_PLAIN, "embedding_size": 8}),
    "albert": ("albert", {**_PLAIN, "embedding_size": 8, "num_hidden_groups": 1}),
}  # fmt: skip
"""Name -> (model type of transformers, its configuration)."""
CAUSAL = ("gpt2", "llama", "qwen2")
_PAIR = {**FAMILIES["bart"][1], "decoder_layers": 2, "encoder_layers": 2}
WRITERS: Mapping[str, tuple[str, Mapping[str, Any]]] = {
    "t5": ("t5", {**FAMILIES["t5"][1], "num_layers": 2, "eos_token_id": 3, "decoder_start_token_id": 0}),
    "bart": ("bart", {**_PAIR, "forced_bos_token_id": 0}),
    "marian": ("marian", {**_PAIR, "decoder_start_token_id": 1}),
    "mbart": ("mbart", {**_PAIR, "forced_bos_token_id": 5}),
    "pegasus": ("pegasus", {**_PAIR, "decoder_start_token_id": 1}),
    "gpt2": ("gpt2", {**FAMILIES["gpt2"][1], "n_layer": 2, "eos_token_id": 3}),
    "llama": ("llama", {**FAMILIES["llama"][1], "num_hidden_layers": 2, "eos_token_id": 3}),
    "qwen2": ("qwen2", {**FAMILIES["qwen2"][1], "num_hidden_layers": 2, "eos_token_id": 3}),
}
"""The same for networks that write; 2 or 3 ends a text, as the tokenizer has it."""


def configuration(family: str, words: int) -> dict[str, Any]:
    """The content of a config.json."""
    kind, fields = FAMILIES[family]
    return {"pad_token_id": 0, **fields, "model_type": kind, "vocab_size": words}


def tokenizer(family: str, words: Sequence[str] = WORDS, pad: int | None = None) -> Any:
    """A tokenizer of whole words, with the family's special tokens."""
    tokenizers = optional("tokenizers", extra="text", needed_for="tiny text models")
    pad = int(FAMILIES[family][1].get("pad_token_id") or 0) if pad is None else pad
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    if pad == 1:
        special[:3] = ["[CLS]", "[PAD]", "[UNK]"]
    numbers = {word: number for number, word in enumerate([*special, *words])}
    found = tokenizers.Tokenizer(tokenizers.models.WordLevel(numbers, unk_token="[UNK]"))
    found.normalizer = tokenizers.normalizers.Lowercase()
    found.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    found.add_special_tokens(special)
    if family not in CAUSAL:
        ends = [(name, numbers[name]) for name in ("[CLS]", "[SEP]")]
        found.post_processor = tokenizers.processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ends
        )
    return found


def write_model(folder: Path, family: str = "bert", *, seed: int = 0, words: Sequence[str] = WORDS) -> Path:
    """A model of that family with random weights, laid out as Hugging Face does; gives the folder.

    The weights are those of the whole model: with a pooler, or a decoder, where the family has one.
    """
    from safetensors.torch import save_model

    folder.mkdir(parents=True, exist_ok=True)
    encoder = tokenizer(family, words)
    config = configuration(family, encoder.get_vocab_size())
    architecture = layouts.architecture(config, family)
    if config["model_type"] == layouts.SHARED:  # in the file its layer is one
        architecture["kwargs"]["num_hidden_groups"] = 1
    library = transformer.library()
    with transformer.quietly(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = library.AutoModel.from_config(transformer.configuration(architecture))
        _spread(network)
    save_model(network, str(folder / layouts.SAFE), metadata={"format": "pt"})
    (folder / "config.json").write_text(json.dumps(config))
    encoder.save(str(folder / "tokenizer.json"))
    named = {f"{name.lower()}_token": f"[{name}]" for name in ("PAD", "UNK", "CLS", "SEP", "MASK")}
    settings = {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": LENGTH, **named}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return folder


def write_writer(
    folder: Path, family: str = "t5", *, seed: int = 0, words: Sequence[str] = WORDS, **fields: Any
) -> Path:
    """A network of that family that writes, with random weights, laid out as Hugging Face does; gives the folder.
    `fields` of its configuration are as given."""
    kind, own = WRITERS[family]
    encoder = tokenizer(family, words, pad=int(own.get("pad_token_id") or 0))
    config = {"pad_token_id": 0, **own, "model_type": kind, "vocab_size": encoder.get_vocab_size(), **fields}
    architecture = layouts.architecture(config, family)
    with transformer.quietly(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network: Any = writing.build(architecture)
        _spread(network)
        network.save_pretrained(str(folder))
    (folder / "generation_config.json").unlink(missing_ok=True)
    (folder / "config.json").write_text(json.dumps(config))
    encoder.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": LENGTH}))
    return folder


COLOURS = {"red": "rote", "blue": "blaue", "black": "schwarze", "white": "weisse"}
BEASTS = {"dog": "hund", "horse": "pferd", "bird": "vogel", "sheep": "schaf"}
DEEDS = {"runs fast": "rennt schnell", "sleeps here": "schlummert dort", "eats bread": "frisst brot"}
PAIRS = [
    (f"the {c} {b} {d}", f"der {COLOURS[c]} {BEASTS[b]} {DEEDS[d]}")
    for c, b, d in product(COLOURS, BEASTS, DEEDS)
]
"""48 sentences in English and, nearly, in German."""
SPOKEN = tuple(dict.fromkeys(" ".join(map(" ".join, PAIRS)).split()))
"""Their words."""


def write_taught(folder: Path, family: str = "t5", *, steps: int = 120, pairs: Any = PAIRS) -> Path:
    """A network of that family that has learnt pairs of sentences, laid out as Hugging Face does; gives the
    folder."""
    from headstart import modalities, sources
    from headstart.modalities.text import Text
    from headstart.strategies.sentences._writing import table, token_loss

    backbone: Any = sources.load(f"hf:{write_writer(folder, family, words=SPOKEN)}").prompted(())  # type: ignore[attr-defined]
    generator = backbone.generator().fresh(0)
    room = modalities.get("text")
    prepared = [room.prepare(Text(first), backbone.source.input) for first, _ in pairs]
    states = torch.from_numpy(room.collate(prepared))
    answers = torch.from_numpy(table(generator, [second for _, second in pairs]))
    optimizer = torch.optim.AdamW(generator.module.parameters(), lr=1e-2)
    generator.module.eval()
    for _ in range(steps):
        optimizer.zero_grad()
        token_loss(generator.logits(states, answers, "input"), answers).mean().backward()
        optimizer.step()
    with transformer.quietly():
        generator.module.save_pretrained(str(folder))
    (folder / "generation_config.json").unlink(missing_ok=True)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": WRITERS[family][0]}))
    return folder


@torch.no_grad()
def _spread(network: torch.nn.Module) -> None:
    """Weights large enough that the layers do something: the families' own are meant for wide networks."""
    for name, parameter in network.named_parameters():
        if parameter.ndim > 1 and parameter.requires_grad:  # what a formula gives is left alone
            parameter.normal_(0, 0.3)
        elif name.endswith("bias"):
            parameter.normal_(0, 0.1)


def write_sentence_model(
    folder: Path,
    family: str = "bert",
    *,
    pooling: str = "mean",
    normalize: bool = True,
    prompts: Mapping[str, str] | None = None,
    prompt: str | None = None,
    seed: int = 0,
) -> Path:
    """The same as sentence-transformers lays it out; `prompt` is the name of the one used by default."""
    write_model(folder, family, seed=seed)
    steps = [("Transformer", ""), ("Pooling", "1_Pooling")] + (
        [("Normalize", "2_Normalize")] if normalize else []
    )
    modules = [
        {"idx": number, "name": str(number), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for number, (kind, path) in enumerate(steps[: 3 if normalize else 2])
    ]
    fields = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens", "last": "lasttoken"}
    modes = {f"pooling_mode_{field}": name == pooling for name, field in fields.items()}
    contents: dict[str, Any] = {
        "modules.json": modules,
        "1_Pooling/config.json": {"word_embedding_dimension": WIDTH, **modes},
        "sentence_bert_config.json": {"max_seq_length": LENGTH - 8, "do_lower_case": False},
        "config_sentence_transformers.json": {"prompts": dict(prompts or {}), "default_prompt_name": prompt},
    }
    for name, content in contents.items():
        path = folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(content))
    return folder

"""Model folders as Hugging Face and sentence-transformers lay them out: read without loading any weights.

A folder holds config.json, a tokenizer, and weights; one of sentence-transformers also modules.json (see
`headstart.sources.text.files.modules`).
"""

from __future__ import annotations

import operator
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from math import prod
from pathlib import Path
from typing import Any

from headstart.core import untrusted
from headstart.core.source import Source
from headstart.core.untrusted import limits
from headstart.errors import SourceError
from headstart.modalities.text.preprocessing import LONGEST, TextPreprocessing
from headstart.sources.files.weights import readable
from headstart.sources.text.files import tokenizer
from headstart.sources.text.files.modules import Modules, record

LIBRARY = "transformers"
DROPPED = frozenset(
    {
        "_name_or_path", "architectures", "auto_map", "custom_pipelines", "dtype", "torch_dtype", "id2label",
        "label2id", "model_type", "problem_type", "quantization_config", "transformers_version",
        "_attn_implementation", "output_attentions", "output_hidden_states", "return_dict", "use_cache",
        "gradient_checkpointing", "attn_implementation", "experts_implementation", "trust_remote_code",
        "backbone", "backbone_kwargs", "use_pretrained_backbone", "use_timm_backbone",
        "architecture", "model_args", "checkpoint_path", "name_or_path",
    }
)  # fmt: skip
"""Fields of a configuration that say nothing about the network itself, or with which `transformers` would
fetch other code or weights: the name of an attention may be that of a repository whose kernels it runs."""
SHARED = "albert"
"""ALBERT runs one layer again and again. Here each place gets a copy of it, which computes the same: trained
from a cut, a shared layer would change what lies before the cut."""
SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"
WEIGHTS = (SAFE, f"{SAFE}.index.json", PICKLED, f"{PICKLED}.index.json")
"""Weight files, the wanted ones first; an index names the files that weights are spread over."""
LENGTH = 512
"""Longest text where neither the network nor its tokenizer has a limit."""
CAUSAL = frozenset(
    {
        "biogpt", "bloom", "codegen", "cohere", "cohere2", "falcon", "gemma", "gemma2", "gemma3_text", "glm",
        "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox", "gptj", "granite", "llama", "mistral", "mixtral", "mpt",
        "nemotron", "olmo", "olmo2", "opt", "persimmon", "phi", "phi3", "qwen2", "qwen2_moe", "qwen3",
        "qwen3_moe", "smollm3", "stablelm", "starcoder2", "xglm",
    }
)  # fmt: skip
"""Model types whose tokens see only those before them."""
PAIRS = frozenset(
    {
        "bart", "bigbird_pegasus", "blenderbot", "blenderbot-small", "fsmt", "led", "longt5", "m2m_100",
        "marian",
        "mbart", "mt5", "mvp", "nllb-moe", "pegasus", "pegasus_x", "plbart", "prophetnet",
        "switch_transformers",
        "t5", "t5gemma", "umt5", "xlm-prophetnet",
    }
)  # fmt: skip
"""Model types that are an encoder with a decoder that writes."""
OFFSET = frozenset(
    {
        "camembert", "data2vec-text", "esm", "luke", "markuplm", "mpnet", "roberta", "roberta-prelayernorm",
        "xlm-roberta", "xlm-roberta-xl", "xmod",
    }
)  # fmt: skip
"""Model types that number positions from the padding token on: so many fewer are there for tokens."""
UNUSED = re.compile(r"(^|\.)(lm_head|cls|pooler|classifier|decoder|vocab_\w+|predictions)\.")
"""Tensors of a file that an encoder has no use for."""


@dataclass(frozen=True)
class Layout:
    """What a folder says; no weights yet."""

    spec: str
    folder: Path
    """Where the network lies; sentence-transformers may put it into a folder of its own."""
    config: dict[str, Any] = field(repr=False)
    contract: TextPreprocessing

    @property
    def architecture(self) -> dict[str, Any]:
        """In JSON, as `Source.architecture`. Raises `SourceError`."""
        return architecture(self.config, self.spec)

    @property
    def weights(self) -> tuple[Path, ...]:
        """The files that hold them. Raises `SourceError`."""
        return weight_files(self.folder, self.spec)


def is_model(folder: Path) -> bool:
    """Whether a folder looks like a model."""
    return folder.is_dir() and ((folder / "config.json").is_file() or (folder / "modules.json").is_file())


def read(root: Path, spec: str) -> Layout:
    """See the module. Raises `SourceError` for what is missing, damaged or not supported."""
    with readable(spec, f"the files in {root} cannot be used", "fetch it again"):  # fields of other types
        modules = Modules.read(root, spec)
        folder = root / modules.network
        config = record(folder / "config.json", spec)
        encoder, settings = tokenizer.read(folder, spec, lowercase=modules.lowercase)
        contract = TextPreprocessing(
            encoder=encoder,
            max_length=_length(config, modules.length or settings.get("model_max_length")),
            prefix=modules.prefix,
            pooling=modules.pooling or own_pooling(config),
            normalize=modules.normalize,
            pad=tokenizer.pad(encoder, settings, config),
        )
        return Layout(spec, folder, config, contract)


def architecture(config: Mapping[str, Any], spec: str) -> dict[str, Any]:
    """The content of a config.json -> an architecture in JSON. Raises `SourceError`."""
    arch = config.get("model_type") or ""
    if not isinstance(arch, str):
        raise SourceError(spec, f"its config.json has the model_type {str(arch)[:60]}", "fetch it again")
    if config.get("quantization_config"):
        raise SourceError(spec, "its weights are quantised, which is not supported", "take the plain ones")
    if not arch:
        raise SourceError(spec, "its config.json does not say its model_type", "name the folder of a model")
    kwargs = plain(config)
    if arch == SHARED:
        kwargs["num_hidden_groups"] = kwargs.get("num_hidden_layers", 12)
    return {"library": LIBRARY, "arch": arch, "kwargs": kwargs}


def plain(config: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration without what is `DROPPED` and without private fields; so are those inside it, whose
    types say what they are."""
    return {
        key: _inner(value) if isinstance(value, Mapping) else value
        for key, value in config.items()
        if key not in DROPPED and not key.startswith("_")
    }


def _inner(config: Mapping[str, Any]) -> dict[str, Any]:
    kind = {"model_type": config["model_type"]} if "model_type" in config else {}
    return {**kind, **plain(config)}


def files(root: Path, spec: str) -> tuple[Path, ...]:
    """The weights, and all that says how they are used. Raises `SourceError`."""
    told = [path for name in ("*.json", "*/*.json", "*.txt", "*.model") for path in root.glob(name)]
    return tuple(sorted({*told, *weight_files(root / Modules.read(root, spec).network, spec)}))


def weight_files(folder: Path, spec: str) -> tuple[Path, ...]:
    """The weight file, or the files that an index names. Raises `SourceError` when there are none."""
    for name in WEIGHTS:
        path = folder / name
        if not path.is_file():
            continue
        if path.suffix != ".json":
            return (path,)
        named = record(path, spec).get("weight_map")
        if not isinstance(named, dict):
            raise SourceError(spec, f"{path} names no files", "fetch it again")
        files = tuple(folder / Path(str(file)).name for file in sorted(set(named.values())))
        lost = [file.name for file in files if len(file.name.encode()) > 255 or not file.is_file()]
        if lost:
            raise SourceError(
                spec, f"weight files are missing in {folder}: {', '.join(lost[:3])}", "fetch it again"
            )
        return files
    raise SourceError(spec, f"there are no weights in {folder}", f"a model folder has {SAFE}, or {PICKLED}")


def own_pooling(config: dict[str, Any]) -> str:
    """Where nothing is said: the last token where tokens see only those before them, else the mean."""
    return "last" if is_causal(config) else "mean"


def is_causal(config: dict[str, Any]) -> bool:
    """Whether tokens see only those before them."""
    if config.get("is_encoder_decoder"):
        return False
    if config.get("is_decoder"):
        return True
    names = [str(name) for name in config.get("architectures") or ()]
    return config.get("model_type") in CAUSAL or any(name.endswith("ForCausalLM") for name in names)


def _length(config: dict[str, Any], wanted: Any) -> int:
    """The smaller of what the network has positions for and what it was set to read."""
    names = ("max_position_embeddings", "n_positions", "max_seq_len")
    positions = next((config[name] for name in names if name in config), None)
    found = []
    if isinstance(positions, int) and positions > 0 and config.get("model_type") not in ("t5", "mt5", "umt5"):
        taken = int(config.get("pad_token_id", 1) or 0) + 1 if config.get("model_type") in OFFSET else 0
        found.append(positions - taken)
    if isinstance(wanted, int | float) and 0 < wanted < 1e6:  # "no limit" is written as 1e30
        found.append(int(wanted))
    return max(2, min(LONGEST, *found) if found else LENGTH)


def described(source: Source, root: Path) -> Source:
    """The record, completed with what a folder says. Raises `SourceError`."""
    found = completed(source, root, read(root, source.spec))
    return replace(found, writes=writes(found.architecture))


def completed(source: Source, root: Path, layout: Any) -> Source:
    """The record, completed with the `Layout` of a folder and what its weight files say of themselves."""
    weights = layout.weights
    return replace(
        source,
        modality=layout.contract.modality,
        architecture=layout.architecture,
        input=layout.contract,
        parameters=source.parameters or _parameters(weights),
        sha256=_blob(weights),
        revision=root.name if root.parent.name == "snapshots" else None,
        local=True,
        size_bytes=sum(file.stat().st_size for file in weights),
    )


def writes(architecture: Mapping[str, Any]) -> bool:
    """Whether a source writes texts, by its record alone: its files may still lack the decoder."""
    return architecture.get("arch") in PAIRS | CAUSAL


def is_usable(root: Path) -> bool:
    """Whether there is a tokenizer."""
    return any((root / name).is_file() for name in (tokenizer.NAME, *tokenizer.SLOW, "modules.json"))


def _blob(files: Sequence[Path]) -> str | None:
    """The SHA-256 that the hub's cache names a weight file by."""
    name = files[0].resolve().name if len(files) == 1 else ""
    return name if re.fullmatch(r"[0-9a-f]{64}", name) else None


def _parameters(files: Sequence[Path]) -> int | None:
    """Numbers in the weight files, as far as their heads tell without reading them."""
    total = 0
    for path in files:
        if path.suffix != ".safetensors":
            return None
        try:
            with path.open("rb") as file, untrusted.parsing():
                (length,) = struct.unpack("<Q", file.read(8))
                head = untrusted.read_object(file.read(min(length, limits.JSON_BYTES)))
                shapes = [v["shape"] for k, v in head.items() if "shape" in v and not UNUSED.search(k)]
                total += sum(prod(map(operator.index, shape)) for shape in shapes)
        except (OSError, untrusted.Damaged):
            return None  # a damaged file is told about when it is read
    return total or None

"""Model folders as Hugging Face and sentence-transformers lay them out: read without loading any weights.

A folder holds config.json, a tokenizer, and weights; one of sentence-transformers also modules.json, which
says how the states of the tokens become one vector.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from headstart.core.source import TextContract
from headstart.errors import SourceError
from headstart.sources.text import tokenizer

LIBRARY = "transformers"
DROPPED = frozenset(
    {
        "_name_or_path", "architectures", "auto_map", "custom_pipelines", "dtype", "torch_dtype", "id2label",
        "label2id", "model_type", "problem_type", "quantization_config", "transformers_version",
        "_attn_implementation", "output_attentions", "output_hidden_states", "return_dict", "use_cache",
        "gradient_checkpointing",
    }
)  # fmt: skip
"""Fields of a configuration that say nothing about the network itself."""
SHARED = "albert"
"""ALBERT runs one layer again and again. Here each place gets a copy of it, which computes the same: trained
from a cut, a shared layer would change what lies before the cut."""
SAFE, PICKLED = "model.safetensors", "pytorch_model.bin"
WEIGHTS = (SAFE, f"{SAFE}.index.json", PICKLED, f"{PICKLED}.index.json")
"""Weight files, the wanted ones first; an index names the files that weights are spread over."""
LENGTH = 512
"""Longest text where neither the network nor its tokenizer has a limit."""
POOLINGS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last",
    "cls": "cls",
    "mean": "mean",
    "max": "max",
    "lasttoken": "last",
}
"""Ours, for a field of sentence-transformers' pooling that is true, or for its "pooling_mode"."""
CAUSAL = frozenset(
    [
        "biogpt",
        "bloom",
        "codegen",
        "cohere",
        "cohere2",
        "falcon",
        "gemma",
        "gemma2",
        "gemma3_text",
        "glm",
        "gpt2",
        "gpt_bigcode",
        "gpt_neo",
        "gpt_neox",
        "gptj",
        "granite",
        "llama",
        "mistral",
        "mixtral",
        "mpt",
        "nemotron",
        "olmo",
        "olmo2",
        "opt",
        "persimmon",
        "phi",
        "phi3",
        "qwen2",
        "qwen2_moe",
        "qwen3",
        "qwen3_moe",
        "smollm3",
        "stablelm",
        "starcoder2",
        "xglm",
    ]
)
"""Model types whose tokens see only those before them."""
OFFSET = frozenset(
    [
        "camembert",
        "data2vec-text",
        "mpnet",
        "roberta",
        "roberta-prelayernorm",
        "xlm-roberta",
        "xlm-roberta-xl",
    ]
)
"""Model types that number positions from the padding token on: so many fewer are there for tokens."""


@dataclass(frozen=True)
class Layout:
    """What a folder says; no weights yet."""

    spec: str
    folder: Path
    """Where the network lies; sentence-transformers may put it into a folder of its own."""
    config: dict[str, Any] = field(repr=False)
    contract: TextContract

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


def read(root: Path, spec: str, *, pairs: str = "joint") -> Layout:
    """See the module. Raises `SourceError` for what is missing, damaged or not supported."""
    modules = Modules.read(root, spec)
    folder = root / modules.network
    config = record(folder / "config.json", spec)
    encoder, settings = tokenizer.read(folder, spec, lowercase=modules.lowercase)
    contract = TextContract(
        encoder=encoder,
        max_length=modules.length or _length(config, settings),
        prefix=modules.prefix,
        pairs=pairs,
        pooling=modules.pooling or own_pooling(config),
        normalize=modules.normalize,
        pad=tokenizer.pad(encoder, settings, config),
    )
    return Layout(spec, folder, config, contract)


def architecture(config: Mapping[str, Any], spec: str) -> dict[str, Any]:
    """The content of a config.json -> an architecture in JSON. Raises `SourceError`."""
    arch = str(config.get("model_type") or "")
    if not arch:
        raise SourceError(spec, "its config.json does not say its model_type", "name the folder of a model")
    kwargs = {key: value for key, value in config.items() if key not in DROPPED}
    if arch == SHARED:
        kwargs["num_hidden_groups"] = kwargs.get("num_hidden_layers", 12)
    return {"library": LIBRARY, "arch": arch, "kwargs": kwargs}


def record(path: Path, spec: str) -> dict[str, Any]:
    """A JSON object. Raises `SourceError`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SourceError(
            spec, f"there is no {path.name} in {path.parent}", "name the folder of a model of Hugging Face"
        ) from None
    except (OSError, ValueError) as error:
        raise SourceError(spec, f"{path} cannot be read ({error})", "fetch it again") from error
    if not isinstance(found, dict):
        raise SourceError(spec, f"{path} is not a JSON object", "fetch it again")
    return found


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
        lost = [file.name for file in files if not file.is_file()]
        if lost:
            raise SourceError(
                spec, f"weight files are missing in {folder}: {', '.join(lost[:3])}", "fetch it again"
            )
        return files
    raise SourceError(spec, f"there are no weights in {folder}", f"a model folder has {SAFE}, or {PICKLED}")


def own_pooling(config: dict[str, Any]) -> str:
    """Where nothing is said: the last token of a network whose tokens see only those before, else the mean."""
    return "last" if is_causal(config) else "mean"


def is_causal(config: dict[str, Any]) -> bool:
    """Whether tokens see only those before them."""
    if config.get("is_encoder_decoder"):
        return False
    if config.get("is_decoder"):
        return True
    names = [str(name) for name in config.get("architectures") or ()]
    return config.get("model_type") in CAUSAL or any(name.endswith("ForCausalLM") for name in names)


def _length(config: dict[str, Any], settings: dict[str, Any]) -> int:
    """The smaller of what the network has positions for and what its tokenizer was set to."""
    positions = config.get("max_position_embeddings", config.get("n_positions"))
    found = []
    if isinstance(positions, int) and positions > 0 and config.get("model_type") not in ("t5", "mt5", "umt5"):
        taken = int(config.get("pad_token_id") or 0) + 1 if config.get("model_type") in OFFSET else 0
        found.append(positions - taken)
    most = settings.get("model_max_length")
    if isinstance(most, int | float) and 0 < most < 1e6:  # "no limit" is written as 1e30
        found.append(int(most))
    return max(2, min(found, default=LENGTH))


@dataclass(frozen=True)
class Modules:
    """What sentence-transformers says beside the network."""

    network: str = "."
    """Folder of the network."""
    pooling: str = ""
    normalize: bool = False
    length: int = 0
    lowercase: bool = False
    prefix: str = ""

    @classmethod
    def read(cls, root: Path, spec: str) -> Modules:
        """From modules.json and what it names; a folder without one says nothing. Raises `SourceError`."""
        if not root.is_dir():
            raise SourceError(spec, f"there is no folder {root}", "correct the path")
        path = root / "modules.json"
        if not path.is_file():
            return cls()
        steps = _steps(path, spec)
        kinds = [kind for kind, _ in steps]
        if kinds[:1] != ["Transformer"] or kinds[1:] not in (
            [],
            ["Pooling"],
            ["Pooling", "Normalize"],
            ["Normalize"],
        ):
            strange = next((k for k in kinds if k not in ("Transformer", "Pooling", "Normalize")), "")
            what = (
                f"a step that is not supported: {strange}" if strange else f"these steps: {', '.join(kinds)}"
            )
            raise SourceError(
                spec,
                f"its modules.json has {what}",
                "a network, its pooling and scaling to length 1 are supported; take another source",
            )
        network = steps[0][1]
        settings = _if_there(root / network / "sentence_bert_config.json", spec)
        prefix = _prefix(_if_there(root / "config_sentence_transformers.json", spec), spec)
        return cls(
            network=network or ".",
            pooling=_pooling(root / steps[1][1] / "config.json", prefix, spec) if "Pooling" in kinds else "",
            normalize="Normalize" in kinds,
            length=int(settings.get("max_seq_length") or 0),
            lowercase=bool(settings.get("do_lower_case")),
            prefix=prefix,
        )


def _steps(path: Path, spec: str) -> list[tuple[str, str]]:
    """(kind, folder) of every step in modules.json."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        steps = [(str(step["type"]).rpartition(".")[2], str(step.get("path", ""))) for step in found]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise SourceError(spec, f"{path} cannot be read ({error})", "fetch it again") from error
    if any(Path(folder).is_absolute() or ".." in Path(folder).parts for _, folder in steps):
        raise SourceError(spec, f"{path} names folders outside its own", "fetch it again")
    return steps


def _if_there(path: Path, spec: str) -> dict[str, Any]:
    return record(path, spec) if path.is_file() else {}


def _pooling(path: Path, prefix: str, spec: str) -> str:
    config = record(path, spec)
    named = config.get("pooling_mode")
    true = [named] if isinstance(named, str) else list(named or ())
    true = true or [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    if len(true) != 1 or true[0] not in POOLINGS:
        raise SourceError(
            spec,
            f"its pooling is not supported ({', '.join(map(str, true)) or 'none named'})",
            "first token, mean, maximum and last token are; take another source",
        )
    if prefix and config.get("include_prompt") is False:
        raise SourceError(
            spec,
            "its pooling leaves out the tokens of the prompt, which is not supported",
            "take another source",
        )
    return POOLINGS[true[0]]


def _prefix(config: dict[str, Any], spec: str) -> str:
    """The prompt that is used when none is named."""
    name, prompts = config.get("default_prompt_name"), config.get("prompts") or {}
    if name is None:
        return ""
    if not isinstance(prompts, dict) or name not in prompts:
        raise SourceError(spec, f"its prompt {name!r} is named, but not given", "fetch it again")
    return str(prompts[name] or "")

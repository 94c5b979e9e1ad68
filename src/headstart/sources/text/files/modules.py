"""What sentence-transformers writes beside a network: how the states of tokens become one vector."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from headstart.core import untrusted
from headstart.errors import SourceError
from headstart.sources.files.weights import readable

KNOWN = (
    ["Transformer"], ["Transformer", "Pooling"], ["Transformer", "Pooling", "Normalize"],
    ["Transformer", "Normalize"],
)  # fmt: skip
"""Steps of a modules.json that are understood."""
FIELDS = {
    "pooling_mode_cls_token": "cls",
    "pooling_mode_mean_tokens": "mean",
    "pooling_mode_max_tokens": "max",
    "pooling_mode_lasttoken": "last",
}
POOLINGS = {**FIELDS, "cls": "cls", "mean": "mean", "max": "max", "lasttoken": "last"}
"""Ours, for a field of sentence-transformers' pooling that is true, or for its "pooling_mode"."""


def record(path: Path, spec: str) -> dict[str, Any]:
    """A JSON object. Raises `SourceError`."""
    with readable(spec, f"{path} cannot be read", "fetch it again"):
        if not path.exists():
            problem = f"there is no {path.name} in {path.parent}"
            raise SourceError(spec, problem, "name the folder of a model of Hugging Face")
        return untrusted.read_object(path)


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
        if kinds not in KNOWN:
            problem = "its modules.json has steps that are not supported together"
            remedy = "Transformer, then Pooling, then Normalize are; take another source"
            raise SourceError(spec, f"{problem}: {', '.join(kinds) or 'none'}", remedy)
        network = steps[0][1]
        settings = _if_there(root / network / "sentence_bert_config.json", spec)
        prefix = _prefix(_if_there(root / "config_sentence_transformers.json", spec), spec)
        return cls(
            network=network or ".",
            pooling=_pooling(root / steps[1][1] / "config.json", prefix, spec) if "Pooling" in kinds else "",
            normalize="Normalize" in kinds,
            length=length if isinstance(length := settings.get("max_seq_length"), int) else 0,
            lowercase=bool(settings.get("do_lower_case")),
            prefix=prefix,
        )


def _steps(path: Path, spec: str) -> list[tuple[str, str]]:
    """(kind, folder) of every step in modules.json."""
    with readable(spec, f"{path} cannot be read", "fetch it again"):
        found = untrusted.read_json(path)
        steps = [(str(step["type"]).rpartition(".")[2], str(step.get("path", ""))) for step in found]
    if any(len(part.encode()) > 255 for _, folder in steps for part in Path(folder).parts):
        raise SourceError(spec, f"{path} names folders that there cannot be", "fetch it again")
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
        problem = f"its pooling is not supported ({', '.join(map(str, true)) or 'none named'})"
        remedy = "first token, mean, maximum and last token are; take another source"
        raise SourceError(spec, problem, remedy)
    if prefix and config.get("include_prompt") is False:
        problem = "its pooling leaves out the tokens of the prompt, which is not supported"
        raise SourceError(spec, problem, "take another source")
    return POOLINGS[true[0]]


def _prefix(config: dict[str, Any], spec: str) -> str:
    """The prompt that is used when none is named."""
    name, prompts = config.get("default_prompt_name"), config.get("prompts") or {}
    if name is None:
        return ""
    if not isinstance(prompts, dict) or name not in prompts:
        raise SourceError(spec, f"its prompt {name!r} is named, but not given", "fetch it again")
    return str(prompts[name] or "")

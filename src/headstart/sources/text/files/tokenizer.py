"""A source's own tokenizer, as the JSON of the package `tokenizers`."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart._lazy import optional
from headstart.core import untrusted
from headstart.core.untrusted import limits
from headstart.errors import SourceError
from headstart.sources.files.weights import readable

NAME = "tokenizer.json"
SETTINGS = "tokenizer_config.json"
NAMED = ("vocab_file", "merges_file", "tokenizer_file", "spm_file", "sp_model_file")
"""Settings by which older versions of the library open whatever file they name."""
SLOW = ("vocab.txt", "vocab.json", "merges.txt", "spiece.model", "sentencepiece.bpe.model", "tokenizer.model",
        "spm.model")  # fmt: skip
"""What tokenizers of the older form are made of."""
PAIR = ("source.spm", "target.spm")
"""That of Marian, one for each language."""


def read(folder: Path, spec: str, *, lowercase: bool = False) -> tuple[str, dict[str, Any]]:
    """(JSON, settings) of the tokenizer in a folder; one of the older form is converted by transformers.

    With `lowercase` every text is put into small letters first. Raises `SourceError`; `MissingExtra` when a
    conversion needs a package that is not installed.
    """
    settings = _settings(folder / SETTINGS)
    path = folder / NAME
    with readable(spec, f"its tokenizer {path} cannot be read", "fetch it again"):
        text = _text(path) if path.is_file() else _converted(folder, spec)
        content = untrusted.read_object(text, most=limits.TOKENIZER_BYTES)
    if not isinstance(content.get("model"), Mapping):
        raise SourceError(spec, f"{path} is no tokenizer", "fetch it again")
    if lowercase:
        first = {"type": "Lowercase"}
        rest = [content["normalizer"]] if content.get("normalizer") else []
        content["normalizer"] = {"type": "Sequence", "normalizers": [first, *rest]}
        text = json.dumps(content, ensure_ascii=False)
    return text, settings


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(limits.TOKENIZER_BYTES + 1).decode("utf-8")


def _settings(path: Path) -> dict[str, Any]:
    """The settings beside a tokenizer; they are few and none is needed."""
    try:
        return untrusted.read_object(path)
    except (OSError, untrusted.Damaged):
        return {}


def _converted(folder: Path, spec: str) -> str:
    if all((folder / name).is_file() for name in PAIR):
        problem = f"its tokenizer is a pair of files, {' and '.join(PAIR)}, which nothing here converts"
        remedy = (
            f"put a {NAME} for both languages beside its weights, or take a model that has one (T5, mBART)"
        )
        raise SourceError(spec, problem, remedy)
    if not any((folder / name).is_file() for name in SLOW):
        remedy = f"a model folder has {NAME} beside its weights"
        raise SourceError(spec, f"there is no tokenizer in {folder}", remedy)
    named = next((name for name in NAMED if _settings(folder / SETTINGS).get(name)), None)
    if named is not None:
        problem = f"its {SETTINGS} names a file of its own choice ({named})"
        raise SourceError(spec, problem, f"put a {NAME} beside its weights")
    transformers = optional("transformers", extra="text", needed_for="converting this source's tokenizer")
    try:
        found = transformers.AutoTokenizer.from_pretrained(
            str(folder), local_files_only=True, trust_remote_code=False
        )
        backend = getattr(found, "backend_tokenizer", None)
        text: str = backend.to_str()  # type: ignore[union-attr]
        return text
    except Exception as error:  # whatever a tokenizer raises for files that are not its own
        problem = f"the tokenizer in {folder} cannot be converted ({untrusted.reason(error)[:120]})"
        raise SourceError(spec, problem, f"put a {NAME} beside its weights") from error


def pad(encoder: str, settings: dict[str, Any], config: dict[str, Any]) -> int:
    """The number of the token that fills up short texts; 0 where the source has none."""
    named = config.get("pad_token_id")
    if isinstance(named, int):
        return max(0, named)
    token = settings.get("pad_token")
    token = token.get("content") if isinstance(token, dict) else token
    content = json.loads(encoder)
    added = {entry["content"]: entry["id"] for entry in content.get("added_tokens") or ()}
    found = added.get(token, 0)
    return found if 0 <= found < int(config.get("vocab_size") or found + 1) else 0

"""How a Whisper in a folder writes, from its generation_config.json, and with which tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from headstart.core import untrusted
from headstart.core.generator import Writing
from headstart.errors import SourceError

NAME, TOKENIZER = "generation_config.json", "tokenizer.json"
LONGEST = 224
"""Tokens of a window's transcript, as Whisper's authors have it: half of its decoder's places."""
LANGUAGE, TASK = "<|en|>", "transcribe"
"""What one of many languages is told to write, where its settings force no other."""


def read(root: Path, spec: str) -> Writing:
    """Raises `SourceError` where its settings do not say how a transcript begins and ends."""
    try:
        told = {**untrusted.read_object(root / "config.json"), **untrusted.read_object(root / NAME)}
        with untrusted.parsing():
            start = [untrusted.field(told, "decoder_start_token_id", int), *_forced(told)]
            plain = told.get("no_timestamps_token_id")
            if isinstance(plain, int) and plain not in start:
                start.append(plain)
            end = told.get("eos_token_id")
            data: dict[str, Any] = {
                "end": end if isinstance(end, list) else [end], "start": start,
                "longest": min(LONGEST, int(told.get("max_target_positions") or 2 * LONGEST) - len(start)),
                "never": told.get("suppress_tokens") or [],
                "not_first": told.get("begin_suppress_tokens") or [],
            }  # fmt: skip
            return Writing.from_json(data)
    except (OSError, untrusted.Damaged) as error:
        raise SourceError(
            spec, f"its {NAME} does not say how it writes ({error})", "fetch it again"
        ) from error


def _forced(told: Mapping[str, Any]) -> list[int]:
    """Language and task of one of many languages."""
    forced = told.get("forced_decoder_ids") or []
    numbers = [number for _, number in forced if isinstance(number, int)]
    languages, tasks = told.get("lang_to_id"), told.get("task_to_id")
    if numbers or not (
        told.get("is_multilingual") and isinstance(languages, dict) and isinstance(tasks, dict)
    ):
        return numbers
    return [untrusted.field(languages, LANGUAGE, int), untrusted.field(tasks, TASK, int)]


def tokenizer(root: Path, spec: str) -> str:
    """Its JSON. Raises `SourceError`."""
    try:
        return (root / TOKENIZER).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise SourceError(spec, f"its {TOKENIZER} cannot be read ({error})", "fetch it again") from error

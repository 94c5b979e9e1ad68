"""How a source in a folder writes, from its config.json, its generation_config.json and its tokenizer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from headstart.core import untrusted
from headstart.core.generator import LONGEST, Writing
from headstart.errors import SourceError
from headstart.modalities.text.encoding.vocabulary import vocabulary
from headstart.sources.text.files import folder, tokenizer

NAME = "generation_config.json"
USUAL = 128
"""Tokens of the longest answer where a source says nothing; the library's own default is 20."""


def read(layout: folder.Layout) -> Writing:
    """Raises `SourceError` where no token ends a text."""
    told = {**layout.config, **_settings(layout)}
    end = _tokens(told.get("eos_token_id"))
    if not end:
        end = _named(layout)
    if not end:
        problem = "no token of it ends a text, so that what it writes would never end"
        raise SourceError(layout.spec, problem, f"write its number as eos_token_id into its {NAME}")
    start: tuple[int, ...] = ()
    if layout.config.get("model_type") in folder.PAIRS:
        names = ("decoder_start_token_id", "bos_token_id", "pad_token_id")
        start = next((found for name in names if (found := _tokens(told.get(name)))), (layout.contract.pad,))[
            :1
        ]
        start += _tokens(told.get("forced_bos_token_id"))[:1]
    longest = told.get("max_new_tokens") or told.get("max_length")
    given = isinstance(longest, int) and 20 < longest <= LONGEST
    return Writing(end, start, longest if given and isinstance(longest, int) else USUAL)


def _settings(layout: folder.Layout) -> dict[str, Any]:
    """The generation settings beside the weights, where there are any."""
    try:
        found = untrusted.read_object(layout.folder / NAME)
    except FileNotFoundError:
        return {}
    except (OSError, untrusted.Damaged) as error:
        raise SourceError(layout.spec, f"its {NAME} cannot be read ({error})", "fetch it again") from error
    return {name: value for name, value in found.items() if value is not None}


def _tokens(found: Any) -> tuple[int, ...]:
    listed = found if isinstance(found, list) else [found]
    return tuple(one for one in listed if isinstance(one, int) and not isinstance(one, bool) and one >= 0)


def _named(layout: folder.Layout) -> tuple[int, ...]:
    """The token that the tokenizer's settings call the end of a text."""
    try:
        token = untrusted.read_object(layout.folder / tokenizer.SETTINGS).get("eos_token")
    except (OSError, untrusted.Damaged):
        return ()
    name = token.get("content") if isinstance(token, Mapping) else token
    number = vocabulary(layout.contract.encoder).number(name) if isinstance(name, str) else None
    return () if number is None else (number,)

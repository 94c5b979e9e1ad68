"""The tokenizer of answers that are written: texts into tokens without special ones, and back."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

from headstart._lazy import optional
from headstart.core.untrusted import Damaged, limits, parsing, read_json
from headstart.modalities.text.encoding import _patterns

KEPT = 8
"""Opened tokenizers that are kept."""


class Vocabulary:
    """A tokenizer of the package `tokenizers`. Threads may share one."""

    def __init__(self, content: str) -> None:
        """Raises `Damaged` (a `ValueError`) for JSON that is no tokenizer, `MissingExtra`."""
        tokenizers = optional("tokenizers", extra="text", needed_for="writing texts with this source")
        _patterns.check(read_json(content, most=limits.TOKENIZER_BYTES))
        try:
            with parsing():
                self._tokenizer: Any = tokenizers.Tokenizer.from_str(content)
                self._tokenizer.no_padding()
                self._tokenizer.no_truncation()
        except Damaged as error:
            raise Damaged(f"a tokenizer that cannot be opened ({error})") from error

    def number(self, token: str) -> int | None:
        """Of a token by its name; None for none of that name."""
        found: int | None = self._tokenizer.token_to_id(token)
        return found

    def ids(self, text: str) -> list[int]:
        with parsing():
            return list(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def text(self, tokens: Iterable[int]) -> str:
        """Without special tokens, and without blanks around it."""
        with parsing():
            return str(self._tokenizer.decode(list(tokens), skip_special_tokens=True)).strip()


@lru_cache(maxsize=KEPT)
def vocabulary(content: str) -> Vocabulary:
    """One that was opened before is opened once. Raises as the class does."""
    return Vocabulary(content)

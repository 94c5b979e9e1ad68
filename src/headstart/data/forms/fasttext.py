"""The lines that fastText learns from: `__label__good It came a day early`."""

from __future__ import annotations

import re

import polars as pl

MARK = "__label__"
LOOKED_AT = 64
"""Bytes at the start of a file that tell such lines."""
_LABEL = re.compile(rf"(?:^|(?<=\s)){MARK}(\S+)\s*")


def accepts(start: bytes) -> bool:
    """Whether the first bytes of a text file are those of such lines."""
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(MARK.encode())


def read(content: str) -> pl.DataFrame:
    """A row for each line that is not blank: text and label, or a list of labels where some have more.

    Raises `ValueError`.
    """
    lines = [line.strip() for line in content.replace("\r", "\n").split("\n") if line.strip()]
    labels = [_LABEL.findall(line) for line in lines]
    texts = [_LABEL.sub("", line).strip() for line in lines]
    one = all(len(found) <= 1 for found in labels)
    found = [next(iter(names), None) for names in labels] if one else [names or None for names in labels]
    return pl.DataFrame({"text": texts, "label": found})

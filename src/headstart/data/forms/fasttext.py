"""The lines that fastText learns from: `__label__good It came a day early`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from headstart.core.untrusted import parsing
from headstart.core.untrusted.archive import decompressor

if TYPE_CHECKING:
    import polars as pl

MARK = "__label__"
LOOKED_AT = 64
"""Bytes at the start of a file that tell such lines."""
_LABEL = re.compile(rf"(?:^|(?<=\s)){MARK}(\S+)\s*")


def accepts(start: bytes) -> bool:
    """Whether the first bytes of a text file are those of such lines."""
    return start.removeprefix(b"\xef\xbb\xbf").lstrip().startswith(MARK.encode())


def accepts_file(path: Path) -> bool:
    """The same of a file, packed or not; what cannot be read has none."""
    try:
        if not path.is_file():  # to open a pipe is to wait for it
            return False
        with path.open("rb") as file, parsing():
            packed = decompressor(file)
            return accepts((packed or file).read(LOOKED_AT))
    except (OSError, ValueError):
        return False


def read(content: str) -> tuple[pl.DataFrame, tuple[tuple[str, str], ...]]:
    """(a row for each line that is not blank: text and label, or a list of labels where some have more; what
    to say of how it was read).

    Raises `ValueError`.
    """
    import polars as pl

    lines = [line.strip() for line in content.replace("\r", "\n").split("\n") if line.strip()]
    labels = [_LABEL.findall(line) for line in lines]
    texts = [_LABEL.sub("", line).strip() for line in lines]
    one = all(len(found) <= 1 for found in labels)
    found = [next(iter(names), None) for names in labels] if one else [names or None for names in labels]
    said = ("HS509", f"lines of fastText: what begins with {MARK} is a label")
    return pl.DataFrame({"text": texts, "label": found}), (said,)

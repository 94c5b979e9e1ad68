"""What tells one collection of texts from another: how they were kept, and how they are written."""

from __future__ import annotations

import re
from collections.abc import Sequence

from headstart.modalities.base import Examination

_TAG = re.compile(r"</?[a-zA-Z][^<>]{0,80}>|&[a-z]{2,8};")


def traits(parts: Sequence[str], seen: Examination) -> dict[str, float | str]:
    """Of the file: encoding, length in characters and words, letters, markup and lines."""
    text = "\n".join(parts)
    return {
        "encoding": seen.format,
        "length in characters": len(text),
        "length in words": len(text.split()),
        "letters": "lower case only" if text == text.lower() else
        "capitals only" if text == text.upper() else "both cases",
        "markup": "tags or entities" if _TAG.search(text) else "none",
        "lines": "several" if any("\n" in part.strip() for part in parts) else "one",
    }  # fmt: skip


def looks(parts: Sequence[str]) -> dict[str, float]:
    """Of how it is written: shares of its characters, and how long its words are."""
    text = "\n".join(parts)
    words, size = text.split(), max(1, len(text))
    return {
        "letters a word": sum(map(len, words)) / max(1, len(words)),
        "share of capitals": sum(map(str.isupper, text)) / size,
        "share of digits": sum(map(str.isdigit, text)) / size,
        "share of punctuation": sum(not sign.isalnum() and not sign.isspace() for sign in text) / size,
    }

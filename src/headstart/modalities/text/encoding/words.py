"""An encoder of our own: words, and runs of words, from a list. For word vectors and for TF-IDF.

Its JSON: {"format": "headstart-words", "version": 1, "words": [...], "ngrams": 2, "lowercase": true,
"pattern": REGULAR EXPRESSION}. Number 0 is padding; entry i of the list has number i + 1. What is not in
the list has no number: it is left out, and counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

FORMAT = "headstart-words"
PATTERN = r"(?u)\b\w\w+\b"
"""What counts as a word, as in scikit-learn's vectorizers."""


@dataclass(frozen=True)
class WordEncoder:
    """A list of words (and of runs of up to `ngrams` words, joined by a blank)."""

    words: tuple[str, ...] = field(repr=False)
    ngrams: int = 1
    lowercase: bool = True
    pattern: str = PATTERN

    @cached_property
    def numbers(self) -> dict[str, int]:
        """Entry -> its number, from 1."""
        return {word: number for number, word in enumerate(self.words, start=1)}

    def split(self, text: str) -> list[str]:
        """The words of a text, in order."""
        return re.findall(self.pattern, text.lower() if self.lowercase else text)

    def entries(self, text: str) -> Iterator[str]:
        """The words of a text, then its pairs of words, and so on."""
        words = self.split(text)
        for length in range(1, self.ngrams + 1):
            for start in range(len(words) - length + 1):
                yield " ".join(words[start : start + length])

    def encode(self, text: str) -> tuple[list[int], int]:
        """(numbers of the entries that are known, how many are not)."""
        found = [self.numbers.get(entry, 0) for entry in self.entries(text)]
        known = [number for number in found if number]
        return known, len(found) - len(known)

    def places(self, text: str) -> list[tuple[int, int]]:
        """From which character up to which each entry that `encode` has a number for.

        Raises `ValueError` where entries are runs of words, too."""
        if self.ngrams > 1:
            raise ValueError("runs of words have no order in which they could be told")
        found = re.finditer(self.pattern, text.lower() if self.lowercase else text)
        return [one.span() for one in found if one.group() in self.numbers]

    def to_json(self) -> str:
        """What `from_json` reads."""
        content = {
            "format": FORMAT,
            "version": 1,
            "words": list(self.words),
            "ngrams": self.ngrams,
            "lowercase": self.lowercase,
            "pattern": self.pattern,
        }
        return json.dumps(content, ensure_ascii=False)

    @classmethod
    def from_json(cls, content: dict[str, object]) -> WordEncoder:
        """Raises `ValueError` for what is no such list."""
        words = content.get("words")
        pattern = content.get("pattern")
        ngrams = content.get("ngrams")
        known = content.get("version") == 1 and isinstance(words, list) and pattern in PATTERNS
        if not known or not isinstance(ngrams, int) or not 1 <= ngrams <= MOST_NGRAMS:
            raise ValueError("a list of words in a form that this version does not know")
        assert isinstance(words, list)
        return cls(tuple(map(str, words)), ngrams, bool(content.get("lowercase")), str(pattern))


WHOLE = r"\w+|[^\w\s]"
"""Words and single marks: how lists of word vectors are usually cut."""
PATTERNS = (PATTERN, WHOLE)
"""Only these are read from a file: a regular expression may be made to run for ever."""
MOST_NGRAMS = 5
"""Longest runs of words that are read from a file."""


def longest_first(one: int, two: int, most: int) -> tuple[int, int]:
    """How many tokens are kept of two texts with so many: those of the longer one go first."""
    most = max(0, most)
    if one + two <= most:
        return one, two
    half = most // 2
    if one <= half:
        return one, most - one
    return (most - two, two) if two <= half else (most - half, half)

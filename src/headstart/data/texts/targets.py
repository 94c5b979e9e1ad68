"""Texts as targets."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from headstart.core import fingerprint
from headstart.core.cells import column


class Sentences:
    """Targets (`core.targets`) of N rows: a text, or None.

    Several rows give an object array `[n]` of texts, one row its text.
    """

    def __init__(self, texts: Sequence[str | None]) -> None:
        self.texts = column(texts)

    @property
    def known(self) -> np.ndarray:
        return np.array([text is not None for text in self.texts], bool)

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, rows: Any) -> Any:
        found = self.texts[rows]
        lost = sum(text is None for text in np.atleast_1d(found))
        if lost:
            raise LookupError(f"{lost:,} of the rows asked for have no text, or none that may be seen here")
        return found

    def hidden(self, kept: np.ndarray) -> Sentences:
        there = set(kept.tolist())
        return Sentences([text if row in there else None for row, text in enumerate(self.texts)])

    def subset(self, rows: np.ndarray) -> Sentences:
        return Sentences(self.texts[rows].tolist())

    def content(self) -> np.ndarray:
        """uint8: a digest of all."""
        parts = ["-" if text is None else f"={text}" for text in self.texts]
        return np.frombuffer(fingerprint.of_parts(parts).encode(), np.uint8)

    def to_list(self) -> list[Any]:
        return list(self.texts.tolist())

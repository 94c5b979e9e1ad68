"""Texts as answers: predictions made of them, and the sentences of a text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import numpy as np

from headstart.core.cells import Cells
from headstart.core.untrusted import Damaged

_ENDS = re.compile(r"(?<=[.!?…])[\"'”’)\]]*\s+|[\r\n]+|(?<=[。！？])")


class Texts(Cells[str]):
    """Predictions (`core.predictions`) of R repeats for N items: a text in each covered cell."""

    columns = 1

    @staticmethod
    def renumbered(one: str, outputs: Sequence[int]) -> str:  # noqa: ARG004
        return one

    @staticmethod
    def packed(answers: Sequence[str]) -> tuple[list[list[int]], dict[str, np.ndarray]]:
        data = [answer.encode("utf-8", "replace") for answer in answers]
        return [[len(one)] for one in data], {"texts": np.frombuffer(b"".join(data), np.uint8)}

    @staticmethod
    def unpacked(table: list[list[int]], arrays: Mapping[str, np.ndarray]) -> list[str]:
        data, found, start = arrays["texts"].tobytes(), [], 0
        if any(row[0] < 0 for row in table) or sum(row[0] for row in table) != len(data):
            raise Damaged("it holds texts that are none")
        for (size,) in table:
            found.append(data[start : start + size].decode())
            start += size
        return found


def sentences(text: str) -> list[str]:
    """The sentences of a text, and its lines; what has none is one."""
    found = [part.strip() for part in _ENDS.split(text)]
    return [part for part in found if part] or [text.strip()]

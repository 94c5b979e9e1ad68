"""Weights in the format of CTranslate2, version 6: names, shapes and numbers one after the other.

Read without that library, and no further than the file is long: a length that goes beyond its end, a shape
that does not fit its numbers and a type that is not known are refused.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from math import prod
from pathlib import Path

import numpy as np

from headstart.core.untrusted import Damaged

VERSION = 6
TYPES: Mapping[int, str] = {0: "<f4", 1: "<i1", 2: "<i2", 3: "<i4", 4: "<f2"}
"""Number of a type of values -> numpy's name of it."""
MOST_VARIABLES = 100_000
MOST_AXES = 8


def read(path: Path) -> tuple[str, dict[str, np.ndarray]]:
    """(what the file says it is, name -> array); views of a file that is mapped into memory.

    Raises `Damaged`; `OSError` where the file cannot be read.
    """
    content = np.memmap(path, np.uint8, "r") if path.stat().st_size else np.zeros(0, np.uint8)
    reader = _Reader(content)
    version = reader.number("I")
    if version != VERSION:
        raise Damaged(f"it is no file of CTranslate2 in version {VERSION}")
    kind = reader.text()
    reader.number("I")  # the revision of that kind
    count = reader.number("I")
    if count > MOST_VARIABLES:
        raise Damaged(f"it says that it holds {count:,} variables")
    found: dict[str, np.ndarray] = {}
    for _ in range(count):
        name, array = reader.variable()
        if name in found:
            raise Damaged(f"it holds {name} twice")
        found[name] = array
    return kind, found


class _Reader:
    """A place in the bytes, which moves on."""

    def __init__(self, content: np.ndarray) -> None:
        self._content, self._at = content, 0

    def _next(self, length: int) -> np.ndarray:
        if length > len(self._content) - self._at:
            raise Damaged("it ends too early")
        self._at += length
        return self._content[self._at - length : self._at]

    def number(self, kind: str) -> int:
        return int(struct.unpack(f"<{kind}", self._next(struct.calcsize(f"<{kind}")).tobytes())[0])

    def text(self) -> str:
        """A text whose length counts the zero byte at its end."""
        return self._next(self.number("H")).tobytes().rstrip(b"\0").decode("utf-8", "replace")

    def variable(self) -> tuple[str, np.ndarray]:
        name, axes = self.text(), self.number("B")
        if axes > MOST_AXES:
            raise Damaged(f"{name[:80]} has {axes} axes")
        shape = tuple(self.number("I") for _ in range(axes))
        kind, size = self.number("B"), self.number("I")
        if kind not in TYPES:
            raise Damaged(f"{name[:80]} has values of a type {kind}, which is not known")
        dtype = np.dtype(TYPES[kind])
        if prod(shape) * dtype.itemsize != size:
            raise Damaged(f"{name[:80]} of shape {shape} has {size:,} bytes")
        return name, self._next(size).view(dtype).reshape(shape)

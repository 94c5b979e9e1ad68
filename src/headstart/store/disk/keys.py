"""What makes a stored number findable again: names made of content."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from headstart.core import fingerprint
from headstart.core.features import Tap

DIGEST = 32
"""Bytes of an item's digest (SHA-256)."""
KEY = f"S{DIGEST + 2}"
"""dtype of a row key: digest, then the number of the view, big-endian, so that keys sort by item."""


@dataclass(frozen=True)
class Section:
    """What all columns computed in one pass share; the first four fields are its identity."""

    weights: str
    """Digest of the network's weights; "" for what no network computes."""
    preprocessing: str
    """Fingerprint of the recipe that turned bytes into the network's input."""
    recipe: str = ""
    """Name of the recipe of augmented views; "" for the items as they are."""
    precision: str = "float32"
    """In which numbers the network computed."""
    about: Mapping[str, Any] = field(default_factory=dict, compare=False)
    """For people, as JSON: {"source": name, ...}."""

    @cached_property
    def id(self) -> str:
        """A folder name."""
        parts = [self.weights, self.preprocessing, self.recipe, self.precision]
        return fingerprint.of_parts(parts)[:24]

    def to_json(self) -> dict[str, Any]:
        return {**asdict(self), "about": dict(self.about)}


def tap_column(tap: Tap) -> str:
    """The column of pooled features at a tap."""
    return f"tap:{tap}"


def state_column(cut: str, length: int | None = None) -> str:
    """The column of full states at a cut; of texts each padded or cut to `length` tokens."""
    return f"state:{cut}" if length is None else f"state:{cut}@{length}"


def cut_of(column: str) -> tuple[str, int | None]:
    """(cut, length) of a column that `state_column` named."""
    cut, mark, length = column.removeprefix("state:").rpartition("@")
    return (cut, int(length)) if mark else (length, None)


def family(column: str) -> str:
    """Columns that are used, listed and given up together: all taps, or one cut, or one size of inputs."""
    return "taps" if column.startswith("tap:") else column


def item_keys(digests: Sequence[str]) -> np.ndarray:
    """Digests in hexadecimal -> `[N]` of S32. Trailing zero bytes are content, not padding."""
    return np.frombuffer(bytes.fromhex("".join(digests)), dtype=f"S{DIGEST}")


def row_keys(items: np.ndarray, views: Sequence[int]) -> np.ndarray:
    """S32 `[n]` and v views -> S34 `[v * n]`: all items of the first view, then of the next."""
    raw = np.empty((len(views), len(items), DIGEST + 2), dtype=np.uint8)
    raw[:, :, :DIGEST] = np.ascontiguousarray(items).view(np.uint8).reshape(len(items), DIGEST)
    raw[:, :, DIGEST:] = np.array(views, dtype=">u2").view(np.uint8).reshape(len(views), 1, 2)
    return raw.reshape(-1, DIGEST + 2).view(KEY)[:, 0]

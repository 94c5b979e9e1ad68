"""Source: everything known about a pretrained model before it is loaded, and how it wants its inputs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

Levels = tuple[float, float]
"""The values that are black and white in pictures of more than 8 bits a channel."""


@dataclass(frozen=True)
class Signature:
    """The input of a network: a prepared batch `[N, *shape]`."""

    name: str
    """What an exported network calls it: "pixels"."""
    dtype: str
    shape: tuple[int | str, ...]
    """Of one item; an axis that has a name instead of a length varies from batch to batch."""
    longest: int = 1
    """The most that an axis with a name may be."""
    usual: int = 8
    """What it is in `blank`, at most."""

    def at(self, length: int) -> tuple[int, ...]:
        """The shape of an item whose axes that vary have this length."""
        return tuple(axis if isinstance(axis, int) else length for axis in self.shape)

    def fits(self, batch: np.ndarray) -> bool:
        """Whether `batch` is one of at least one item."""
        right = batch.ndim > 1 and batch.size > 0 and batch.dtype == self.dtype
        return right and batch.shape[1:] == self.at(batch.shape[-1])

    def blank(self, count: int) -> np.ndarray:
        """A batch of ones; axes that vary have their usual length."""
        return np.ones((count, *self.at(min(self.usual, self.longest))), self.dtype)


class Sized(ABC):
    """What an input has a size for: a `Preprocessing` of another one follows from it."""

    @property
    @abstractmethod
    def modality(self) -> str:
        """The kind of data: a name in `headstart.modalities`."""

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width in pixels; None for what has none."""
        return None

    def scaled(self, size: tuple[int, int], *, stored: bool = False) -> Preprocessing:  # noqa: ARG002
        """The same at another height and width; with `stored` resized and cut as stored inputs are, in one
        way for all sources. Raises `ValueError` for what has no `size`."""
        raise ValueError(f"a {self.modality} has no size")

    def stored_size(self, size: tuple[int, int]) -> int:
        """How large inputs are stored (`FeatureSpec.inputs`) that are to be cut to `size`."""
        return max(size)

    @property
    def cut_as_stored(self) -> bool:
        """Whether it leaves of an item what stored inputs hold of it."""
        return True


class Preprocessing(Sized):
    """How a source wants its inputs: its own recipe, never ours.

    Each kind of data has a class of its own in its room of `headstart.modalities`, which alone knows all of
    its fields. Everyone else asks what stands here. An item has either a `size`, to which it can be scaled,
    or a length of at most `max_length` and is filled up to the longest of its batch.
    """

    FILES: ClassVar[tuple[str, ...]] = ()
    """Names of what `files` gives."""
    MASKS: ClassVar[slice] = slice(-1, None)
    """Of a sequence: the channels of a prepared batch `[B, channels, T]` that are masks."""

    @property
    def max_length(self) -> int | None:
        """Most steps (tokens) of a sequence; None for what is none."""
        return None

    @property
    def levels(self) -> Levels | None:
        """What is black and white for a model, where pictures have more than 8 bits a channel."""
        return None

    @property
    def apart(self) -> bool:
        """Whether it takes nothing but pairs, and reads the two of a pair each by itself."""
        return False

    @abstractmethod
    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads, together with the `files`."""

    @classmethod
    @abstractmethod
    def audit(cls, data: Mapping[str, Any]) -> None:
        """Raises `ValueError`, `TypeError` or `KeyError` for JSON from which nothing must be built."""

    @classmethod
    @abstractmethod
    def from_json(cls, data: Mapping[str, Any], files: Mapping[str, bytes]) -> Preprocessing:
        """Back from `to_json` and `files`. Raises `ValueError`, `TypeError` or `KeyError`."""

    def files(self) -> dict[str, bytes]:
        """What belongs to it besides, by file name: a tokenizer."""
        return {}

    @property
    def columns_read(self) -> tuple[str, ...] | None:
        """Names of the columns that it reads of each row of a table; None where an item is no row."""
        return None

    def alone(self) -> Preprocessing:
        """The same with `files` as programs read them that have nothing but the exported network."""
        return self

    @abstractmethod
    def signature(self) -> Signature:
        """What a prepared batch is."""

    @abstractmethod
    def wants(self) -> str:
        """In a word or two: "224 px"."""

    def with_levels(self, levels: Levels) -> Preprocessing:  # noqa: ARG002
        """The same with other `levels`, where there are any."""
        return self


@dataclass(frozen=True)
class Source:
    """A frozen record of a pretrained model. Reading it loads no weights and opens no socket."""

    spec: str
    """What a user writes: "timm/resnet18.a1_in1k", "hf/bert-base-uncased", "bundled/strokes", "file:PATH"."""
    name: str
    """A short name for tables."""
    modality: str = "image"
    """What it reads; "" where that is not known before it is fetched."""
    architecture: Mapping[str, Any] = field(default_factory=dict)
    """What rebuilds the network without weights, as JSON: {"library", "arch", "kwargs", ...}."""
    input: Preprocessing = field(kw_only=True)
    parameters: int | None = None
    labels: tuple[str, ...] | None = None
    """Names of the source's own classes, where known."""
    sha256: str | None = None
    """Of the weight file, where known beforehand; a file that differs is refused."""
    revision: str | None = None
    licence: str | None = None
    local: bool = False
    """Whether the weights are on this machine."""
    size_bytes: int | None = None
    """Size of the weight file."""
    prior: float | None = None
    """Published accuracy (0 to 1) on the source's own task."""
    paper: str | None = None
    note: str = ""
    """What it is good and bad at, in one sentence."""
    writes: bool = False
    """Whether it can write texts (`core.generator`), as far as its record tells."""

    @property
    def form(self) -> str:
        """What its own answers are (`TaskMethods.form`): "boxes" of a detector, else ""."""
        return "boxes" if self.architecture.get("boxes") else ""

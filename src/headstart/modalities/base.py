"""The contract of a modality, and what is known of one item of any of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, runtime_checkable

import numpy as np

from headstart.core.registry import Registry
from headstart.core.source import Levels, Preprocessing

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True)
class Examination:
    """What is known of one item after decoding it fully.

    `problem` is the finding code that makes it unusable, or "" for a good item; `facts` are codes of
    what is handled or worth knowing.
    """

    width: int = 0
    height: int = 0
    """Size of an image as seen, after rotation; characters of a text, and 1; samples of a recording, and
    those of a second."""
    mode: str = ""
    format: str = ""
    facts: tuple[str, ...] = ()
    problem: str = ""
    detail: str = ""
    """The problem in words."""
    values: str = ""
    """Of an image of more than 8 bits a channel: the type of its values, "uint16" or "float32" say; of a
    recording how they are written, "PCM_16" say."""
    low: float = 0.0
    high: float = 0.0
    """Its lowest and its highest value."""

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    def to_json(self) -> dict[str, Any]:
        return {**vars(self), "facts": list(self.facts)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Examination:
        return cls(**{**data, "facts": tuple(data["facts"])})


@dataclass(frozen=True)
class Settled:
    """What all items of a data set together tell of how each is to be read."""

    levels: Levels | None
    """Black and white of pictures of more than 8 bits a channel; None: what their type says."""
    looked: tuple[Examination, ...]
    """The examinations, with the problems that follow."""
    said: tuple[tuple[str, str], ...] = ()
    """(code, message) of findings about the data set."""


@dataclass(frozen=True)
class Numbers:
    """Recommended numbers of training a network on one kind of data with AdamW (bias correction on)."""

    lr: float
    """Peak rate of the last layer of a pretrained network."""
    layer_decay: float
    weight_decay: float
    smoothing: float
    from_scratch: tuple[float, ...]
    """Rates of new networks: the usual one, then others worth trying."""
    share: float = 1.0
    """Of the weights trained behind a cut in an average with those of the probe that they began as; 1: no
    average."""


class Counted(NamedTuple):
    """How long a sequence is for a source."""

    tokens: int
    """Of the whole item, special ones included."""
    read: int
    """Of those, how many the source gets to see."""
    unknown: int
    """Words that the source has no number for."""
    unit: str = "tokens"
    """What is counted."""


def generator(key: str, view: int, kind: str) -> np.random.Generator:
    """Random numbers of an augmented view, which depend on nothing but these three."""
    digest = hashlib.sha256(f"{key}\0{view}\0{kind}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16], "little"))


def filled_up(prepared: Sequence[np.ndarray]) -> np.ndarray:
    """`[B, C, T]`, of the type of the sequences `[C, t]`: zeros, which the mask hides, up to the longest."""
    longest = max(array.shape[-1] for array in prepared)
    out = np.zeros((len(prepared), len(prepared[0]), longest), prepared[0].dtype)
    for row, array in enumerate(prepared):
        out[row, :, : array.shape[-1]] = array
    return out


class Things(Protocol):
    """What is asked of modalities that are not `IN_WORDS`."""

    def begins(self, start: bytes) -> bool:
        """Whether bytes begin as a file of such an item does, read or not."""

    def kind_of(self, data: bytes) -> str:
        """What the bytes are and what to do, where they are such an item of a kind that is not read; "" for
        others."""

    def holds(self, entry: Any) -> bool:
        """Whether something in memory, which is neither a path nor bytes, is one such item for sure."""

    def as_bytes(self, entry: Any) -> bytes:
        """What such a thing is as the bytes of a file. Raises `ItemError`."""

    def shown(self, opened: Any) -> tuple[Image, str]:
        """A small RGB picture that stands for an opened item, and a `data:` address of what is to be heard of
        it; "" where there is nothing to hear."""

    def telling(self, opened: Iterable[Any]) -> bool:
        """Whether such items hold enough to tell a copy from a look-alike."""


class Compared(Protocol):
    """By what two collections are told apart, in words that a person understands."""

    def traits(self, data: bytes, seen: Examination) -> Mapping[str, float | str]:
        """How an item was made and kept rather than what it is, by name: format, size, quality. What tells
        two collections apart by one of these alone says nothing about what is in them."""

    def looks(self, opened: Any) -> Mapping[str, float]:
        """A few numbers about an opened item that a person understands, by name: brightness, loudness."""

    def terms(self, opened: Any) -> Sequence[str]:
        """The words of an opened item. Only of what is `IN_WORDS`."""

    def lines(self, opened: Any) -> Sequence[str]:
        """An opened item as text, both of a pair. Only of what is `IN_LINES`."""


@runtime_checkable
class Timed(Protocol):
    """Modalities whose items last, and can be read in parts."""

    def seconds(self, data: bytes) -> float:
        """How long an item lasts, as its header says. Raises `ItemError`."""

    def windows(self, opened: Any, contract: Any) -> Sequence[tuple[float, float, Any]]:
        """(begin, end, part) of an opened item, in seconds: no more in each than a source reads at a time."""

    def prepare(self, data: Any, contract: Any) -> np.ndarray:
        """See `Modality`."""


class Modality(Things, Compared, Protocol):
    """What a module of this room offers; what `open_item` gave may stand in for the bytes everywhere."""

    PREPROCESSING: type[Preprocessing]
    """How sources want such items."""
    PLAIN: Preprocessing
    """How an item is prepared for a model without a source."""
    PREPARATION: int
    """To be raised whenever `prepare` or `stored` make something else of the same bytes: stored features are
    then recomputed."""
    VIEWS: Registry[Any]
    """Recipes of augmented views by name."""
    DEFAULT_VIEW: str
    """The recipe that is meant when none is named."""
    NOUN: str
    """What one item is called: "image"."""
    HAS_LEVELS: bool
    """Whether what is black and white follows from a whole data set."""
    IN_WORDS: bool
    """Whether an item is made of words: a string may be one, its beginning can be shown, words can be left
    out of it, names of labels compared with it, and its language told."""
    IN_LINES: bool
    """Whether an item is shown as text, by `lines` and `beginning`, and not as a picture."""
    ROWS: bool
    """Whether an item is a row of a table, with all its columns, and not what one column holds or names."""
    PRETRAINED: bool
    """Whether there are sources that read such items: without one there is then no run, unless its arms need
    none."""
    SUFFIXES: frozenset[str]
    """Endings of files that are taken for such items."""
    NOT_READ: Mapping[str, str]
    """Endings of files that are such items and not read -> what they are."""
    GROUPS: Sequence[str]
    """Names of columns, in small letters and without signs, whose values say which such items belong
    together, besides those of any data (patient, subject)."""
    REMEMBERED: bool
    """Whether what `examine` found is worth keeping: it takes longer than to look it up."""
    STORED_ALIKE: bool
    """Whether `stored` gives the same for all sources."""
    VIEWS_PAY: bool
    """Whether augmented views of stored states are worth their passes when no number of them is asked for."""
    COMPARED_BY: str
    """Spec of the source whose features tell near-duplicates where there is no run; "" where words do, or
    nothing."""
    COPIES_FROM: float | None
    """Cosine of two items' `summary` from which on they are copies; None where copies are told otherwise."""
    TUNING: Numbers

    def examine(self, data: bytes) -> Examination:
        """Decode fully and say what was found. Raises nothing: problems are part of the answer."""

    def settle(self, levels: Levels | None, looked: Sequence[Examination], *, find: bool = True) -> Settled:
        """What the examinations of all items tell of how each is to be read, with the levels that are given.

        With `find` levels that are not given are found from all items, and it is told what follows from them.
        """

    def open_item(self, data: bytes, levels: Levels | None = None) -> Any:
        """The bytes, decoded. Raises `ItemError`."""

    def held(self, data: bytes, levels: Levels | None = None) -> AbstractContextManager[Any]:
        """The same for one of several threads: waits until there is memory for it. Raises `ItemError`."""

    def prepare(
        self, data: Any, contract: Any, *, view: int = 0, kind: str = "", key: str = ""
    ) -> np.ndarray:
        """Bytes, or what `open_item` gave -> one prepared item, before it is put into a batch.

        View 0 is the item as the source wants it; views 1, 2, ... are varied by the recipe `kind` and depend
        on (key, view, kind) only. Raises `ItemError`; `UnknownName` for an unknown recipe.
        """

    def unread(self, opened: Any, prepared: np.ndarray, contract: Any) -> str:
        """How much of an opened item is missing from what `prepare` made of it, in words; "" where it is all
        there, as far as a reader would mind."""

    def described(self, contract: Any) -> dict[str, Any]:
        """All that another program needs to prepare items as view 0 and `collate` do: fields, and "steps" in
        words, in order."""

    def collate(self, prepared: Sequence[np.ndarray]) -> np.ndarray:
        """Prepared items as one batch."""

    def dummy_batch(self, contract: Any, count: int, *, pairs: bool = False) -> np.ndarray:
        """A prepared batch of items that are nobody's: always the same for a contract."""

    def stored(self, data: Any, contract: Any, size: int) -> np.ndarray:
        """A prepared item of one fixed shape for all items, to be kept on disk and trained on."""

    def stored_column(self, size: int) -> str:
        """The store's column of such items."""

    def summary(self, opened: Any) -> np.ndarray:
        """float32 `[D]`: numbers by which copies are told without a source. Only where there is
        `COPIES_FROM`."""

    def beginning(self, data: Any, most: int) -> str:
        """The first words of an item, or of both items of a pair, at most so many characters. Only of what is
        `IN_LINES`. Raises `ItemError`."""

    def count(self, data: Any, contract: Any) -> Counted:
        """How long a sequence is for a source. Only of what has a `max_length`. Raises `ItemError`."""

    def weight(self, data: bytes, contract: Any) -> int:
        """How long an item is for a source, in tokens: those of like weight share a batch. 0: all are
        alike."""

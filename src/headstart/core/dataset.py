"""Dataset: items, labels, groups and given splits. Immutable; no tensors, no decoded content."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

import numpy as np

from headstart.core import fingerprint, targets
from headstart.core.source import Levels
from headstart.core.targets import Dense, Targets, Unlabelled
from headstart.core.task import Task
from headstart.core.untrusted import whole
from headstart.core.untrusted.archive import read_file, read_member, read_part


@runtime_checkable
class Item(Protocol):
    """One thing to predict for: a name, and a way to read its bytes."""

    @property
    def id(self) -> str:
        """Unique in its data set and the same on every machine: a relative path, a row."""

    def read(self) -> bytes:
        """The raw bytes; raises `OSError` when they cannot be had."""


@dataclass(frozen=True)
class FileItem:
    """An item in a file."""

    id: str
    path: Path

    def read(self) -> bytes:
        return read_file(self.path)


@dataclass(frozen=True)
class ZipItem:
    """An item inside a .zip archive, read without unpacking the archive."""

    id: str
    archive: Path
    member: str

    def read(self) -> bytes:
        return read_member(self.archive, self.member)


@dataclass(frozen=True)
class TarItem:
    """An item inside a .tar archive: `size` bytes from `start` on, compression apart."""

    id: str
    archive: Path
    start: int
    size: int

    def read(self) -> bytes:
        return read_part(self.archive, self.id, self.start, self.size)


RECORD = "\x1e"
"""Begins a pair of texts, and stands between the two (ASCII's record separator)."""


@dataclass(frozen=True)
class TextItem:
    """A text, or a pair of texts, held in memory. Its bytes are UTF-8."""

    id: str
    text: str = field(repr=False)
    second: str | None = field(default=None, repr=False)

    def read(self) -> bytes:
        parts = [self.text] if self.second is None else ["", self.text, self.second]
        return whole(RECORD.join(part.replace(RECORD, " ") for part in parts)).encode()


@dataclass(frozen=True)
class ArrayItem:
    """An item held in memory: its bytes are those of the .npy format."""

    id: str
    array: np.ndarray = field(repr=False)

    def read(self) -> bytes:
        buffer = io.BytesIO()
        np.save(buffer, self.array, allow_pickle=False)
        return buffer.getvalue()


@dataclass(frozen=True)
class Note:
    """Something a reader saw that is not an item: a decision, a file left out, an empty folder."""

    code: str
    """A finding code of `headstart.data.checks.findings`."""
    where: str
    message: str
    rows: tuple[int, ...] = ()
    """Those that it explains, where it is about some rows of the data set."""


class _Column:
    """The field `Dataset.targets`, which may be given as the array of `Dense`, or as None."""

    def __get__(self, dataset: Dataset | None, owner: type) -> Targets:
        if dataset is None:
            return None  # type: ignore[return-value]  # the default, of which `__set__` makes targets
        return dataset.__dict__["targets"]  # type: ignore[no-any-return]

    def __set__(self, dataset: Dataset, given: Targets | np.ndarray | None) -> None:
        dataset.__dict__["targets"] = targets.of(given, len(dataset.items))


@dataclass(frozen=True, eq=False)
class Dataset:
    """Items with what is known of them, row by row.

    `targets` may be given as an array as `Task` describes it, or as None where there are no labels at all.
    `groups` (int64 `[N]`) marks rows that must stay on one side of every fold; `split` is an array of text
    `[N]`: "train", "val", "test", or "" where none was given.
    """

    name: str
    modality: str
    """"image" or "text": names a room of `headstart.modalities`."""
    items: tuple[Item, ...]
    task: Task | None = None
    targets: _Column = _Column()
    groups: np.ndarray | None = None
    split: np.ndarray | None = None
    origin: str = ""
    """Where it was read from, as the user wrote it."""
    pairs: bool = False
    """Whether each item is a pair of texts."""
    notes: tuple[Note, ...] = ()
    """What its reader decided or left out."""
    group_names: tuple[str, ...] = ()
    """What the numbers in `groups` were written as; empty where they have no names."""
    domains: np.ndarray | None = None
    """int64 `[N]`: the number of each row's domain, -1 where it is not said; None where none are known. They
    are no part of the fingerprint: nothing follows from them unless it is asked for."""
    domain_names: tuple[str, ...] = ()
    """The domains by number, in natural order."""
    levels: Levels | None = None
    """What is black and white in pictures of more than 8 bits a channel; None: what their type says, or is
    found out."""

    def __post_init__(self) -> None:
        for name in ("targets", "groups", "split", "domains"):
            column = getattr(self, name)
            if column is not None and len(column) != len(self.items):
                raise ValueError(f"{name} has {len(column)} rows, but there are {len(self.items)} items")
            if isinstance(column, np.ndarray):
                object.__setattr__(self, name, targets.frozen(column))

    def __len__(self) -> int:
        return len(self.items)

    def __repr__(self) -> str:
        """One line: counts, not contents."""
        said: dict[str, Any] = {"name": self.name, "modality": self.modality, "items": len(self)}
        if self.pairs:
            said["pairs"] = True
        if self.task is not None:
            said |= {"task": self.task.kind, "labels": len(self.task.labels)}
        if self.groups is not None:
            said["groups"] = len(np.unique(self.groups))
        if self.split is not None:
            names, counts = np.unique(self.split, return_counts=True)
            said["split"] = dict(zip(names.tolist(), counts.tolist(), strict=True))
        return f"Dataset({', '.join(f'{name}={value!r}' for name, value in said.items())})"

    @property
    def y(self) -> np.ndarray | None:
        """The labels as `Task` describes them, -1 or NaN where there is none; None without any, and of kinds
        of task whose targets are no array."""
        found = self.targets
        return found.array if isinstance(found, Dense) and not isinstance(found, Unlabelled) else None

    @property
    def labelled(self) -> np.ndarray:
        """bool `[N]`: the rows that have a label."""
        return self.targets.known

    def digests(self) -> tuple[str, ...]:
        """Content fingerprint of every item. Reads each item once; kept afterwards."""
        return self._digests

    def known_digests(self) -> tuple[str, ...] | None:
        """The digests, if they are known already; reads nothing."""
        return self.__dict__.get("_digests")

    def remember(self, digests: tuple[str, ...]) -> None:
        """Keep digests that were computed while the items were read anyway: what `digests` would keep. It is
        one assignment of what follows from the items, so threads may come here at the same time."""
        if len(digests) != len(self.items):
            raise ValueError(f"{len(digests)} digests for {len(self.items)} items")
        self.__dict__["_digests"] = digests

    @cached_property
    def _digests(self) -> tuple[str, ...]:
        if "_whole" in self.__dict__:
            return self.__dict__["_whole"].digests()  # type: ignore[no-any-return]
        return tuple(fingerprint.of_bytes(item.read()) for item in self.items)

    @cached_property
    def fingerprint(self) -> str:
        """Content fingerprint of items, labels, groups and splits."""
        if "_whole" in self.__dict__:
            return self.__dict__["_whole"].fingerprint  # type: ignore[no-any-return]
        columns = [
            "-" if column is None else fingerprint.of_array(np.asarray(column))
            for column in (self.targets.content(), self.groups, self.split)
        ]
        # the same labels are the same data, whether they were given as numbers or as their names
        labels = (
            "-" if self.task is None else fingerprint.of_json(replace(self.task, label_type="text").to_json())
        )
        levels = [] if self.levels is None else [f"levels {self.levels}"]
        ids = (item.id for item in self.items)
        return fingerprint.of_parts([*self.digests(), *ids, *columns, labels, *levels])

    def with_levels(self, levels: Levels | None) -> Dataset:
        """The same items, read with other levels."""
        if levels == self.levels:
            return self
        out = replace(self, levels=levels)
        if "_digests" in self.__dict__:
            out.remember(self._digests)
        return out

    def view(self, *, labels: np.ndarray) -> Dataset:
        """The same data with the labels of these rows (int64) alone: those of all others do not exist in it.

        It has the fingerprint of the whole: what is computed from it belongs to the same data.
        """
        out = replace(self, targets=self.targets.hidden(labels))
        out.__dict__["_whole"] = self
        return out

    def subset(self, rows: Sequence[int] | np.ndarray) -> Dataset:
        """The given rows, in the given order."""
        index = np.asarray(rows, dtype=np.int64)
        columns: dict[str, Any] = {
            name: None if getattr(self, name) is None else getattr(self, name)[index]
            for name in ("groups", "split", "domains")
        }
        columns["targets"] = self.targets.subset(index)
        moved = [np.flatnonzero(np.isin(index, n.rows)).tolist() if n.rows else () for n in self.notes]
        notes = tuple(replace(note, rows=tuple(rows)) for note, rows in zip(self.notes, moved, strict=True))
        out = replace(self, items=tuple(self.items[i] for i in index), notes=notes, **columns)
        if "_digests" in self.__dict__:
            out.__dict__["_digests"] = tuple(self._digests[i] for i in index)
        return out

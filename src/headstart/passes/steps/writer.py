"""Work in portions that every process cuts in the same way, so that they share it and can resume it.

A chunk is a fixed stretch of the distinct items in the data set's order; who computes it holds its
lock. What is missing of it is written as a shard (or a few). Inside a chunk the network runs on fixed
blocks: a pass that was killed and resumed puts the same items together as one that was not. Items that
differ in size (texts) are put together with those of like size, up to so much in all.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field

import numpy as np

from headstart.core import fingerprint
from headstart.passes.steps.spec import Want, distinct
from headstart.store.disk import keys
from headstart.store.store import FeatureStore

SMALL, LARGE = 128, 1024
"""Items of a chunk: so much a killed process loses; large data sets get larger shards, and so do items that
differ in length, for among more of them there are more of like length."""
MANY = 16_384


Packer = Callable[[np.ndarray], list[np.ndarray]]
"""Rows of the data set (int64) -> blocks of positions among them, int64 each."""


def by_number(size: int) -> Packer:
    """So many items a block, in order."""
    return lambda rows: [
        np.arange(start, min(start + size, len(rows))) for start in range(0, len(rows), size)
    ]


def by_weight(weigh: Callable[[int], int], most: int, number: int) -> Packer:
    """Items of like weight together: a block's largest weight times its items is at most `most`, and its
    items at most `number`."""

    def pack(rows: np.ndarray) -> list[np.ndarray]:
        weights = np.array([weigh(int(row)) for row in rows], dtype=np.int64)
        order = np.argsort(-weights, kind="stable")  # the largest first: what does not fit is seen at once
        blocks, start = [], 0
        while start < len(order):
            count = int(min(number, max(1, most // max(1, weights[order[start]]))))
            blocks.append(np.sort(order[start : start + count]))
            start += count
        return blocks

    return pack


@dataclass(frozen=True)
class Part:
    """Columns to compute for some views of a job's items: one shard."""

    want: Want
    columns: tuple[str, ...]
    views: tuple[int, ...]


@dataclass(eq=False)
class Job:
    """Items of a chunk that all miss the same."""

    rows: np.ndarray
    """int64: rows of the data set."""
    parts: tuple[Part, ...]
    blocks: list[np.ndarray] = field(repr=False)


@dataclass(eq=False)
class Block:
    """What goes through the network at once."""

    job: Job
    rows: np.ndarray
    chunk: int = -1
    last: bool = False
    """Whether the job ends with it."""


class Chunks:
    """The chunks of a data set and what is missing of each."""

    def __init__(
        self,
        store: FeatureStore,
        wants: Sequence[Want],
        digests: Sequence[str],
        *,
        pack: Packer,
        large: bool = False,
        viewed: Sequence[int] | None = None,
    ) -> None:
        self._store, self._wants, self._digests, self._pack = store, tuple(wants), digests, pack
        self._items = keys.item_keys(digests)
        self._viewed = np.ones(len(digests), bool)
        if viewed is not None:  # by content: a row stands for all that are alike
            self._viewed = np.isin(self._items, self._items[list(viewed)])
        rows = distinct(self._items)
        size = LARGE if large or len(rows) >= MANY else SMALL
        self._chunks = [rows[start : start + size] for start in range(0, len(rows), size)]
        self._held: dict[int, tuple[AbstractContextManager[bool], int]] = {}
        self.items = len(rows)

    def missing(self) -> int:
        """Items of which something is not on disk."""
        return sum(int(self._gone(chunk)[1].any(axis=1).sum()) for chunk in self._chunks)

    def everything(self, rows: np.ndarray) -> Iterator[Block]:
        """Blocks of the given rows that compute everything and store nothing: to measure time."""
        parts = tuple(Part(want, want.columns, want.views) for want in self._wants)
        job = Job(rows, parts, self._pack(rows))
        for positions in job.blocks:
            yield Block(job, rows[positions])

    def blocks(self) -> Iterator[Block | None]:
        """What is missing, chunk by chunk as this process can claim them; None: ask again later.

        A chunk stays claimed until `finish` has been called for each of its jobs, or `close`.
        """
        waiting = deque(number for number, chunk in enumerate(self._chunks) if self._gone(chunk)[1].any())
        while waiting:
            idle = True
            for _ in range(len(waiting)):
                number = waiting.popleft()
                claim = self._store.claim(self._name(number))
                if not claim.__enter__():
                    claim.__exit__(None, None, None)
                    waiting.append(number)
                    continue
                idle = False
                for section in {want.section for want in self._wants}:
                    self._store.catalogue(section).refresh()  # somebody else may have done it meanwhile
                jobs = self._jobs(self._chunks[number])
                self._held[number] = (claim, len(jobs))
                if not jobs:
                    self._release(number)
                for job in jobs:
                    for place, positions in enumerate(job.blocks):
                        rows = self._chunks[number][positions]
                        yield Block(job, rows, number, place == len(job.blocks) - 1)
            if idle:
                yield None

    def finish(self, block: Block) -> None:
        """A job of the block's chunk is on disk."""
        claim, jobs = self._held[block.chunk]
        self._held[block.chunk] = (claim, jobs - 1)
        if jobs == 1:
            self._release(block.chunk)

    def close(self) -> None:
        """Give back all that is still claimed."""
        for number in list(self._held):
            self._release(number)

    def _release(self, number: int) -> None:
        self._held.pop(number)[0].__exit__(None, None, None)

    def _name(self, number: int) -> str:
        digests = [self._digests[row] for row in self._chunks[number]]
        return fingerprint.of_parts([*(want.section.id for want in self._wants), *digests])[:24]

    def _gone(self, chunk: np.ndarray) -> tuple[list[tuple[Want, int, str]], np.ndarray]:
        """(what is wanted of each item: a column of a view; bool `[items of the chunk, wanted]`: missing)."""
        items = self._items[chunk]
        slots: list[tuple[Want, int, str]] = []
        gone = []
        for want in self._wants:
            found = self._store.catalogue(want.section).missing(
                want.columns, keys.row_keys(items, want.views)
            )
            for number, view in enumerate(want.views):
                rows = slice(number * len(items), (number + 1) * len(items))
                slots += [(want, view, column) for column in want.columns]
                gone.append(found[rows] & self._viewed[chunk, None] if view else found[rows])
        return slots, np.hstack(gone)

    def _jobs(self, chunk: np.ndarray) -> list[Job]:
        """What is missing of a chunk: items that miss the same columns of the same views together."""
        slots, table = self._gone(chunk)
        patterns, member = np.unique(table, axis=0, return_inverse=True)
        jobs = []
        whole = self._pack(chunk) if table.any() else []
        for number, pattern in enumerate(patterns):
            if pattern.any():
                positions = np.flatnonzero(member.ravel() == number)
                blocks = _split(positions, whole, lambda some: self._pack(chunk[some]))
                slots_here = [slot for slot, missing in zip(slots, pattern, strict=True) if missing]
                jobs.append(Job(chunk[positions], _parts(slots_here), blocks))
        return jobs


def _parts(slots: Sequence[tuple[Want, int, str]]) -> tuple[Part, ...]:
    """Views of one section that miss the same columns share a shard."""
    columns: dict[tuple[Want, int], list[str]] = {}
    for want, view, column in slots:
        columns.setdefault((want, view), []).append(column)
    views: dict[tuple[Want, tuple[str, ...]], list[int]] = {}
    for (want, view), names in columns.items():
        views.setdefault((want, tuple(names)), []).append(view)
    return tuple(Part(want, names, tuple(found)) for (want, names), found in views.items())


def _split(positions: np.ndarray, blocks: Sequence[np.ndarray], pack: Packer) -> list[np.ndarray]:
    """Positions in the fixed blocks of a chunk where a block is whole; what is left over, packed again."""
    wanted = set(positions.tolist())
    whole = [block for block in blocks if wanted.issuperset(block.tolist())]
    taken = {position for block in whole for position in block.tolist()}
    left = np.array([p for p in positions.tolist() if p not in taken], dtype=np.int64)
    return whole + ([left[block] for block in pack(left)] if len(left) else [])

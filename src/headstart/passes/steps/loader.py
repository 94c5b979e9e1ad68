"""Items in, prepared batches out: several threads, a bounded number of blocks ahead."""

from __future__ import annotations

import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np

from headstart.core.dataset import Dataset, FileItem, Item, ZipItem
from headstart.core.source import Preprocessing
from headstart.errors import DataError, ItemError
from headstart.modalities.base import Modality

B = TypeVar("B")
R = TypeVar("R")

MOST_WORKERS = 16


def cores() -> int:
    """Processor cores this process may use."""
    available = getattr(os, "sched_getaffinity", None)
    return len(available(0)) if available is not None else os.cpu_count() or 1


def flow(
    blocks: Iterable[B | None],
    work: Callable[[B], R],
    *,
    workers: int,
    begin: Callable[[], None] | None = None,
) -> Iterator[tuple[B, R]]:
    """Each block with what `work` made of it, in order; at most `workers + 2` are under way.

    None among the blocks means that there is none at the moment. `begin` runs first in each thread.
    """
    flight: deque[tuple[B, Future[R]]] = deque()
    with ThreadPoolExecutor(workers, "pass", initializer=begin) as pool:
        try:
            for block in blocks:
                if block is not None:
                    flight.append((block, pool.submit(work, block)))
                if flight and (block is None or len(flight) >= workers + 2):
                    done, future = flight.popleft()
                    yield done, future.result()
                elif block is None:
                    time.sleep(0.05)
            while flight:
                done, future = flight.popleft()
                yield done, future.result()
        finally:
            for _, future in flight:
                future.cancel()


class Reader:
    """Prepared items of a data set."""

    def __init__(self, dataset: Dataset, digests: Sequence[str], kind: str, modality: Modality) -> None:
        self.dataset, self.digests, self.kind, self.modality = dataset, digests, kind, modality

    def read(
        self, rows: np.ndarray, contract: Preprocessing | None, views: Sequence[int], size: int | None
    ) -> tuple[dict[int, np.ndarray], np.ndarray | None]:
        """A batch of each view, and the inputs to store at `size`. Each item is read and decoded once.

        Raises `DataError` naming the item that cannot be.
        """
        prepared: dict[int, list[np.ndarray]] = {view: [] for view in views}
        kept: list[np.ndarray] = []
        for row in rows:
            with self._open(int(row)) as opened:
                for view, found in prepared.items():
                    key = self.digests[row]
                    found.append(self.modality.prepare(opened, contract, view=view, kind=self.kind, key=key))
                if size is not None:
                    kept.append(self.modality.stored(opened, contract, size))
            del opened  # of large pictures one at a time
        batches = {view: self.modality.collate(found) for view, found in prepared.items()}
        return batches, np.stack(kept) if size is not None else None

    @contextmanager
    def _open(self, row: int) -> Iterator[Any]:
        item = self.dataset.items[row]
        try:
            with self.modality.held(item.read(), self.dataset.levels) as opened:
                yield opened
        except (OSError, ItemError) as error:
            problem = getattr(error, "problem", "") or getattr(error, "strerror", "") or str(error)
            raise DataError(item.id, f"cannot be used: {problem}", remedy(item)) from error


def remedy(item: Item) -> str:
    """What to do about an item that cannot be used: commands are for what lies on disk."""
    if isinstance(item, FileItem | ZipItem):
        return "run `headstart check` on the data, or leave such items out with --drop-bad"
    return "mend it, or leave it out"

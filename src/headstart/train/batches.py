"""Shuffled batches over stored rows: the same batches for the same seed, wherever one starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from headstart.core.features import Rows
from headstart.train import draws

Vary = Callable[[Tensor, np.ndarray, int], Tensor]
"""(stored inputs `[B, ...]` on the device, their rows, the epoch) -> inputs of the network."""


@dataclass(frozen=True)
class Batch:
    """Items of one step, on the CPU."""

    inputs: Tensor
    """As stored: states (float16), pixels (uint8) or tokens (int32), `[B, ...]`."""
    targets: Tensor
    """What the task's loss takes, `[B]` or `[B, K]`."""
    rows: np.ndarray
    """int64 `[B]`: row numbers of the data set."""
    epoch: int


@dataclass(frozen=True)
class Batches:
    """Training rows cut into batches of nearly equal size.

    `views` are arrays over the whole data set: the items as they are, then their stored augmented
    views; each epoch shows every item once, in one view. `rows` (int64 `[n]`) are the rows to
    train on and `targets` `[n, ...]` belong to them.
    """

    views: Sequence[Rows] = field(repr=False)
    rows: np.ndarray = field(repr=False)
    targets: np.ndarray = field(repr=False)
    size: int
    seed: int = 0
    augment: Vary | None = None
    """Applied on the training device."""
    by_view: bool = False
    """Whether targets are `[n, views, ...]`: what has a place in an item moves with its views."""

    @property
    def per_epoch(self) -> int:
        """Steps in an epoch: all rows are used, and no batch is much smaller than the others."""
        return max(1, round(len(self.rows) / self.size))

    @property
    def smallest(self) -> int:
        """Items in the smallest batch."""
        return len(self.rows) // self.per_epoch

    def members(self, step: int) -> np.ndarray:
        """int64: positions in `rows` of the items of a step, counted from the first epoch."""
        epoch, index = divmod(step, self.per_epoch)
        return np.array_split(draws.order(self.seed, epoch, len(self.rows)), self.per_epoch)[index]

    def read(self, step: int) -> Batch:
        members = self.members(step)
        epoch, rows = step // self.per_epoch, self.rows[members]
        inputs, targets = drawn(self.views, rows, self.seed, epoch), self.targets[members]
        if self.by_view:
            view = draws.choose(self.seed, epoch, rows, len(self.views))
            targets = targets[np.arange(len(rows)), view]
        return Batch(inputs, torch.from_numpy(targets), rows, epoch)

    def walk(self, start: int, stop: int) -> Iterator[tuple[int, Batch]]:
        """(step, batch) from `start` up to `stop`; the next batch is read while one is in use."""
        with ThreadPoolExecutor(1, thread_name_prefix="batches") as pool:
            waiting = pool.submit(self.read, start) if start < stop else None
            for step in range(start, stop):
                assert waiting is not None
                batch = waiting.result()
                waiting = pool.submit(self.read, step + 1) if step + 1 < stop else None
                yield step, batch

    def inputs(self, batch: Batch, device: Any) -> Tensor:
        """The batch's inputs on the device, augmented."""
        inputs = batch.inputs.to(device, non_blocking=True)
        return inputs if self.augment is None else self.augment(inputs, batch.rows, batch.epoch)


def drawn(views: Sequence[Rows], rows: np.ndarray, seed: int, epoch: int) -> Tensor:
    """Rows as stored, each in one of its views."""
    view = draws.choose(seed, epoch, rows, len(views))
    first = np.asarray(views[0][rows[:1]])
    inputs = np.empty((len(rows), *first.shape[1:]), first.dtype)
    for number in np.unique(view):
        inputs[view == number] = views[number][rows[view == number]]
    return torch.from_numpy(inputs)


def in_order(view: Rows, rows: np.ndarray, size: int) -> Iterator[tuple[slice, Tensor]]:
    """(positions in `rows`, inputs) batch by batch, for evaluation."""
    for start in range(0, len(rows), size):
        part = slice(start, min(start + size, len(rows)))
        yield part, torch.from_numpy(np.ascontiguousarray(view[rows[part]]))

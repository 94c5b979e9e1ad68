"""Where items of all requests meet: they wait in one line, and one thread answers them batch by batch.

A model is not for several threads at a time, and computes eight items in less time than eight times one. So
the first item in line waits a moment for others; whoever was given up meanwhile is not computed.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

from headstart.core.dataset import Item
from headstart.predict.predictor import Answering, Prediction, stream
from headstart.predict.tiles import Tiling
from headstart.serve.asking.limits import Limits

T = TypeVar("T")


class Full(Exception):
    """Too many items wait already."""


@dataclass
class Counts:
    """What has been computed."""

    items: int = 0
    batches: int = 0
    largest: int = 0
    busy: float = 0.0
    """Seconds in which the model was at work."""


@dataclass(eq=False)
class _Waiting:
    item: Item
    answer: asyncio.Future[Prediction]


@dataclass(eq=False)
class Desk:
    """One model and its line. Its coroutines belong to one event loop."""

    predictor: Answering
    limits: Limits
    counts: Counts = field(default_factory=Counts)
    _line: deque[_Waiting] = field(default_factory=deque)
    _come: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="model")
        self._tiling = Tiling.of(self.predictor.model, None)
        self._work: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> int:
        """Items in line."""
        return len(self._line)

    async def answers(self, items: Sequence[Item]) -> list[Prediction]:
        """The answers of these items, in order. Raises `Full` where the line has no room for all of them."""
        if self._work is None:
            self._work = asyncio.create_task(self._serve())
        if len(self._line) + len(items) > max(self.limits.waiting, len(items) if not self._line else 0):
            raise Full
        loop = asyncio.get_running_loop()
        own = [_Waiting(item, loop.create_future()) for item in items]
        self._line += own
        self._come.set()
        try:
            return await asyncio.gather(*(one.answer for one in own))
        finally:  # what nobody waits for any more is not computed
            for one in own:
                one.answer.cancel()

    async def run(self, ask: Callable[[Answering], T]) -> T:
        """Something else that needs the model, between two batches."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, ask, self.predictor)

    async def close(self) -> None:
        """Let the batch under way end."""
        if self._work is not None:
            self._work.cancel()
        self._thread.shutdown(wait=True, cancel_futures=True)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            self._come.clear()
            if not self._line:
                await self._come.wait()
            if len(self._line) < self.limits.batch:
                await asyncio.sleep(self.limits.gather)
            batch: list[_Waiting] = []
            while self._line and len(batch) < self.limits.batch:
                one = self._line.popleft()
                if not one.answer.done():
                    batch.append(one)
            if not batch:
                continue
            try:
                found = await loop.run_in_executor(self._thread, self._compute, [one.item for one in batch])
            except Exception as error:  # of the model: each of the batch is told, the next one has its turn
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(error)
                continue
            for one, row in zip(batch, found, strict=True):
                if not one.answer.done():
                    one.answer.set_result(row)

    def _compute(self, items: Sequence[Item]) -> list[Prediction]:
        began = time.monotonic()
        found = list(stream(self.predictor, items, batch_size=len(items), tiling=self._tiling))
        self.counts.items += len(items)
        self.counts.batches += 1
        self.counts.largest = max(self.counts.largest, len(items))
        self.counts.busy += time.monotonic() - began
        return found

"""The one pass: every item read and decoded once, through the network once, and never again.

On a processor each thread reads, decodes and computes a small batch by itself with one core: nobody
waits for anybody, also when other programs are at work, and rows do not depend on how many cores
there are. On a GPU threads decode and the GPU computes. One thread writes.

A pass that was killed and resumed on the same machine gives the same bits as one that was not: the
network runs on fixed blocks of items. Where a data set has grown the new items are put together
differently than they would have been from the start, which may change the last bit of a float16.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from headstart import modalities
from headstart.core import fingerprint
from headstart.core.dataset import Dataset
from headstart.core.features import FeatureSpec
from headstart.core.strategy import Progress, silent
from headstart.errors import DataError, ItemError
from headstart.passes.engines import AUTO, EAGER, ENGINES
from headstart.passes.engines.base import Engine
from headstart.passes.steps import choice as choices
from headstart.passes.steps import spec as specs
from headstart.passes.steps.choice import Choice
from headstart.passes.steps.forward import TOKENS, Built, Columns, Forward, batch_on, device_of
from headstart.passes.steps.loader import MOST_WORKERS, Reader, cores, flow, remedy
from headstart.passes.steps.writer import Block, Chunks, Job, Part, by_number, by_weight
from headstart.store import upkeep
from headstart.store.disk import keys
from headstart.store.disk.pins import Pin
from headstart.store.disk.shard import ShardWriter
from headstart.store.features import StoredFeatures
from headstart.store.memo import Memo
from headstart.store.store import FeatureStore

MEASURED = 32
"""Items that `measure_pass` sends through."""


def measure_pass(
    backbone: Any,
    dataset: Dataset,
    like: StoreExtractor | None = None,
    *,
    n: int = MEASURED,
    store: FeatureStore | None = None,
    device: str | None = None,
    workers: int | None = None,
) -> float:
    """Seconds that a pass of `backbone` over `dataset` takes here, from `n` items spread over it.

    The engine is that of `like`, found for the whole data set unless given, and built once for both. What was
    computed is stored. On many cores more items are taken, so that all have work.
    """
    store = store or FeatureStore.default()
    extractor = like or StoreExtractor(store, dataset, device=device, workers=workers)
    batch = batch_on(extractor.device, backbone.source.input)
    n = min(len(dataset), max(n, 2 * extractor.workers * batch))
    rows = np.unique(np.linspace(0, len(dataset) - 1, n).round().astype(np.int64))
    measured = StoreExtractor(store, dataset.subset(rows), device=device, workers=workers)
    measured.choices[backbone.digest] = extractor.choice(backbone)
    measured.built = extractor.built
    return measured.rehearse(backbone, FeatureSpec(taps=backbone.taps())) / len(rows) * len(dataset)


@dataclass
class _Tally:
    """What a pass did."""

    items: int = 0
    clipped: int = 0
    done: int = 0
    seconds: float = 0.0
    computing: float = 0.0
    """Seconds until the last block was there, without flushing it to disk."""


@dataclass
class _Made:
    """What came of a block: for each part of its job the rows of each view, in order."""

    parts: list[list[tuple[np.ndarray, Columns, dict[str, int]]]] = field(default_factory=list)
    items: int = 0
    """Sent through the network."""

    @property
    def bytes(self) -> int:
        return sum(a.nbytes for part in self.parts for _, arrays, _ in part for a in arrays.values())


class StoreExtractor:
    """An `Extractor` for one data set: stored features, computing what is missing.

    `progress(name, done, total)` counts the items to be computed now, `name` being the source's.
    `batch_size` and `workers` are chosen for the machine unless given, the `engine` for each source.
    """

    def __init__(
        self,
        store: FeatureStore,
        dataset: Dataset,
        *,
        device: str | None = None,
        batch_size: int | None = None,
        workers: int | None = None,
        progress: Progress = silent,
        engine: str = AUTO,
    ) -> None:
        self.store, self.dataset, self.progress = store, dataset, progress
        self.device = device_of(device)
        self.batch, self.engine = batch_size, engine
        self.choices: dict[str, Choice] = {}
        """By the digest of a network."""
        self.built: dict[tuple[str, str], Built] = {}
        """By the digest of a network and an engine's numbers, until its pass is made: a trial builds what the
        pass uses."""
        available = cores() if self.device.type == "cuda" else min(cores(), torch.get_num_threads())
        self.workers = workers or min(available, MOST_WORKERS)
        self.threads = max(1, available // self.workers)

    def __call__(self, backbone: Any, spec: FeatureSpec) -> StoredFeatures:
        """The features of the whole data set.

        Raises `DataError` for an item that cannot be read, `StoreError` for a store that cannot be
        written, `SourceError` for a network that gives no numbers, `UnknownName` or `BadOption` for
        a spec that does not suit the backbone.
        """
        plan = _Plan(self, backbone, spec)
        pin, tally, items = self._extract(plan)
        work = {
            "forward_passes": tally.items / max(1, items),
            "seconds": tally.seconds,
            "clipped": tally.clipped,
        }
        return StoredFeatures(
            self.store, plan.digests, plan.spec, plan.sections, inputs=plan.inputs, pin=pin, work=work
        )

    def _extract(self, plan: _Plan) -> tuple[Pin, _Tally, int]:
        """See that everything is on disk, and stays there: (pin, what was done, distinct items)."""
        pin, tally = Pin(), _Tally()
        for want in plan.wants:
            self.store.pin(want.section, want.columns, pin)
        chunks = self._chunks(plan)
        missing = chunks.missing()
        if missing:
            upkeep.sweep(self.store.path)
            for want in plan.wants:
                self.store.prepare(want.section)
                self.store.pin(want.section, want.columns, pin)
            self._run(plan, chunks, missing, tally)
        self.built = {}
        return pin, tally, chunks.items

    def missing(self, backbone: Any, spec: FeatureSpec) -> float:
        """Share of the items, 0 to 1, that the store lacks."""
        missing, items = self._missing(_Plan(self, backbone, spec))
        return missing / max(1, items)

    def _missing(self, plan: _Plan) -> tuple[int, int]:
        """(items that the store lacks, distinct items)."""
        chunks = self._chunks(plan)
        return chunks.missing(), chunks.items

    def _chunks(self, plan: _Plan) -> Chunks:
        """The data set in portions, and what is on disk of it looked at again."""
        for want in plan.wants:
            self.store.catalogue(want.section).reload()
        return plan.chunks(self.store)

    def choice(self, backbone: Any) -> Choice:
        """The engine for a source's passes: the one whose features are all stored, else the one that was kept
        for this machine, else the best of a trial."""
        if backbone.digest not in self.choices:
            self.choices[backbone.digest] = self._chosen(backbone)
        return self.choices[backbone.digest]

    def _chosen(self, backbone: Any) -> Choice:
        device = self.device.type
        if device != "cpu" and self.engine == AUTO:  # a trial would need a clock of its own there
            return Choice(EAGER if ENGINES["autocast"].suits(backbone, device) else "autocast")
        tried, refused = choices.names(self.engine, backbone, device)
        if not tried or not len(self.dataset):
            return Choice(refused=refused)
        memo, key = Memo(self.store.root / "memo.sqlite"), choices.key(self.engine, backbone, device)
        kept = Choice.of(memo.get(key, {}))
        spec = FeatureSpec(taps=backbone.taps())
        plans = {name: _Plan(self, backbone, spec, name) for name in {kept.engine if kept else EAGER, EAGER}}
        if kept is not None and (self.engine != AUTO or not self._missing(plans[kept.engine])[0]):
            return kept
        missing = self._missing(plans[EAGER])[0]
        if self.engine == AUTO and missing <= choices.BATCHES * plans[EAGER].batch:
            return kept or Choice()
        found = kept or self._trial(plans[EAGER], tried, missing)
        if found is None:
            return Choice()
        if kept is None:
            memo[key] = found.to_json()
        return found

    def _trial(self, plan: _Plan, tried: Sequence[str], items: int) -> Choice | None:
        """On items from all over the data set, in a thread that has one core, as those of a pass have."""
        rows = specs.distinct(keys.item_keys(plan.digests))
        some = np.linspace(0, len(rows) - 1, min(len(rows), choices.BATCHES * plan.batch)).astype(np.int64)
        blocks = list(plan.chunks(self.store).everything(rows[np.unique(some)]))
        batches = [plan.read(block)[0][0] for block in blocks[: choices.BATCHES]]
        columns = plan.wants[0].columns

        @contextmanager
        def opened(engine: Engine) -> Iterator[Any]:
            built = self.built.setdefault((plan.backbone.digest, engine.PRECISION), {})
            with Forward(plan.backbone, self.device, engine, built).ready(columns) as forward:
                yield lambda batch: forward(batch, columns)[0]

        with ThreadPoolExecutor(1, "trial", initializer=lambda: torch.set_num_threads(1)) as pool:
            stack = ExitStack()
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            with stack:
                found = pool.submit(choices.trial, self.engine, tried, batches, items, opened).result()
        taken = (plan.backbone.digest, ENGINES[(found or Choice()).engine].PRECISION)
        self.built = {key: built for key, built in self.built.items() if key == taken}
        return found

    def rehearse(self, backbone: Any, spec: FeatureSpec) -> float:
        """Seconds that a pass takes without its start; everything is computed whatever is stored."""
        plan = _Plan(self, backbone, spec)
        chunks = self._chunks(plan)
        if chunks.missing() == chunks.items:
            return self._extract(plan)[1].computing
        rows = specs.distinct(keys.item_keys(plan.digests))
        with plan.ready(), closing(plan.made(chunks.everything(rows))) as made:
            start = time.perf_counter()
            for _ in made:
                pass
            return time.perf_counter() - start

    def _run(self, plan: _Plan, chunks: Chunks, missing: int, tally: _Tally) -> None:
        """Compute and store what is missing. Whatever happens, nothing half-written stays."""
        writers: dict[Job, list[ShardWriter]] = {}
        with ExitStack() as stack, plan.ready(), closing(plan.made(chunks.blocks())) as results:
            stack.callback(chunks.close)
            start = time.perf_counter()
            self.progress(plan.name, 0, missing)
            for block, made in results:
                tally.computing = time.perf_counter() - start
                if not tally.done:
                    self.store.make_room(made.bytes * missing // len(block.rows))
                if block.job not in writers:
                    writers[block.job] = [
                        stack.enter_context(self._writer(part, block.job)) for part in block.job.parts
                    ]
                for writer, rows in zip(writers[block.job], made.parts, strict=True):
                    for found, arrays, clipped in rows:
                        writer.append(found, arrays, clipped)
                        tally.clipped += sum(clipped.values())
                if block.last:
                    for writer in writers.pop(block.job):
                        writer.publish()
                    chunks.finish(block)
                tally.items += made.items
                tally.done += len(block.rows)
                self.progress(plan.name, min(tally.done, missing), missing)
            tally.seconds = time.perf_counter() - start
        if tally.done < missing:  # another process did the rest
            self.progress(plan.name, missing, missing)

    def _writer(self, part: Part, job: Job) -> ShardWriter:
        rows = len(job.rows) * len(part.views)
        return self.store.writer(part.want.section, part.columns, rows, data=self.dataset.name)


class _Plan:
    """One pass: what is wanted, and how a block of it is made."""

    def __init__(
        self, extractor: StoreExtractor, backbone: Any, spec: FeatureSpec, engine: str | None = None
    ) -> None:
        self.backbone = backbone
        self.dataset, self.device = extractor.dataset, extractor.device
        self.workers, self.threads = extractor.workers, extractor.threads
        self.modality = modalities.get(self.dataset.modality)
        if backbone is not None and backbone.source.modality != self.dataset.modality:
            wanted, found = (
                modalities.get(m).NOUN for m in (backbone.source.modality, self.dataset.modality)
            )
            raise DataError(self.dataset.name, f"holds {found}s, but {backbone.source.name} reads {wanted}s")
        self.spec = specs.complete(backbone, spec, self.modality)
        computes = backbone is not None and bool(self.spec.taps or self.spec.cut)
        name = engine or (extractor.choice(backbone).engine if computes else EAGER)
        precision = ENGINES[name].PRECISION
        built = extractor.built.get((backbone.digest, precision)) if computes else None
        self.forward = Forward(backbone, self.device, ENGINES[name], built) if computes else None
        self.sections = specs.sections(backbone, self.spec, precision, self.modality)
        self.inputs = specs.input_section(backbone, self.spec, self.modality)
        self.wants = specs.wants(self.spec, self.sections, self.inputs)
        self.digests = digests(self.dataset)
        self.contract = backbone.source.input if backbone is not None else None
        self.name = backbone.source.name if backbone is not None else "pixels"
        self.batch = extractor.batch or batch_on(self.device, self.contract, self.spec.inputs or 1)
        self._reader = Reader(self.dataset, self.digests, self.spec.view_kind, self.modality)

    def chunks(self, store: FeatureStore) -> Chunks:
        """The data set in portions."""
        pack = by_number(self.batch)
        lengths = self.contract is not None and self.contract.size is None
        if lengths:
            most = TOKENS[self.device.type if self.device.type in TOKENS else "cuda"]
            pack = by_weight(self._weight, most, self.batch)
        return Chunks(store, self.wants, self.digests, pack=pack, large=lengths, viewed=self.spec.viewed)

    def _weight(self, row: int) -> int:
        return self.modality.weight(self.dataset.items[row].read(), self.contract)

    def ready(self) -> ExitStack:
        """The network set up, and torch's number of threads put back afterwards."""
        stack = ExitStack()
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        if self.forward is not None and self.sections:
            columns = next(want.columns for want in self.wants if not want.inputs)
            stack.enter_context(self.forward.ready(columns))
        return stack

    def made(self, blocks: Iterator[Block | None]) -> Generator[tuple[Block, _Made], None, None]:
        """Each block computed, in order."""
        if self.device.type == "cpu":
            # one core a thread; the setting is the thread's own
            yield from flow(
                blocks, self._make, workers=self.workers, begin=lambda: torch.set_num_threads(self.threads)
            )
            return
        for block, found in flow(blocks, self.read, workers=self.workers):
            yield block, self._compute(block, *found)

    def _make(self, block: Block) -> _Made:
        return self._compute(block, *self.read(block))

    def read(self, block: Block) -> tuple[dict[int, np.ndarray], np.ndarray | None]:
        parts = block.job.parts
        views = sorted({view for part in parts if not part.want.inputs for view in part.views})
        size = self.spec.inputs if any(part.want.inputs for part in parts) else None
        return self._reader.read(block.rows, self.contract, views, size)

    def _compute(self, block: Block, prepared: dict[int, np.ndarray], inputs: np.ndarray | None) -> _Made:
        made = _Made()
        items = keys.item_keys([self.digests[row] for row in block.rows])
        for part in block.job.parts:
            rows: list[tuple[np.ndarray, Columns, dict[str, int]]] = []
            for view in part.views:
                found = keys.row_keys(items, [view])
                if part.want.inputs:
                    assert inputs is not None
                    rows.append((found, {part.columns[0]: inputs}, {}))
                else:
                    assert self.forward is not None
                    rows.append((found, *self.forward(prepared[view], part.columns)))
                    made.items += len(block.rows)
            made.parts.append(rows)
        return made


def digests(dataset: Dataset) -> Sequence[str]:
    """The digest of every item, as it is read: with other levels it is another. Raises `DataError` when one
    cannot be read."""
    try:
        found = dataset.digests()
    except (OSError, ItemError) as error:
        raise _unreadable(dataset, error) from error
    if dataset.levels is None:
        return found
    return tuple(fingerprint.of_parts([digest, f"levels {dataset.levels}"]) for digest in found)


def _unreadable(dataset: Dataset, error: Exception) -> DataError:
    """Which item it was, and what to do."""
    for item in dataset.items:
        try:
            item.read()
        except (OSError, ItemError) as again:
            problem = getattr(again, "problem", "") or getattr(again, "strerror", "") or str(again)
            return DataError(item.id, f"cannot be read ({problem})", remedy(item))
    return DataError(dataset.name, f"cannot be read ({error})")


__all__ = ["StoreExtractor", "measure_pass"]

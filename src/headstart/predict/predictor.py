"""Predict: a model's answers for files, folders, archives and arrays, in their order, in bounded memory."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol, overload

import numpy as np

from headstart import modalities, nets, tasks
from headstart.core.dataset import Item
from headstart.core.model import Model
from headstart.core.source import Preprocessing
from headstart.core.strategy import Progress
from headstart.core.task import Task
from headstart.core.untrusted import Damaged, parsing
from headstart.core.words import few
from headstart.errors import BadOption, BundleError, HeadstartError, NetError
from headstart.predict import adapting, spoken, tiles
from headstart.predict.adapting.base import Adaptation, Job, learnt
from headstart.predict.inputs import items_of
from headstart.predict.preparing import Prepared, ready
from headstart.predict.spoken import Segment
from headstart.tasks.base import Places, Says

BATCH = 32
AHEAD = 2
"""Batches that are decoded while one is computed; memory never holds more."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """The answer for one item, or why there is none."""

    id: str
    answer: Any = None
    """The label; a list of labels (multi-label); a number (regression); the class number of every pixel,
    uint8 `[H, W]` (segmentation); `core.boxes.Boxes` (detection); None when unreadable. Labels have the type
    in which they were given: int for whole numbers, bool for booleans, else str."""
    scores: np.ndarray | None = field(default=None, repr=False)
    """float32 `[K]`: a probability for each label, or the number; of maps `[K, h, w]` before they are scaled,
    of boxes rows `[M, 6]`; None when unreadable."""
    error: str = ""
    labels: tuple[Any, ...] | None = None
    """The label set, most probable first; None when none was asked for."""
    abstains: bool = False
    """Whether the answer was held back as not sure enough."""
    drawing: str = ""
    """The file that it was drawn to, where it was."""
    unread: str = ""
    """What of the item the model did not see, in words: "the first 256 of 412 tokens are read"."""
    tiles: int = 1
    """In how many parts it was read (`headstart.predict.tiles`)."""
    segments: tuple[Segment, ...] = ()
    """Of a long recording, what is said in it when; `answer` is all of it."""


@dataclass(frozen=True, eq=False)
class Predictions(Sequence[Prediction]):
    """Answers in the order of the inputs."""

    task: Task
    rows: tuple[Prediction, ...]
    adapted: Adaptation | None = None
    """How the model was brought to these items before it answered."""

    @overload
    def __getitem__(self, index: int) -> Prediction: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Prediction]: ...
    def __getitem__(self, index: int | slice) -> Prediction | Sequence[Prediction]:
        return self.rows[index]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def failed(self) -> tuple[Prediction, ...]:
        """The rows without an answer."""
        return tuple(row for row in self.rows if row.error)

    @property
    def unread(self) -> tuple[Prediction, ...]:
        """The rows of items that the model saw only in part."""
        return tuple(row for row in self.rows if row.unread)

    @property
    def answers(self) -> list[Any]:
        """Labels, lists of labels or numbers; None for unreadable items."""
        return [row.answer for row in self.rows]

    @property
    def scores(self) -> np.ndarray:
        """float32 `[N, K]`: probabilities (or values); NaN for unreadable items."""
        nothing = np.full(self.task.outputs, np.nan, dtype=np.float32)
        rows = [nothing if row.scores is None else row.scores for row in self.rows]
        return np.stack(rows) if rows else np.empty((0, self.task.outputs), np.float32)


class Answering(Protocol):
    """What answers prepared batches, with the model that says how they are prepared and decoded."""

    model: Model

    def scores(self, prepared: np.ndarray) -> np.ndarray:
        """A prepared batch -> float32 `[B, K]`: probabilities, or values."""


class Opened(ABC):
    """A model that was opened from disk, however it is kept there: what it is, and its answers."""

    def __init__(self, model: Model, path: Path) -> None:
        """`path`: the folder, archive or graph it was opened from."""
        self.model, self.path = model, path

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.path)!r}: {self.task.kind}, {len(self.labels)} outputs)"

    @property
    @abstractmethod
    def predictor(self) -> Answering:
        """What answers."""

    @property
    def task(self) -> Task:
        return self.model.task

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of the outputs, in their order."""
        return self.task.labels

    @property
    def input(self) -> Preprocessing:
        """How items are prepared."""
        return self.model.input

    @property
    def source(self) -> Mapping[str, Any]:
        """Spec, revision, digest and licence of the source it comes from."""
        return self.model.source

    @property
    def evidence(self) -> Mapping[str, Any]:
        """How good it is and how that is known."""
        return self.model.evidence

    def predict(
        self,
        inputs: Any,
        *,
        batch_size: int | None = None,
        adapt: str | None = None,
        tile: int | None = None,
        progress: Progress | None = None,
    ) -> Predictions:
        """Answers, in order, for whatever `headstart.load` takes, labelled or not, or for one item of it.

        Unreadable items get a row that says why; see `headstart.predict.predictor.predict`.
        """
        return predict(
            self.predictor, inputs, batch_size=batch_size, adapt=adapt, tile=tile, progress=progress
        )


class Predictor:
    """A model's network, put together once. Not for several threads at a time."""

    def __init__(self, model: Model, *, device: str | None = None, name: str = "") -> None:
        """`name`: where the model was opened, for its errors. Raises `NetError` or `BundleError`."""
        import torch

        self.model, self._name = model, name
        self.device = device or ("cuda" if torch.cuda.is_available() else "cpu")
        with self._sound():
            self._net = nets.assemble(model.net, model.tensors, model.input, model.task).to(self.device)

    def scores(self, prepared: np.ndarray) -> np.ndarray:
        """A prepared batch -> float32 `[B, K]`: probabilities, or values. Raises as the constructor does."""
        import torch

        with self._sound(), torch.inference_mode(), _exact(self.device):
            batch = torch.from_numpy(np.ascontiguousarray(prepared)).to(self.device)
            found: np.ndarray = np.ascontiguousarray(self._net(batch).cpu().numpy())
        return found

    def text(self, row: np.ndarray, texts: Sequence[str]) -> str | None:
        """What a row of `scores` of an item with these texts says, by a network that writes or chooses."""
        with self._sound():
            return self._net.text(row, texts)

    def adapted(self, prepared: Sequence[np.ndarray], method: str) -> tuple[Predictor, Adaptation]:
        """A copy, brought to prepared items by a method of `headstart.predict.adapting`, and what was done.

        The model itself stays as it is. Raises as the constructor does, `UnknownName`, and `BadOption` where
        it would do harm.
        """
        import torch

        twin = Predictor(self.model, device=self.device, name=self._name)
        collate = modalities.get(self.model.input.modality).collate
        size = adapting.BATCH
        with self._sound(), _exact(self.device):
            batches = [
                torch.from_numpy(np.ascontiguousarray(collate(prepared[at : at + size]))).to(self.device)
                for at in range(0, len(prepared), size)
            ]
            job = Job(twin._net, self.model.task, batches, learnt(self.model))
            return twin, adapting.adapt(method, job)

    @contextmanager
    def _sound(self) -> Iterator[None]:
        """What a network raises, whose recipe and numbers come from a file, is one sentence."""
        import torch

        try:
            with parsing():
                try:
                    yield
                except torch.OutOfMemoryError as error:  # not the model's fault
                    raise BadOption("the batch size", "too large for this GPU", "smaller") from error
        except Damaged as error:
            problem = f"does not run ({error})"
            if not self._name:
                raise NetError(str(self.model.net.get("kind")), problem) from error
            raise BundleError(self._name, f"its network {problem}", "fetch or save it again") from error
        except HeadstartError as error:
            if not self._name or isinstance(error, BadOption):
                raise
            raise BundleError(self._name, str(error)) from error


def _exact(device: str) -> AbstractContextManager[Any]:
    """Full float32 on GPUs too: TF32 convolutions would move probabilities in the third digit."""
    import torch

    return torch.backends.cudnn.flags(allow_tf32=False) if device.startswith("cuda") else nullcontext()


def predict(
    model: Model | Answering,
    inputs: Any,
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    adapt: str | None = None,
    tile: int | None = None,
    progress: Progress | None = None,
) -> Predictions:
    """Answers for everything `inputs` names (see `headstart.predict.inputs.items_of`).

    Unreadable items get a row with `error`; the rest is predicted. `workers` is the number of decoding
    threads, `adapt` the way in which the model is brought to these items first (see `adapted`), `tile` that
    in which large images are cut (see `tiles.Tiling.of`). Raises `BadOption` for a batch size below 1.
    """
    predictor = Predictor(model) if isinstance(model, Model) else model
    items = items_of(inputs, predictor.model.input.modality)
    told, rows, tiling = None, [], tiles.Tiling.of(predictor.model, tile)
    if adapt is not None:
        predictor, told = adapted(predictor, items, adapt)
    for row in stream(predictor, items, batch_size=batch_size, workers=workers, tiling=tiling):
        rows.append(row)
        if progress is not None:
            progress("predict", len(rows), len(items))
    return Predictions(predictor.model.task, tuple(rows), told)


def adapted(predictor: Answering, items: Sequence[Item], method: str) -> tuple[Predictor, Adaptation]:
    """A copy of the predictor that is brought to the items, without labels, and what was done.

    Of many items a part is drawn for it. Raises `UnknownName` for no method of `headstart.predict.adapting`,
    `BadOption` with the reason where it cannot be done, or would do harm.
    """
    _ = adapting.METHODS[method]
    if not isinstance(predictor, Predictor):
        raise adapting.refused(method, "an exported model is a graph, in which nothing can be changed")
    model, order = predictor.model, np.random.default_rng(0).permutation(len(items))[: adapting.MOST]
    with ThreadPoolExecutor(min(8, (os.cpu_count() or 1) + 1), thread_name_prefix="decode") as pool:
        found = pool.map(lambda at: ready(items[at], model.input, wants_pairs(model)), order)
        prepared = [one.content for one in found if one.content is not None]
    return predictor.adapted(prepared, method)


def stream(
    predictor: Answering,
    items: Iterable[Item],
    *,
    batch_size: int | None = None,
    workers: int | None = None,
    tiling: tiles.Tiling | None = None,
) -> Iterator[Prediction]:
    """The same one row after the other; holds no more than a few batches, and one image that is cut."""
    size = BATCH if batch_size is None else batch_size
    if size < 1:
        raise BadOption("batch_size", size, "at least 1")
    contract, pairs = predictor.model.input, wants_pairs(predictor.model)
    methods = tasks.for_task(predictor.model.task)
    places, heard = isinstance(methods, Places), spoken.hears(predictor, methods)
    pool = ThreadPoolExecutor(workers or min(8, (os.cpu_count() or 1) + 1), thread_name_prefix="decode")
    pending: deque[list[tuple[Item, Future[Prepared]]]] = deque()
    rest = iter(items)
    try:
        while batch := list(islice(rest, size)):
            pending.append(
                [(item, pool.submit(ready, item, contract, pairs, places, tiling, heard)) for item in batch]
            )
            if len(pending) > AHEAD:
                yield from _finish(predictor, pending.popleft(), tiling)
        while pending:
            yield from _finish(predictor, pending.popleft(), tiling)
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def wants_pairs(model: Model) -> bool | None:
    """Whether a model of texts has learnt from pairs; None for others, and where it does not say."""
    said, in_words = model.evidence.get("data"), modalities.get(model.input.modality).IN_WORDS
    found = said.get("pairs") if isinstance(said, Mapping) and in_words else None
    return found if isinstance(found, bool) else None


def _finish(
    predictor: Answering, batch: list[tuple[Item, Future[Prepared]]], tiling: tiles.Tiling | None
) -> Iterator[Prediction]:
    prepared = [(item, future.result()) for item, future in batch]
    good = [found.content for _, found in prepared if found.content is not None]
    collate = modalities.get(predictor.model.input.modality).collate
    scores = iter(predictor.scores(collate(good)) if good else ())
    task = predictor.model.task
    methods = tasks.get(task.kind)
    for item, found in prepared:
        ident = item.id
        if found.error:
            yield Prediction(ident, error=found.error)
        elif found.windows:
            parts = spoken.segments(predictor, found.windows, collate)
            told = " ".join(part.text for part in parts)
            yield Prediction(ident, told, np.zeros(0, np.float32), unread=found.unread, segments=parts)
        elif found.content is None:
            assert isinstance(methods, Places)
            assert tiling is not None
            whole, size, many = tiles.answer(predictor.model, predictor.scores, item, tiling)
            yield Prediction(ident, methods.placed(whole, size), whole, tiles=many)
        else:
            row = next(scores)
            answer: Any = predictor.text(row, found.texts) if isinstance(predictor, Predictor) else None
            kept = None if answer is not None else row  # what a text follows from are no scores
            if isinstance(methods, Places):
                answer = methods.placed(row, found.size)
            elif isinstance(methods, Says) and answer is None:
                answer = methods.said(task, predictor.model.net, row, found.texts)
            elif answer is None:
                answer = task.typed(methods.decode(task, row[None])[0])
            yield Prediction(ident, answer, kept, unread=found.unread)


def told_unread(rows: Iterable[Prediction], total: int, *, most: int = 3) -> str:
    """In one sentence which of `total` items the model saw only in part; nothing where it saw all."""
    cut = [row for row in rows if row.unread]
    if not cut:
        return ""
    shown = few(cut, most, each=lambda row: f"{row.id}: {row.unread}", apart="; ")
    return f"{len(cut):,} of {total:,} {'is' if len(cut) == 1 else 'are'} seen only in part: {shown}"

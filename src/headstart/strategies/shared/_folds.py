"""Running an arm over the shared folds: within its budget, and resumed where it was left."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import fingerprint
from headstart.core.cells import Cells, column
from headstart.core.evidence import Cost
from headstart.core.files import plain, write_atomic
from headstart.core.split import Fold
from headstart.core.strategy import Request, Status, Trial
from headstart.core.untrusted import Damaged, parsing, read_npz, read_object
from headstart.measure import threads

FitFold = Callable[[Request, Fold, int], tuple[Iterable[Any], Mapping[str, Any]]]
"""(request, fold, its number) -> (predictions `[len(fold.test), K]`, or where the task's are `Cells` the
answer of each row; what was chosen, as JSON). In the data of the request only the labels of the fold's
training part exist."""

NOTHING = Cost()


class OutOfTime(Exception):
    """Raised by a `FitFold` whose budget ends in the middle of a fold; the fold counts as not run."""


class Paused(Exception):
    """Raised by a `FitFold` that has trained `Request.part` of its steps, with its predictions of now. The
    fold counts as not run, and goes on from its checkpoint."""


@dataclass(frozen=True)
class _Done:
    """A finished fold."""

    predictions: np.ndarray = field(repr=False)
    choices: Mapping[str, Any]
    seconds: float
    part: float = 0.0
    """Of its steps, where it has paused."""


def run_folds(
    request: Request,
    arm: str,
    fit_fold: FitFold,
    *,
    folds: Sequence[int] | None = None,
    about: str = "",
    before: Cost = NOTHING,
) -> Trial:
    """Out-of-fold predictions of an arm, fold by fold.

    `arm` is a name as `arm_name` makes it; `folds` are the numbers of those to run (default: all);
    `before` is what the arm has cost already. The first fold is always tried; before each further
    one the budget is asked, and a fold that takes as long as the longest so far must fit in (the first,
    which also warms things up, counts only while there is no other). No more than `request.folds` are run
    where that is given.

    Finished folds are kept in `request.workdir`. They are used again when nothing has changed that
    they depend on: data, split, source weights and how the source reads, seed, settings, and `about`
    (whatever else the result depends on, such as a recipe).

    The trial's choices are `{"folds": [choices of each finished fold]}`; `Trial.reason` says how
    many folds an arm that was cut off has done. Where a fold is `Paused` the trial has its predictions of
    now, and "part" in its choices. Raises `FloatingPointError` for predictions that
    are not finite.
    """
    numbers = list(range(len(request.split.folds))) if folds is None else list(folds)
    key = _key(request, arm, about)
    done: list[_Done] = []
    for place, number in enumerate(numbers):
        fold = request.split.folds[number]
        finished = _load(request, number, key)
        if finished is None:
            if place and (request.budget.left <= _slowest(done) or place == request.folds):
                break
            finished = _tried(fit_fold, request, fold, number)
            if finished is None:
                break
            if not finished.part:
                _save(request, number, key, finished)
        done.append(finished)
        request.progress("folds", len(done), len(numbers))
    source, _, strategy = arm.rpartition(": ")
    part = {"part": done[-1].part} if done and done[-1].part else {}
    complete = len(done) == len(numbers) and not part
    ended = "more did not fit" if len(done) == request.folds > 0 else "the time was used up"
    return Trial(
        arm=arm,
        strategy=strategy,
        source=source or None,
        predictions=_together(request, numbers, done),
        cost=before + Cost(seconds=sum(d.seconds for d in done), fold=_slowest(done)),
        status="done" if complete else "cut off",
        reason="" if complete else f"{ended} after {len(done)} of {len(numbers)} folds",
        choices={"folds": [dict(d.choices) for d in done if not d.part], **part},
        digest=request.digest,
    )


def _together(request: Request, numbers: Sequence[int], done: Sequence[_Done]) -> Any:
    """The predictions of the folds that were run, each in its repeat and its rows."""
    kind = tasks.for_task(request.task).predictions
    shape = (request.split.repeats, len(request.dataset))
    parts = [(request.split.folds[n], one.predictions) for n, one in zip(numbers, done, strict=False)]
    if issubclass(kind, Cells):
        cells: dict[tuple[int, int], Any] = {}
        for fold, found in parts:
            cells.update(zip(((fold.repeat, row) for row in fold.test.tolist()), found, strict=True))
        return kind(shape, cells)
    predictions = np.full((*shape, request.task.outputs), np.nan, dtype=np.float32)
    for fold, found in parts:
        predictions[fold.repeat, fold.test] = found
    return predictions


def _slowest(done: Sequence[_Done]) -> float:
    """Seconds that one more fold may take."""
    return max((d.seconds / (d.part or 1.0) for d in done[1:] or done), default=0.0)


def _tried(fit_fold: FitFold, request: Request, fold: Fold, number: int) -> _Done | None:
    """The fold as far as the request asks for it; None where the time was over before."""
    start = time.monotonic()
    try:
        with threads.suited_to(len(fold.train)):
            return _run(fit_fold, request.view(fold.train), fold, number)
    except OutOfTime:
        return None
    except Paused as now:
        found = _checked(now.args[0], request, fold, number)
        return _Done(found, {}, time.monotonic() - start, request.part)


def empty_trial(request: Request, arm: str, status: Status, reason: str, *, cost: Cost = NOTHING) -> Trial:
    """The trial of an arm that predicts nothing."""
    source, _, strategy = arm.rpartition(": ")
    kind = tasks.for_task(request.task).predictions
    return Trial(
        arm=arm,
        strategy=strategy,
        source=source or None,
        predictions=kind.empty(request.split.repeats, len(request.dataset), request.task.outputs),
        cost=cost,
        status=status,
        reason=reason,
        digest=request.digest,
    )


def _run(fit_fold: FitFold, request: Request, fold: Fold, number: int) -> _Done:
    start = time.monotonic()
    found, choices = fit_fold(request, fold, number)
    # as JSON has it at once, so that a resumed trial equals an uninterrupted one
    return _Done(_checked(found, request, fold, number), plain(choices), time.monotonic() - start)


def _checked(found: Iterable[Any], request: Request, fold: Fold, number: int) -> np.ndarray:
    cells = issubclass(tasks.for_task(request.task).predictions, Cells)
    predictions = column(found) if cells else np.asarray(found, dtype=np.float32)
    expected = (len(fold.test),) if cells else (len(fold.test), request.task.outputs)
    if predictions.shape != expected:
        raise ValueError(f"fold {number}: predictions {predictions.shape}, expected {expected}")
    if not cells and not np.isfinite(predictions).all():
        raise FloatingPointError(f"fold {number}: some predictions are not finite numbers")
    return predictions


def _key(request: Request, arm: str, about: str) -> str:
    """Fingerprint of everything a fold's result depends on."""
    return fingerprint.of_json(
        {
            "arm": arm,
            "about": about,
            "data": request.dataset.fingerprint if request.workdir is not None else "",
            "task": request.task.to_json(),
            "split": request.split.fingerprint(),
            "weights": request.digest,
            # the same weights with another tokenizer, or other pixels, are another source
            "reads": request.backbone.source.input.to_json() if request.backbone is not None else {},
            "seed": request.seed,
            "settings": request.settings.to_json(),
        }
    )


def _path(workdir: Path, number: int) -> Path:
    return workdir / f"fold-{number:04d}.npz"


def _answers(workdir: Path, number: int) -> Path:
    """Beside the fold, where its predictions are no numbers."""
    return workdir / f"fold-{number:04d}-answers.npz"


def _save(request: Request, number: int, key: str, done: _Done) -> None:
    workdir, predictions, digest = request.workdir, done.predictions, ""
    if workdir is None:
        return
    workdir.mkdir(parents=True, exist_ok=True)
    kind, buffer = tasks.for_task(request.task).predictions, io.BytesIO()
    if issubclass(kind, Cells):
        answers = kind((1, len(predictions)), {(0, row): one for row, one in enumerate(predictions)})
        answers.save(buffer)
        write_atomic(_answers(workdir, number), buffer.getvalue())
        predictions, digest, buffer = predictions[:0].astype(np.float32), answers.digest(), io.BytesIO()
    record = json.dumps({"key": key, "choices": done.choices, "seconds": done.seconds, "answers": digest})
    np.savez(buffer, predictions=predictions, record=np.frombuffer(record.encode(), np.uint8))
    write_atomic(_path(workdir, number), buffer.getvalue())


def _load(request: Request, number: int, key: str) -> _Done | None:
    """The stored fold, or None when there is none, it is damaged, or it belongs to something else."""
    if request.workdir is None or not _path(request.workdir, number).is_file():
        return None
    try:
        with parsing():
            stored = read_npz(_path(request.workdir, number))
            record = read_object(stored["record"].tobytes())
            if record["key"] != key:
                return None
            kind, rows = tasks.for_task(request.task).predictions, len(request.split.folds[number].test)
            found: np.ndarray = stored["predictions"]
            if issubclass(kind, Cells):
                answers = kind.load(_answers(request.workdir, number))
                sound = answers.digest() == record["answers"] and answers.covered.shape == (1, rows)
                found = answers.take(0, slice(None)) if sound else found
            else:
                sound = found.shape == (rows, request.task.outputs) and found.dtype == np.float32
                sound = sound and bool(np.isfinite(found).all())
            return _Done(found, dict(record["choices"]), float(record["seconds"])) if sound else None
    except (OSError, Damaged):
        return None

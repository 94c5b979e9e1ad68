"""Running an arm over the shared folds: within its budget, and resumed where it was left."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core import fingerprint
from headstart.core.evidence import Cost
from headstart.core.files import plain, write_atomic
from headstart.core.split import Fold
from headstart.core.strategy import Request, Status, Trial
from headstart.core.untrusted import Damaged, parsing, read_npz, read_object
from headstart.measure import threads

FitFold = Callable[[Request, Fold, int], tuple[np.ndarray, Mapping[str, Any]]]
"""(request, fold, its number) -> (predictions `[len(fold.test), K]`, what was chosen, as JSON). In the data
of the request only the labels of the fold's training part exist."""

NOTHING = Cost()


class OutOfTime(Exception):
    """Raised by a `FitFold` whose budget ends in the middle of a fold; the fold counts as not run."""


class Paused(Exception):
    """Raised by a `FitFold` that has trained `Request.part` of its steps, with its predictions `[n, K]` of
    now. The fold counts as not run, and goes on from its checkpoint."""


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
    shape = (request.split.repeats, len(request.dataset), request.task.outputs)
    predictions = np.full(shape, np.nan, dtype=np.float32)
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
                _save(request.workdir, number, key, finished)
        predictions[fold.repeat, fold.test] = finished.predictions
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
        predictions=predictions,
        cost=before + Cost(seconds=sum(d.seconds for d in done), fold=_slowest(done)),
        status="done" if complete else "cut off",
        reason="" if complete else f"{ended} after {len(done)} of {len(numbers)} folds",
        choices={"folds": [dict(d.choices) for d in done if not d.part], **part},
        digest=request.digest,
    )


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
        return _Done(np.asarray(now.args[0], np.float32), {}, time.monotonic() - start, request.part)


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
    predictions, expected = np.asarray(found, dtype=np.float32), (len(fold.test), request.task.outputs)
    if predictions.shape != expected:
        raise ValueError(f"fold {number}: predictions {predictions.shape}, expected {expected}")
    if not np.isfinite(predictions).all():
        raise FloatingPointError(f"fold {number}: some predictions are not finite numbers")
    # as JSON has it at once, so that a resumed trial equals an uninterrupted one
    return _Done(predictions, plain(choices), time.monotonic() - start)


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


def _save(workdir: Path | None, number: int, key: str, done: _Done) -> None:
    if workdir is None:
        return
    workdir.mkdir(parents=True, exist_ok=True)
    record = json.dumps({"key": key, "choices": done.choices, "seconds": done.seconds})
    buffer = io.BytesIO()
    np.savez(buffer, predictions=done.predictions, record=np.frombuffer(record.encode(), np.uint8))
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
            found = stored["predictions"]
            if found.shape != (len(request.split.folds[number].test), request.task.outputs):
                return None
            if found.dtype != np.float32 or not np.isfinite(found).all():
                return None
            return _Done(found, dict(record["choices"]), float(record["seconds"]))
    except (OSError, Damaged):
        return None

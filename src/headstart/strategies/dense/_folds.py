"""Running a dense arm over the shared folds, within its budget."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from headstart import modalities, tasks
from headstart.core.dataset import Dataset
from headstart.core.evidence import Cost
from headstart.core.files import plain
from headstart.core.split import Fold
from headstart.core.strategy import Request, Trial
from headstart.measure import threads

FitFold = Callable[[Request, Fold], tuple[Iterable[Any], Mapping[str, Any]]]
"""(request, fold) -> (the answer for each test row, in order; what was chosen). In the data of the request
only the targets of the fold's training part exist."""


def run_folds(request: Request, arm: str, fit_fold: FitFold, folds: Sequence[Fold] | None = None) -> Trial:
    """Out-of-fold answers of an arm, maps or boxes, over all `folds` or these. The first is always run, each
    further one while the budget has room for one as long as the longest; a run that goes on begins the arm
    again, with the same result."""
    folds, cells = request.split.folds if folds is None else folds, {}
    kind: Any = tasks.for_task(request.task).predictions
    longest, start = 0.0, time.monotonic()
    chosen: list[Any] = []
    for fold in folds:
        if chosen and (request.budget.left <= longest or len(chosen) == request.folds):
            break
        began = time.monotonic()
        with threads.suited_to(len(fold.train)):
            maps, choices = fit_fold(request.view(fold.train), fold)
            cells.update({(fold.repeat, row): one for row, one in zip(fold.test.tolist(), maps, strict=True)})
        chosen.append(plain(choices))
        longest = max(longest, time.monotonic() - began)
        request.progress("folds", len(chosen), len(folds))
    complete = len(chosen) == len(folds)
    source, _, strategy = arm.rpartition(": ")
    return Trial(
        arm=arm,
        strategy=strategy,
        source=source or None,
        predictions=kind((request.split.repeats, len(request.dataset)), cells),
        cost=Cost(seconds=time.monotonic() - start, fold=longest),
        status="done" if complete else "cut off",
        reason="" if complete else f"the time was used up after {len(chosen)} of {len(folds)} folds",
        choices={"folds": chosen},
        digest=request.digest,
    )


_SIZES: dict[str, tuple[int, int]] = {}
"""Height and width of images by their content, of the data set that was read last."""


def extent(dataset: Dataset, row: int) -> tuple[int, int]:
    """Height and width of an image as it is seen."""
    digest = dataset.digests()[row]
    if digest not in _SIZES:
        if len(_SIZES) > 100_000:
            _SIZES.clear()
        room: Any = modalities.get(dataset.modality)
        _SIZES[digest] = room.extent(room.open_item(dataset.items[row].read(), dataset.levels))
    return _SIZES[digest]

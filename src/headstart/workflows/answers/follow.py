"""What follows from a model's answers for both domains: how frequent classes are, how good it may be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from headstart import tasks
from headstart.core.task import Task
from headstart.measure.shift import (
    AccuracyBound,
    Bbsd,
    LabelShift,
    Separation,
    accuracy_on_target,
    amounts,
    bbsd,
    domain_auc,
    label_shift,
)
from headstart.measure.shift.signature import Circle
from headstart.tasks.base import Labels, Places
from headstart.workflows.answers import given as of
from headstart.workflows.inputs.domains import Domains


@dataclass(frozen=True)
class Share:
    """How frequent a class is; how many of its objects an item has, or which share of it (`amounts`)."""

    label: str
    source: float
    """Among the labels of the source."""
    predicted: float
    """Among the answers for the target."""
    estimate: float
    low: float
    high: float
    """In the target, and its 95 % interval."""


@dataclass(frozen=True)
class Answered:
    """What follows from a model's answers; nothing without them."""

    bbsd: Bbsd | None = None
    label_shift: LabelShift | None = None
    accuracy: AccuracyBound | None = None
    reweighted: Separation | None = None
    circle: Circle | None = None
    classes: tuple[Share, ...] = ()
    amounts: str = ""
    moved: str = ""
    """Of which class there is more, or less, where items show several."""
    note: str = "without labels of the source only the items are compared: classes may differ, too"

    @classmethod
    def of(
        cls,
        domains: Domains,
        said: of.Answers | None,
        rows: np.ndarray,
        groups: np.ndarray,
        auc: Separation,
        seed: int,
    ) -> Answered:
        task, n = domains.task, len(domains.source)
        methods = None if task is None else tasks.for_task(task)
        if said is None or task is None or methods is None:
            if not isinstance(methods, Places):
                return cls()
            alone = f"without a run whose model gives {methods.called}, only the items are compared"
            return cls(note=f"{alone}: classes may differ, too")
        tested = bbsd(said.held, said.target)
        if isinstance(methods, Places):
            y = domains.source.dataset.targets
            true = np.stack([methods.amounts(task, y[int(row)]) for row in said.rows])
            found = amounts(true, said.held, said.target, seed=seed)
            columns = (found.source, found.said, found.estimate, found.low, found.high)
            return cls(
                tested,
                classes=_shares(task, columns),
                amounts="objects" if methods.counted else "shares",
                moved=found.told(task.labels, counted=methods.counted),
                note="the estimate holds where things of a class look alike in A and B; how good the model "
                "is on B only labels of B tell",
            )
        if not methods.exclusive:
            several = isinstance(methods, Labels)
            why = "an item may have several labels" if several else "the answers are numbers"
            return cls(
                tested,
                note=f"{why}: class frequencies and accuracy are estimated only where an item has one class",
            )
        y = domains.source.dataset.targets[said.rows]
        moved = label_shift(said.held, y, said.target, seed=seed)
        again = None
        if moved.told:
            weights = moved.weights[y]
            again = domain_auc(
                rows[said.rows], rows[n:], groups_s=groups[said.rows], groups_t=groups[n:],
                weights_s=weights, seed=seed,
            )  # fmt: skip
        counted = np.bincount(said.target.argmax(axis=1), minlength=task.outputs) / len(said.target)
        classes = _shares(task, (moved.source, counted, moved.prior, moved.low, moved.high))
        return cls(
            tested,
            moved,
            accuracy_on_target(said.held, y, said.target, auc=auc.value),
            again,
            of.circle(domains, said, rows, seed),
            classes,
            note="",
        )


def _shares(task: Task, columns: Sequence[np.ndarray]) -> tuple[Share, ...]:
    """From what `Share` has of each class, `[K]`."""
    rows = zip(task.labels, *columns, strict=True)
    return tuple(Share(label, *map(float, row)) for label, *row in rows)

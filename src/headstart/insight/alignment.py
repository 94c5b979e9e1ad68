"""Two finished runs on what they have in common: the items both held out, in one numbering of labels."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from headstart import tasks
from headstart.core.cells import Cells
from headstart.core.predictions import Predictions
from headstart.core.split import Fold
from headstart.core.strategy import Trial
from headstart.core.task import Task
from headstart.core.words import few
from headstart.data.unions import Unions
from headstart.errors import RunError
from headstart.run.state import items
from headstart.run.state.folder import load_trial, read_finished, slug


@dataclass(frozen=True, eq=False)
class Finished:
    """A finished run as its folder tells it: its answer, its items, its shipped arm."""

    folder: Path
    record: dict[str, Any] = field(repr=False)
    task: Task
    items: items.Items = field(repr=False)
    shipped: Trial = field(repr=False)

    @classmethod
    def open(cls, folder: Path) -> Finished:
        """Raises `RunError` for what is no run, not finished, damaged, or too old to keep its items."""
        record = read_finished(folder)
        task = Task.from_json(record["task"])
        tasks.measurable(task, folder, "compare")
        found = items.read(folder, task)
        path = folder / "trials" / slug(record["answer"]["winner"]) / "trial.json"
        methods = tasks.for_task(task)
        trial = load_trial(path, methods.predictions)
        wide = isinstance(trial.predictions, Cells) or trial.predictions.width == task.outputs
        whole = wide and trial.covered.shape[1] == len(found)
        if not whole or not methods.sound(found.targets[found.targets.known], task.outputs):
            raise RunError(folder, "its items and its predictions do not belong together", "run it again")
        return cls(folder, record, task, found, trial)

    def row(self, name: str) -> dict[str, Any]:
        """What the table says of it."""
        answer = self.record["answer"]
        shipped = next(row for row in answer["rows"] if row["shipped"])
        test = answer["test"]
        return {
            "run": name,
            "folder": str(self.folder),
            "outcome": answer["verdict"]["outcome"],
            "verdict": answer["verdict"]["sentence"],
            "arm": answer["winner"],
            **{key: shipped[key] for key in ("score", "low", "high", "n")},
            "arm_seconds": shipped["seconds"],
            "seconds": answer["seconds"],
            "test": None if test is None else {key: test[key] for key in ("value", "low", "high", "n")},
        }


def check_alike(first: Finished, other: Finished) -> None:
    """Raises `RunError` when two runs were not asked the same: kind of task, labels, metric."""
    ours, theirs, remedy = first.task, other.task, "compare runs of the same task"
    if ours.kind != theirs.kind:
        raise RunError(other.folder, f"its task is {theirs.kind}, that of {first.folder} {ours.kind}", remedy)
    if set(ours.labels) != set(theirs.labels):
        sides = ((theirs, ours, "here"), (ours, theirs, "there"))
        only = [
            f"only {place}: {few(missing, 3, each=repr)}"
            for one, two, place in sides
            if (missing := [label for label in one.labels if label not in set(two.labels)])
        ]
        raise RunError(
            other.folder, f"its labels are not those of {first.folder} ({'; '.join(only)})", remedy
        )
    if ours.metric != theirs.metric:
        raise RunError(
            other.folder, f"it is judged by {theirs.metric}, {first.folder} by {ours.metric}", remedy
        )


@dataclass(frozen=True, eq=False)
class Common:
    """What two runs held out both, in the first one's numbering of labels."""

    y: Any
    """What `Targets` gives of these items."""
    ours: Predictions
    """Of the other run."""
    theirs: Predictions
    """Of the first run."""
    groups: np.ndarray
    folds: tuple[Fold, ...]
    """Of one of the runs."""
    same_folds: bool
    other_labels: int

    @classmethod
    def of(cls, first: Finished, other: Finished) -> Common:
        """Raises `RunError` when there is no such item."""
        at_first, at_other = matched(first.items, other.items)
        held = _held_out(first)[at_first] & _held_out(other)[at_other]
        at_first, at_other = at_first[held], at_other[held]
        order = [other.task.labels.index(label) for label in first.task.labels]
        places = {label: [place] for place, label in enumerate(order)}
        y, methods = first.items.targets[at_first], tasks.for_task(first.task)
        also = methods.renumbered(other.items.targets[at_other], places, first.task.outputs)
        same = methods.same(y, also)
        if not same.any():
            problem = "no item has the same label" if len(y) else "no item was held out in both"
            where = f"compared with {first.folder}, {problem}"
            raise RunError(other.folder, where, "compare runs of the same data")
        at_first, at_other = at_first[same], at_other[same]
        prints = [str(run.record.get("split", {}).get("fingerprint") or "") for run in (first, other)]
        alike = prints[0] == prints[1] != "" and np.array_equal(at_first, at_other)
        ours = other.shipped.predictions.aligned(at_other, order, packed=not alike)
        theirs = first.shipped.predictions.aligned(at_first, None, packed=not alike)
        unions = Unions(len(at_first))
        unions.join_equal(first.items.groups[at_first].tolist())
        unions.join_equal(other.items.groups[at_other].tolist())
        # of one of the two, the same one in whichever order they are named
        one, rows = (first, at_first) if prints[0] <= prints[1] else (other, at_other)
        folds = tuple(
            Fold(fold.repeat, *(np.flatnonzero(np.isin(rows, part)) for part in (fold.train, fold.test)))
            for fold in one.items.folds()
        )
        y = first.items.targets[at_first]
        return cls(y, ours, theirs, unions.numbers(), folds, alike, int((~same).sum()))


def _held_out(run: Finished) -> np.ndarray:
    """bool `[N]`: the rows for which the shipped arm has an out-of-fold prediction."""
    return np.asarray(run.shipped.covered.any(axis=0))


Key = Callable[[items.Items, int], Hashable]


def matched(first: items.Items, other: items.Items) -> tuple[np.ndarray, np.ndarray]:
    """(rows of the first, rows of the other), int64: equal content under an equal id; else equal content
    that occurs once in what is left of each (a folder may have been renamed)."""
    pairs: list[tuple[int, int]] = []
    left, right = list(range(len(first))), list(range(len(other)))
    keys: tuple[Key, ...] = (
        lambda one, row: (one.digests[row], one.ids[row]),
        lambda one, row: one.digests[row],
    )
    for key in keys:
        ours, theirs = _unique(first, left, key), _unique(other, right, key)
        found = [(ours[name], theirs[name]) for name in ours if name in theirs]
        pairs += found
        left = sorted({*left} - {row for row, _ in found})
        right = sorted({*right} - {row for _, row in found})
    table = np.array(sorted(pairs), np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _unique(one: items.Items, rows: Sequence[int], key: Key) -> dict[Hashable, int]:
    """Row by key, for the keys that occur once."""
    seen: dict[Hashable, list[int]] = {}
    for row in rows:
        seen.setdefault(key(one, row), []).append(row)
    return {name: found[0] for name, found in seen.items() if len(found) == 1}

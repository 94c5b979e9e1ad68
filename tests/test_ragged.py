"""A kind of task whose answers are no row of numbers: each item has a list of any length.

What a package of one's own would bring: targets, predictions, methods. Judged as any other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import pytest

from headstart import tasks
from headstart.core import fingerprint
from headstart.core.dataset import ArrayItem, Dataset
from headstart.core.experiment import Experiment
from headstart.core.predictions import Predictions
from headstart.core.strategy import Trial, common
from headstart.core.targets import Targets
from headstart.core.task import Task
from headstart.data.splits import make_split
from headstart.evidence import leaderboard, selection
from headstart.evidence.leaderboard import gain
from headstart.evidence.verdict import verdict_of
from headstart.run.state.folder import RunFolder
from headstart.tasks.base import TaskMethods
from headstart.tasks.base.scores import Mean, Ratio

Found = frozenset[int]
"""What is found in an item: places, say."""


@dataclass(frozen=True)
class Lists:
    """Targets: a set of places of each row, or None."""

    rows: tuple[Found | None, ...]

    @property
    def known(self) -> np.ndarray:
        return np.array([row is not None for row in self.rows], bool)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, rows: Any) -> Any:
        picked = np.arange(len(self.rows))[rows]
        found = [self.rows[row] for row in np.atleast_1d(picked)]
        if None in found:
            raise LookupError("a row has no label")
        return found if picked.ndim else found[0]

    def hidden(self, kept: np.ndarray) -> Lists:
        there = set(kept.tolist())
        return Lists(tuple(one if row in there else None for row, one in enumerate(self.rows)))

    def subset(self, rows: np.ndarray) -> Lists:
        return Lists(tuple(self.rows[row] for row in rows))

    def content(self) -> np.ndarray:
        return np.frombuffer(str(self.to_list()).encode(), np.uint8)

    def to_list(self) -> list[Any]:
        return [None if row is None else sorted(row) for row in self.rows]


@dataclass(frozen=True, eq=False)
class Said:
    """Predictions: by (repeat, row) a set of places."""

    shape: tuple[int, int]
    cells: dict[tuple[int, int], Found]
    width = 3

    @cached_property
    def covered(self) -> np.ndarray:
        known = np.zeros(self.shape, bool)
        for cell in self.cells:
            known[cell] = True
        return known

    def take(self, repeat: int, rows: Any) -> list[Found]:
        return [self.cells[repeat, row] for row in np.arange(self.shape[1])[rows].tolist()]

    def averaged(self) -> list[Found]:
        first = {row: found for (_, row), found in sorted(self.cells.items(), reverse=True)}
        return [first[row] for row in sorted(first)]

    def hide(self, cells: np.ndarray) -> Said:
        kept = {cell: one for cell, one in self.cells.items() if cell[0] < len(cells) and not cells[cell]}
        return Said((len(cells), self.shape[1]), kept)

    def of_parts(self, parts: Sequence[tuple[Any, np.ndarray]]) -> Said:
        return Said(self.shape, {c: one for p, cells in parts for c, one in p.cells.items() if cells[c]})

    def aligned(self, rows: np.ndarray, outputs: Sequence[int] | None, *, packed: bool) -> Said:
        place = {row: number for number, row in enumerate(rows.tolist())}
        done, cells = dict.fromkeys(place, 0), {}
        for (repeat, row), one in sorted(self.cells.items()):
            if row in place:
                order = list(outputs) if outputs is not None else list(range(max(one, default=0) + 1))
                at = done[row] if packed else repeat
                cells[at, place[row]] = frozenset(order.index(found) for found in one)
                done[row] += 1
        return Said((self.shape[0], len(rows)), cells)

    def digest(self) -> str:
        return fingerprint.of_json(
            [self.shape, [[*cell, sorted(one)] for cell, one in sorted(self.cells.items())]]
        )

    def save(self, file: BinaryIO) -> None:
        cells = sorted(self.cells.items())
        table = [[*cell, place] for cell, one in cells for place in sorted(one)]
        np.savez(file, shape=self.shape, cells=[cell for cell, _ in cells], places=np.reshape(table, (-1, 3)))

    @classmethod
    def load(cls, path: Path) -> Said:
        with np.load(path) as stored:
            cells: dict[tuple[int, ...], set[int]] = {tuple(cell): set() for cell in stored["cells"].tolist()}
            for *cell, place in stored["places"].tolist():
                cells[tuple(cell)].add(place)
            rows, columns = stored["shape"].tolist()
        return cls((rows, columns), {cell: frozenset(one) for cell, one in cells.items()})  # type: ignore[misc]

    @classmethod
    def empty(cls, repeats: int, rows: int, outputs: int) -> Said:
        return cls((repeats, rows), {})


def parts(y: list[Found], said: list[Found]) -> np.ndarray:
    """float64 `[N, 2]`: numerator and denominator of F1."""
    return np.array([(2 * len(a & b), len(a) + len(b)) for a, b in zip(y, said, strict=True)], float).reshape(
        -1, 2
    )


def exact(y: list[Found], said: list[Found]) -> np.ndarray:
    return np.array([a == b for a, b in zip(y, said, strict=True)], float)


class Places(TaskMethods):
    """Which places: judged by F1 over all of them, or by how many items are right to the last."""

    kind = read_as = "places"
    predictions = Said
    scores = {one.name: one for one in (Ratio("F1", parts), Mean("accuracy", exact))}  # noqa: RUF012

    def sound(self, y: Any, outputs: int) -> bool:
        return all(place < outputs for found in y for place in found)

    def same(self, y: Any, others: Any) -> np.ndarray:
        others = list(others) * len(y) if len(others) == 1 else others
        return np.array([a == b for a, b in zip(y, others, strict=True)], bool)

    def occurring(self, y: Any, outputs: int) -> np.ndarray:
        return np.isin(np.arange(outputs), [place for found in y for place in found])

    def strata(self, y: Any, parts: int = 5) -> list[list[int]]:
        return [[min(2, len(found))] for found in y]

    def stratum(self, task: Task, number: int, y: Any) -> str:
        return f"{number} places"


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(tasks.TASKS._entries, "places", Places)


RNG = np.random.default_rng(0)
N, OUTPUTS = 120, 6
TRUTH = [frozenset(np.flatnonzero(RNG.random(OUTPUTS) < 0.35).tolist()) for _ in range(N)]


def setting(metric: str = "F1", without: Sequence[int] = ()) -> Experiment:
    task = Task("places", tuple("abcdef"), metric)
    targets = Lists(tuple(None if row in without else one for row, one in enumerate(TRUTH)))
    items = tuple(ArrayItem(str(i), np.full(1, i)) for i in range(N))
    dataset = Dataset("places", "image", items, task, targets)
    return Experiment(dataset, task, make_split(dataset, seed=0))


def arm(made: Experiment, name: str, flips: float, seed: int) -> Trial:
    """One that gets each place wrong so often."""
    rng, cells = np.random.default_rng(seed), {}
    for fold in made.split.folds:
        for row in fold.test.tolist():
            wrong = frozenset(np.flatnonzero(rng.random(OUTPUTS) < flips).tolist())
            cells[fold.repeat, row] = made.targets[row] ^ wrong
    said = Said((made.split.repeats, len(made.dataset)), cells)
    return Trial(name, name.rpartition(": ")[2], "net" if ":" in name else None, said)


def test_they_are_targets_and_predictions() -> None:
    made = setting()
    assert isinstance(made.targets, Targets)
    assert isinstance(arm(made, "net: probe", 0.1, 0).predictions, Predictions)


def test_a_data_set_of_lists() -> None:
    made = setting(without=[3, 7])
    dataset = made.dataset
    assert np.flatnonzero(~dataset.labelled).tolist() == [3, 7]
    assert dataset.y is None
    assert not {3, 7} & {*made.split.development.tolist(), *made.split.test.tolist()}
    with pytest.raises(ValueError, match="targets has 120 rows, but there are 1 items"):
        replace(dataset, items=dataset.items[:1])
    part = dataset.subset([5, 3, 0])
    assert part.targets.to_list() == [sorted(TRUTH[5]), None, sorted(TRUTH[0])]
    changed = replace(dataset, targets=Lists((frozenset({5}), *dataset.targets.rows[1:])))  # type: ignore[attr-defined]
    assert changed.fingerprint != dataset.fingerprint
    view = dataset.view(labels=np.array([0, 5]))
    assert view.fingerprint == dataset.fingerprint
    assert np.flatnonzero(view.labelled).tolist() == [0, 5]
    with pytest.raises(LookupError):
        view.targets[np.array([0, 1])]


@pytest.mark.parametrize("metric", ["F1", "accuracy"])
def test_a_leaderboard_and_a_comparison(metric: str) -> None:
    made = setting(metric)
    arms = {t.arm: t for t in (arm(made, "majority", 0.4, 1), arm(made, "pixels", 0.3, 2),
                               arm(made, "net: scratch", 0.25, 3), arm(made, "net: probe", 0.05, 4))}  # fmt: skip
    rows = selection.rows(arms, made, "net: probe")
    assert [row.arm for row in rows] == ["net: probe", "net: scratch", "pixels", "majority"]
    best = arms["net: probe"]
    values = []
    for repeat in range(made.split.repeats):
        own = [(TRUTH[row], best.predictions.cells[repeat, row]) for row in range(N)]  # type: ignore[attr-defined]
        hits, sizes = sum(len(a & b) for a, b in own), sum(len(a) + len(b) for a, b in own)
        values.append(2 * hits / sizes if metric == "F1" else np.mean([a == b for a, b in own]))
    assert rows[0].score == pytest.approx(np.mean(values))
    assert rows[0].low < rows[0].score < rows[0].high  # type: ignore[operator]
    found = gain(best, arms["net: scratch"], made)
    assert found is not None
    assert found.low > 0
    assert found.gain == pytest.approx(rows[0].score - rows[1].score)  # type: ignore[operator]
    assert (found.p_value is None) == (metric == "F1")
    assert leaderboard.score(selection.nested([*arms], arms, made), made) == pytest.approx(rows[0].score)  # type: ignore[arg-type]
    verdict = verdict_of(arms, made)
    assert verdict.outcome == "helps"


def test_arms_are_compared_where_both_have_said_something() -> None:
    made = setting()
    ours, theirs = arm(made, "net: probe", 0.1, 1), arm(made, "net: scratch", 0.1, 2)
    first = made.split.folds[0]
    others = np.ones(theirs.covered.shape, bool)
    others[first.repeat, first.test] = False
    theirs = replace(theirs, predictions=theirs.predictions.hide(others))
    assert [np.flatnonzero(one.covered[0]).tolist() for one in common(ours, theirs)] == [
        first.test.tolist()
    ] * 2
    found = gain(ours, theirs, made)
    assert found is not None
    assert found.items == len(first.test)


def test_an_arm_is_kept_and_read_again(tmp_path: Path) -> None:
    made = setting()
    trial = arm(made, "net: probe", 0.2, 1)
    with RunFolder(tmp_path / "run") as folder:
        folder.save_trial(trial)
        back = folder.trials(tasks.for_task(made.task).predictions)["net: probe"]
    assert back.predictions.digest() == trial.predictions.digest()
    assert gain(back, trial, made).gain == 0  # type: ignore[union-attr]

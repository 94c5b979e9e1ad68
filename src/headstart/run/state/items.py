"""RUN/items.parquet: the items of a run and their labels, so that it can be compared without its data."""

from __future__ import annotations

import io
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from headstart import tasks
from headstart.core.dataset import Dataset
from headstart.core.files import write_atomic
from headstart.core.split import Fold, Split
from headstart.core.targets import Kept, Targets, of_list
from headstart.core.task import Task
from headstart.core.untrusted import Damaged
from headstart.data.kept import of_kept
from headstart.errors import RunError
from headstart.run.state.folder import sound

NAME = "items.parquet"


@dataclass(frozen=True, eq=False)
class Items:
    """The rows of a run's data set, in order."""

    ids: tuple[str, ...] = field(repr=False)
    digests: tuple[str, ...] = field(repr=False)
    """Content fingerprints."""
    part: np.ndarray = field(repr=False)
    """Text `[N]`: "development", "test" or "unlabelled"."""
    groups: np.ndarray = field(repr=False)
    """int64 `[N]`: rows with equal numbers were never parted."""
    targets: Targets = field(repr=False)
    held_out: np.ndarray = field(repr=False)
    """int64 `[N, R]`: the number of the fold that holds a row out, within each repeat; -1 where none does."""

    def __len__(self) -> int:
        return len(self.ids)

    def folds(self) -> tuple[Fold, ...]:
        """The folds, in order. A training part is taken to be all other development rows."""
        development = np.flatnonzero(self.part == "development")
        found = []
        for repeat, number in enumerate(self.held_out.T):
            for fold in range(int(number.max(initial=-1)) + 1):
                test = np.flatnonzero(number == fold)
                found.append(Fold(repeat, np.setdiff1d(development, test), test))
        return tuple(found)


def write(folder: Path, dataset: Dataset, split: Split) -> None:
    """Write the items of a run beside its answer, atomically. Raises `OSError`.

    Columns: row, id, digest, part, group, y (int64 class, list of float for multi-label, float for
    regression, bytes for masks and boxes), fold (list of int64, one number a repeat).
    """
    import polars as pl

    part = np.full(len(dataset), "unlabelled", dtype="U11")
    part[split.development] = "development"
    part[split.test] = "test"
    number = np.full((len(dataset), max(1, split.repeats)), -1, np.int64)
    for fold in split.folds:
        number[fold.test, fold.repeat] = number[:, fold.repeat].max() + 1  # counted within its repeat
    buffer, targets = io.BytesIO(), dataset.targets
    pl.DataFrame(
        {
            "row": np.arange(len(dataset)),
            "id": [item.id for item in dataset.items],
            "digest": list(dataset.digests()),
            "part": part.tolist(),
            "group": np.asarray(split.groups, np.int64),
            "y": targets.kept() if isinstance(targets, Kept) else targets.to_list(),
            "fold": number.tolist(),
        },
        schema_overrides={"fold": pl.List(pl.Int64)},
    ).write_parquet(buffer)
    write_atomic(folder / NAME, buffer.getvalue())


def read(folder: Path, task: Task) -> Items:
    """The items of a run, whose task that is.

    Raises `RunError` when there are none (a run of an older Headstart) or the file is damaged.
    """
    import polars as pl

    path = folder / NAME
    if not path.is_file():
        raise RunError(
            folder,
            f"it keeps no list of its items ({NAME}): an older Headstart made it",
            "run its command once more with another --out",
        )
    with sound(folder, NAME, "run its command once more with another --out"):
        table = pl.read_parquet(io.BytesIO(path.read_bytes()))
        y = table["y"].to_list()
        found = Items(
            ids=tuple(table["id"].cast(pl.String).to_list()),
            digests=tuple(table["digest"].cast(pl.String).to_list()),
            part=np.array(table["part"].to_list(), dtype="U11"),
            groups=table["group"].to_numpy().astype(np.int64, casting="safe"),
            targets=of_kept(task, y) if tasks.for_task(task).form else of_list(y),
            held_out=np.array(table["fold"].to_list(), np.int64).reshape(len(table), -1),
        )
        if table["row"].to_list() != list(range(len(table))):
            raise Damaged("it does not hold every row")
        return found

"""Answers for very many items: a folder of Parquet files, each written whole and not computed again.

    from headstart import bulk
    bulk.predict("runs/photos-1", ["pictures/"], "answers/", on="ray")

The items are cut into stretches of so many, in their order; each makes one file, here or on a worker
(`headstart.cluster`). Memory holds what the items are and the answers of one stretch.
`polars.read_parquet("answers/*.parquet")`, and whatever else reads such folders, has them in order.
"""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from headstart import cluster, light, tasks
from headstart.cluster import Job
from headstart.core import fingerprint
from headstart.core.dataset import FileItem, Item
from headstart.core.files import plain, write_atomic, write_json
from headstart.core.strategy import Progress, silent
from headstart.core.task import Cell, Task
from headstart.core.untrusted import Damaged, read_object
from headstart.errors import BadOption, BundleError, PathError, UnknownName
from headstart.export.model import load_model
from headstart.predict.inputs import items_of
from headstart.predict.predictor import Opened, Prediction, stream
from headstart.predict.selective import Caution

PART = 10_000
"""Items of a file: so much a killed process loses."""
OPTIONS = ("top", "sets", "risk", "batch_size", "path_column", "text_column", "pair_column")
ABOUT = "answers.json"
FAILED = 5
"""Items without an answer that are told by name."""


@dataclass(frozen=True)
class Written:
    """What came of it."""

    folder: Path
    files: int
    computed: int
    """Files that were not there before."""
    items: int
    failed: int
    """Items without an answer; their column "error" says why."""
    first: tuple[tuple[str, str], ...]
    """Of the first few of these name and problem."""


def predict(
    model: Path | str,
    inputs: Sequence[Path | str],
    folder: Path | str,
    *,
    on: str | None = None,
    part: int = PART,
    progress: Progress = silent,
    **options: Any,
) -> Written:
    """Answers of a model for files, folders, archives and tables, in files of `part` items in `folder`.

    `on` names workers ("ray"), else this process computes. Options: `top`, `sets`, `risk`, `batch_size`, and
    the columns of a table (`text_column`, ...), as `headstart predict` has them. Columns are "file"; those of
    the task ("label", "probability", "p:CLASS"; "value"; ...); "set", where asked for; "unread" and "error".
    A call with the same arguments goes on where the last one was stopped. Raises `PathError` for a folder
    that holds something else, and what opening the model, finding the items and the workers raise.
    """
    for name in options:
        if name not in OPTIONS:
            raise UnknownName("option", name, OPTIONS)
    path = str(Path(model).expanduser().resolve())
    opened = _open(path)
    asked: dict[str, Any] = {
        "model": path,
        "is": _what(opened),
        "inputs": [str(Path(one).expanduser().absolute()) for one in inputs],
        "options": {name: value for name, value in options.items() if value is not None},
    }
    items = _items(asked)
    _caution(opened, asked["options"])
    if not items:
        raise BadOption("FILES", "nothing", "files, folders or tables with items")
    out = Path(folder).expanduser().absolute()
    jobs = []
    for number, at in enumerate(range(0, len(items), part)):
        given = {**asked, **_stretch(items, asked, at, min(at + part, len(items)))}
        jobs.append(Job(f"{__name__}:write_a_part", {**given, "to": str(out / f"part-{number:05d}.parquet")}))
    ids = fingerprint.of_json([item.id for item in items])
    _begin(out, {**asked, "items": len(items), "part": part, "ids": ids})
    there = {job.given["to"] for job in jobs if Path(job.given["to"]).is_file()}
    done = sum(job.given["end"] - job.given["begin"] for job in jobs if job.given["to"] in there)
    for job in _run([job for job in jobs if job.given["to"] not in there], on):
        done += job.given["end"] - job.given["begin"]
        progress("predict", done, len(items))
    failed, first = _failures(out)
    return Written(out, len(jobs), len(jobs) - len(there), len(items), failed, first)


def _stretch(items: Sequence[Item], asked: Mapping[str, Any], begin: int, end: int) -> dict[str, Any]:
    """What a worker is told of these items: the files themselves, else where they lie in all inputs, which it
    reads as this process did."""
    some = items[begin:end]
    if all(isinstance(item, FileItem) and item.id == str(item.path) for item in some):
        return {"inputs": [item.id for item in some], "begin": 0, "end": len(some)}
    return {"inputs": asked["inputs"], "begin": begin, "end": end}


def _run(jobs: Sequence[Job], on: str | None) -> Iterator[Job]:
    """The jobs, as they end."""
    if on is None or not jobs:
        for job in jobs:
            write_a_part(job.given)
            yield job
        return
    with cluster.opened(on) as workers:
        for job, _ in workers.results(jobs):
            yield job


def write_a_part(given: Mapping[str, Any]) -> int:
    """Answer the items from "begin" to "end" and write them; how many have no answer."""
    import polars as pl

    model, items = _opened(given["model"], given["is"]), _items(given)[given["begin"] : given["end"]]
    options = given["options"]
    caution = _caution(model, options)
    rows = [
        _cells(caution(model.task, row), model.task, options)
        for row in stream(model.predictor, items, batch_size=options.get("batch_size"))
    ]
    nothing = Prediction("", scores=np.zeros(model.task.outputs, np.float32))
    of = {str: pl.String, int: pl.Int64, float: pl.Float64}
    types = {name: of[type(cell)] for name, cell in _cells(nothing, model.task, options).items()}
    buffer = io.BytesIO()
    lines = [{name: None if cell == "" else cell for name, cell in row.items()} for row in rows]
    pl.DataFrame(lines, schema=types, orient="row").write_parquet(buffer)
    write_atomic(Path(given["to"]), buffer.getvalue())
    return sum(bool(row["error"]) for row in rows)


def _cells(row: Prediction, task: Task, options: Mapping[str, Any]) -> dict[str, Cell]:
    """A row of the table; of an item without an answer only which and why."""
    found: dict[str, Cell] = {}
    if row.scores is not None or row.answer is not None:
        scores: Any = row.scores  # none of a text that was written
        found = tasks.for_task(task).cells(task, row.answer, scores, options.get("top"))
    chosen: dict[str, Cell] = {"set": ";".join(map(str, row.labels or ()))} if "sets" in options else {}
    return {"file": row.id, **found, **chosen, "unread": row.unread, "error": row.error}


def _caution(model: Opened, options: Mapping[str, Any]) -> Caution:
    return Caution.of(model.evidence, model.task, sets=options.get("sets"), risk=options.get("risk"))


def _open(model: str) -> Opened:
    """The model, or what was exported beside it where that is no slower for many items."""
    found = light.of_bundle(Path(model))
    return load_model(model) if found is None or not found.suits(PART) else found


def _what(model: Opened) -> str:
    """What tells a model from others that may come to lie at the same path."""
    return fingerprint.of_json([model.task.to_json(), model.evidence])


@lru_cache(maxsize=1)
def _opened(model: str, what: str) -> Opened:
    """The model for a job; a worker does several with one. Raises `BundleError` where it is another now."""
    found = _open(model)
    if _what(found) != what:
        raise BundleError(model, "is another model now", "give the same command again")
    return found


def _items(given: Mapping[str, Any]) -> tuple[Item, ...]:
    """Everything that is to be answered, in order; kept for the next job while the inputs are the same."""
    columns = {name: value for name, value in given["options"].items() if name.endswith("_column")}
    changed = tuple(Path(one).stat().st_mtime_ns if Path(one).exists() else 0 for one in given["inputs"])
    modality = _opened(given["model"], given["is"]).input.modality
    return _found(modality, tuple(given["inputs"]), tuple(sorted(columns.items())), changed)


@lru_cache(maxsize=1)
def _found(
    modality: str, inputs: tuple[str, ...], columns: tuple[tuple[str, str], ...], changed: tuple[int, ...]
) -> tuple[Item, ...]:
    del changed  # it belongs to what names them
    return items_of([Path(one) for one in inputs], modality, **dict(columns))


def _begin(folder: Path, asked: Mapping[str, Any]) -> None:
    """See that the folder is for these answers. Raises `PathError` where it holds others, or anything."""
    about = folder / ABOUT
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if about.is_file():
            if read_object(about) != plain(asked):
                raise PathError(folder, "holds answers to something else", "name another folder for --output")
        elif next(folder.iterdir(), None) is not None:
            raise PathError(folder, "is not empty", "name another folder for --output")
        else:
            write_json(about, asked)
    except (OSError, Damaged) as error:
        problem = getattr(error, "strerror", "") or str(error)
        raise PathError(folder, f"cannot be used ({problem})", "name another folder for --output") from error


def _failures(folder: Path) -> tuple[int, tuple[tuple[str, str], ...]]:
    import polars as pl

    lost = (
        pl.scan_parquet(folder / "part-*.parquet")
        .select("file", "error")
        .filter(pl.col("error").is_not_null())
    )
    first = lost.head(FAILED).collect()
    return int(lost.select(pl.len()).collect().item()), tuple(first.iter_rows())

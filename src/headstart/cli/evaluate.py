"""`headstart evaluate`: how good a model is on labelled data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.cli import _options
from headstart.cli._options import ModelPath
from headstart.cli._screen import say, say_json, some_of, warn
from headstart.core import words
from headstart.core.words import cell
from headstart.errors import BadOption

if TYPE_CHECKING:
    from headstart.core.dataset import Dataset
    from headstart.predict.evaluate import Evaluation

DataPath = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help="Class folders, a table (.csv, .parquet, .json, ...) or a .zip or .tar.",
        show_default=False,
    ),
]
Format = Annotated[str, typer.Option("--format", "-f", help="table or json.")]
Part = Annotated[
    str | None,
    typer.Option("--split", help="Only this part: train, val or test. Default: test where there is one."),
]
SHOWN = 30
"""Classes that the table shows, the largest first."""


@_options.taking(*_options.COLUMNS, "label_column", "split_column", "missing")
def evaluate_command(
    model: ModelPath, data: DataPath, format: Format = "table", split: Part = None, **given: Any
) -> None:
    """Measure a model on labelled data; each number with its interval."""
    from headstart.data import load
    from headstart.export.model import load_model

    if format not in ("table", "json"):
        raise BadOption("--format", format, "table or json")
    loaded = load_model(model)
    columns = {name: value or None for name, value in given.items()}
    dataset = load(data, **loaded.reading(columns))
    dataset, part = choose_part(dataset, split)
    found = loaded.evaluate(dataset)
    if format == "json":
        say_json({"data": dataset.name, "split": part, **found.to_json()})
    else:
        say(table(found, dataset.name, part))
    if found.unreadable:
        warn(f"headstart: {len(found.unreadable)} items could not be read: {some_of(found.unreadable)}\n")


def choose_part(dataset: Dataset, split: str | None) -> tuple[Dataset, str]:
    """The rows to measure on, and which part that is ("" for all). Raises `BadOption`."""
    import numpy as np

    known = sorted({str(part) for part in dataset.split} - {""}) if dataset.split is not None else []
    if split is None:
        split = "test" if "test" in known else ""
    if not split:
        return dataset, ""
    if split not in known:
        raise BadOption(
            "--split", split, " or ".join(known) if known else "left out: there is no test split in this data"
        )
    return dataset.subset(np.flatnonzero(dataset.split == split)), split


def table(found: Evaluation, name: str, part: str) -> Iterator[str]:
    """The evaluation in lines a person reads."""
    where = f"{name}, {part} part" if part else name
    rests = f" in {words.count(found.headline.n, 'group')}" if found.headline.unit == "groups" else ""
    yield f"data      {where}: {words.count(found.items, 'item')}{rests}\n"
    for metric, evidence in found.metrics.items():
        mark = " <" if metric == found.task.metric else ""
        interval = words.interval(metric, evidence.low, evidence.high)
        yield f"{metric:<24} {words.value(metric, evidence.value):>9} {interval}{mark}\n"
    if found.per_class:
        yield from _classes(found)
    for pair in found.confused(5):
        yield f"mistakes  {pair['count']} x {pair['true']} taken for {pair['predicted']}\n"
    for note in found.notes:
        yield f"note      {note}\n"


def _classes(found: Evaluation) -> Iterator[str]:
    rows = sorted(found.per_class, key=lambda row: -row["n"])
    width = max(5, *(len(cell(str(row["label"]))) for row in rows[:SHOWN]))
    yield f"\n{'label':<{width}}      n  precision  recall      f1\n"
    for row in rows[:SHOWN]:
        shares = (row[key] for key in ("precision", "recall", "f1"))
        cells = "  ".join("     -" if share is None else f"{100 * share:>4.1f} %" for share in shares)
        yield f"{cell(str(row['label'])):<{width}}  {row['n']:>5}    {cells}\n"
    if len(rows) > SHOWN:
        yield f"... and {len(rows) - SHOWN} smaller ones (see --format json)\n"
    yield "\n"

"""Options that several commands share, as annotated types."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Any

import typer

DATA_HELP = (
    "A folder of class folders (with or without train, val, test above them), a .csv, .tsv, .parquet or "
    ".jsonl table, a folder with a table and images, or a .zip of any of these."
)
_PANEL = "Reading the data"


class TaskKind(StrEnum):
    """What `--task` may be."""

    classification = "classification"
    multilabel = "multilabel"
    regression = "regression"


Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP, show_default=False)]
PathColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of paths in a table (recognised by its name otherwise).", rich_help_panel=_PANEL
    ),
]
LabelColumn = Annotated[
    str | None, typer.Option(help="Column of labels in a table.", rich_help_panel=_PANEL, show_default=False)
]
SplitColumn = Annotated[
    str | None,
    typer.Option(help="Column that says train, val or test.", rich_help_panel=_PANEL, show_default=False),
]
GroupColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of groups that no split may part (patient, site, video).",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
TaskOption = Annotated[
    TaskKind | None,
    typer.Option(
        help="Kind of task, where the labels alone do not say.", rich_help_panel=_PANEL, show_default=False
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def reading(
    path_column: str | None,
    label_column: str | None,
    split_column: str | None,
    group_column: str | None,
    task: TaskKind | None,
) -> dict[str, Any]:
    """The options that were given, as `headstart.data.load` takes them."""
    given = {
        "path_column": path_column,
        "label_column": label_column,
        "split_column": split_column,
        "group_column": group_column,
        "task": task.value if task is not None else None,
    }
    return {name: value for name, value in given.items() if value is not None}

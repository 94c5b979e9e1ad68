"""Options that several commands share, as annotated types."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

DATA_HELP = (
    "A folder of class folders of images or texts (with or without train, val, test above them), a table of texts or "
    "of paths (.csv, .tsv, .parquet, .json, .jsonl, .xlsx, .feather, also as .gz), a folder with such tables, or a "
    ".zip or .tar of any of these."
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
TextColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of texts in a table (recognised by its name or its values otherwise).",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
PairColumn = Annotated[
    str | None,
    typer.Option(
        help="Column of the second text, where each item is a pair of texts.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
LabelColumn = Annotated[
    list[str] | None,
    typer.Option(
        help="Column of labels in a table. Repeat it where there is one of 0 and 1 for each label.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Labels = Annotated[
    list[str] | None,
    typer.Option(
        help="Name of a class, in the order wanted (repeat it): it is one, whatever it is called.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
Missing = Annotated[
    list[str] | None,
    typer.Option(
        help='Text that stands for a label that is missing (repeat it); "" for none but empty cells. Default: '
        "NA, N/A, NaN and null in .csv and .tsv.",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
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
White = Annotated[
    str | None,
    typer.Option(
        metavar="VALUE",
        help="Of pictures of more than 8 bits: the value that is white, such as 4095, or black and white, such as "
        "-1024:3071 (found out from all pictures otherwise).",
        rich_help_panel=_PANEL,
        show_default=False,
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]


def reading(**given: str | list[str] | TaskKind | None) -> dict[str, str | list[str]]:
    """The options that were given, as `headstart.data.load` takes them."""
    return {
        name: value if isinstance(value, list) else str(value)
        for name, value in given.items()
        if value is not None and value != []
    }

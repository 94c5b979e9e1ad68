"""Options that several commands share, as annotated types."""

from __future__ import annotations

import glob
import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer

if TYPE_CHECKING:
    from headstart.core.dataset import Item

DATA_HELP = (
    "A folder of class folders of images or texts (with or without train, val, test above them), a table of texts or "
    "of paths (.csv, .tsv, .parquet, .json, .jsonl, .xlsx, .feather, also as .gz), a folder with such tables, or a "
    ".zip or .tar of any of these."
)
F = TypeVar("F", bound=Callable[..., None])


ModelPath = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A run folder, a model folder or a .zip.", show_default=False)
]
FILES_HELP = (
    "Images, texts or recordings: files, folders, .zip and .tar archives, globs; tables of them or of paths."
)
Files = Annotated[list[str], typer.Argument(metavar="FILES...", help=FILES_HELP, show_default=False)]
Data = Annotated[str, typer.Argument(metavar="DATA", help=DATA_HELP, show_default=False)]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="A finished run folder.", show_default=False)]
Moved = Annotated[
    str | None, typer.Option("--data", help="The run's data, where it has moved.", show_default=False)
]
Seed = Annotated[int, typer.Option("--seed", help="Of all parts and random draws.", min=0)]
Download = Annotated[bool, typer.Option("--download", help="Allow fetching the source's weights again.")]


COLUMNS = ("path_column", "text_column", "pair_column")
"""Where the items are in a table."""
READING = (
    *COLUMNS,
    "label_column",
    "split_column",
    "group_column",
    "domain",
    "task",
    "labels",
    "missing",
    "feature_column",
    "white",
    "unlabelled",
)
"""How data with labels are read."""
KINDS = {"text": str, "texts": list[str], "whole": int, "number": float, "path": Path, "flag": bool}
OPTIONS = json.loads(Path(__file__).with_name("options.json").read_text(encoding="utf-8"))
"""By name: `kind` (of `KINDS`), `help`, its `names` on the command line where there are more than one, `default`
where that is not None, and what else `typer.Option` takes."""
ANSWERS = ("sets", "risk", "adapt")
"""How careful answers are to be, and to which items a model is brought."""
RUN = tuple(name for name in OPTIONS if name not in ANSWERS)
"""What a run is asked for."""


@cache
def _parameter(name: str) -> Parameter:
    """An option as a parameter of a command: the same of every command."""
    more = dict(OPTIONS[name])
    kind: Any = KINDS[more.pop("kind")]
    default, names = more.pop("default", None), more.pop("names", ())
    if default is None:
        kind, more["show_default"] = kind | None, False
    if kind is bool:
        names = (f"--{name.replace('_', '-')}",)  # and none that says no
    panel = "Reading the data" if name in READING else None
    annotation = Annotated[kind, typer.Option(*names, rich_help_panel=panel, **more)]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


def taking(*names: str) -> Callable[[F], F]:
    """Give a command these options, before its own; they arrive in its `**given`, by name."""

    def give(command: F) -> F:
        own = [
            p for p in signature(command, eval_str=True).parameters.values() if p.kind is not p.VAR_KEYWORD
        ]
        first = [p for p in own if p.default is p.empty]
        shared = list(map(_parameter, names))
        rest = [p.replace(kind=p.KEYWORD_ONLY) for p in own if p not in first]
        parameters = [*first, *shared, *rest]
        command.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {p.name: p.annotation for p in parameters}
        return command

    return give


def reading(given: Mapping[str, Any]) -> dict[str, str | list[str]]:
    """The options that were given, as `headstart.data.load` takes them."""
    return {
        name: value if isinstance(value, list) else str(value)
        for name, value in given.items()
        if value is not None and value != []
    }


def paths(files: Sequence[str]) -> list[Path | Item]:
    """What was named on the command line: paths, and what globs find. What is not there stays, to be told, and so
    do addresses.
    """
    from headstart.data.items.entries import at_path, is_address

    found: list[str] = []
    for entry in files:
        matches = glob.glob(entry, recursive=True) if glob.has_magic(entry) else []  # noqa: PTH207
        found += sorted(matches) or [entry]
    return [at_path(name) if is_address(name) else Path(name) for name in found]

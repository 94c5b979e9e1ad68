"""`headstart compare`: finished runs side by side, and whether they differ on the items both held out."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.cli._screen import aligned, say, say_json
from headstart.core import words
from headstart.core.words import cell
from headstart.errors import BadOption

if TYPE_CHECKING:
    from headstart.insight.compare_runs import Versus

HEADS = ("run", "verdict", "shipped", "held-out {metric}", "test", "seconds")


def compare_command(
    runs: Annotated[
        list[Path], typer.Argument(metavar="RUN RUN...", help="Run folders; the first is compared with.")
    ],
    format: Annotated[str, typer.Option("--format", "-f", help="text, md or json.")] = "text",
) -> None:
    """Are finished runs different? Each against the first, item by item."""
    from headstart import api

    if format not in ("text", "md", "json"):
        raise BadOption("--format", format, "text, md or json")
    found = api.compare(runs)
    if format == "json":
        say_json(found.to_json())
    else:
        say(markdown(found) if format == "md" else text(found))


def cells(found: Versus) -> list[list[str]]:
    """The table, its heads first."""

    def score(row: dict[str, Any], value: str) -> str:
        if row is None or row[value] is None:
            return "-"
        return words.estimate(found.metric, row[value], row["low"], row["high"])

    lines = [[head.format(metric=found.metric) for head in HEADS]]
    for row in found.runs:
        scores = [score(row, "score"), score(row["test"], "value")]
        lines.append([row["run"], row["outcome"], row["arm"], *scores, f"{row['seconds']:,.0f}"])
    return lines


def details(found: Versus) -> Iterator[str]:
    """A sentence a pair, with its p-value where it has one."""
    for pair in found.pairs:
        p = "" if pair.p_value is None else f" McNemar mid-p {pair.p_value:.2g}."
        yield pair.sentence + p


def text(found: Versus) -> Iterator[str]:
    """Lines for a terminal."""
    yield from aligned([list(map(cell, row)) for row in cells(found)])
    yield "\n"
    for line in details(found):
        yield f"{line}\n"
    for note in found.notes:
        yield f"note  {note}\n"


def markdown(found: Versus) -> Iterator[str]:
    """The same for a pull request."""
    from headstart.report.markdown import safe, table

    head, *rows = [list(map(safe, row)) for row in cells(found)]
    yield f"{table(head, rows)}\n\n"
    for line in details(found):
        yield f"**{safe(line)}**\n\n"
    for note in found.notes:
        yield f"- {safe(note)}\n"

"""`headstart label-next`: which items of an unlabelled pool to label next, and why."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from headstart.cli import _options
from headstart.cli._options import Files, paths
from headstart.cli._screen import csv_line, say, say_json, some_of, warn, writable
from headstart.core import words
from headstart.core.words import cell
from headstart.errors import BadOption

if TYPE_CHECKING:
    from headstart.workflows.label_next import Proposal


@_options.taking(*_options.COLUMNS)
def label_next_command(
    run: _options.RunPath,
    unlabelled: Files,
    n: Annotated[int, typer.Option("--n", "-n", help="How many items to propose.", min=1)] = 20,
    format: Annotated[str, typer.Option("--format", "-f", help="text, json or csv.")] = "text",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the list to this .csv file as well.")
    ] = None,
    data: _options.Moved = None,
    seed: _options.Seed = 0,
    download: _options.Download = False,
    **columns: Any,
) -> None:
    """Which unlabelled items to label next, and why."""
    from headstart import api
    from headstart.core.files import write_atomic

    if format not in ("text", "json", "csv"):
        raise BadOption("--format", format, "text, json or csv")
    if out is not None:
        writable(out)
    found = api.label_next(
        run, paths(unlabelled), n=n, labelled=data, seed=seed, download=download, **columns
    )
    if out is not None:
        write_atomic(out, csv_text(found).encode())
    if format == "json":
        say_json({"run": str(run), **found.to_json()})
    elif format == "csv":
        sys.stdout.write(csv_text(found))
    else:
        say(text(found))
    warn(*(f"headstart: {note}\n" for note in found.notes))
    if found.unreadable:
        count = words.count(len(found.unreadable), "item")
        warn(f"headstart: {count} cannot be read and left out: {some_of(found.unreadable)}\n")


def text(found: Proposal) -> Iterator[str]:
    """The policy, and a line for each item."""
    yield f"policy    {found.policy}; about a fifth at random\n"
    yield f"pool      {found.pool:,} readable, {found.copies:,} of them copies of labelled ones or of one another\n\n"
    width = max(4, *(len(cell(pick.item)) for pick in found.picks))
    yield f"rank  {'item':<{width}}  why\n"
    for pick in found.picks:
        yield f"{pick.rank:>4}  {cell(pick.item):<{width}}  {pick.why}\n"
        if pick.text:
            yield f"      {pick.text}\n"


def csv_text(found: Proposal) -> str:
    """A header, then a line for each item."""
    more = any(pick.text for pick in found.picks)
    lines: list[list[object]] = [["rank", "item", "how", "why", *(["text"] if more else [])]]
    lines += [[p.rank, p.item, p.how, p.why, *([p.text] if more else [])] for p in found.picks]
    return "".join(map(csv_line, lines))

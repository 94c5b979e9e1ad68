"""`headstart watch`: is what the model is asked still like what it learnt from?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import headstart.cli._options as options
from headstart.cli import _shifted, label_next
from headstart.cli._screen import say, say_json, some_of, warn, writable
from headstart.cli.fit import telling, with_download
from headstart.core import words
from headstart.core.words import cell
from headstart.errors import BadOption

if TYPE_CHECKING:
    from headstart.workflows.watch import Watched


@options.taking("risk", *options.COLUMNS)
def watch_command(
    run: options.RunPath,
    inputs: Annotated[str, typer.Argument(metavar="INPUTS", help="What the model was asked: a folder, a table or an archive, with or without labels (they are not looked at).", show_default=False)],
    n: Annotated[int, typer.Option("--n", "-n", help="How many items to propose for labels.", min=1)] = 20,
    page: Annotated[Path | None, typer.Option("--page", help="Write a page (.html) with all of it.", show_default=False)] = None,
    data: options.Moved = None,
    seed: options.Seed = 0,
    download: options.Download = False,
    json_output: options.AsJson = False,
    **given: Any,
) -> None:  # fmt: skip
    """Shift, abstention and what to label next, of items in use. Exit code 1 when the shift is real."""
    if page is not None and writable(page).suffix != ".html":
        raise BadOption("--page", str(page), "a file that ends in .html")
    with telling(f"{run} and {inputs}", shown=not json_output) as story:
        from headstart import api

        asked = {"n": n, "seed": seed, "labelled": data, "download": download, "page": page, **given}
        found = with_download(partial(api.watch, run, inputs, listen=story), asked)
    if json_output:
        say_json({"run": str(run), **found.to_json()})
    else:
        say(text(found, page))
    if found.shift.unreadable:
        count = words.count(len(found.shift.unreadable), "item")
        warn(f"headstart: {count} cannot be read and left out: {some_of(found.shift.unreadable)}\n")
    if found.real:
        raise typer.Exit(1)


def text(found: Watched, page: Path | None = None) -> Iterator[str]:
    """Whether the shift is real, what `shift` says, the rate of abstention, and what to label."""
    yield f"\nwatch     {'the shift is real' if found.real else 'no shift to act on'}\n"
    if found.abstention is not None:
        yield f"abstains  {found.abstention.text}\n"
    for note in found.notes:
        yield f"note      {cell(note)}\n"
    yield from _shifted.text(found.shift, page)
    if found.proposal is not None:
        yield "\nlabel next\n"
        yield from label_next.text(found.proposal)
        for note in found.proposal.notes:
            yield f"note      {cell(note)}\n"

"""`headstart shift`: is the target like the source, in what way is it not, and what to do."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

import headstart.cli._options as options
from headstart.cli._screen import say, say_json, some_of, warn, writable
from headstart.cli._shifted import text
from headstart.cli.fit import telling, with_download
from headstart.core import words
from headstart.errors import BadOption

Source = Annotated[
    str | None,
    typer.Option("--source", "-s", help="Whose features to look at; by default the run's, or the first on this machine.", show_default=False),
]  # fmt: skip
Page = Annotated[
    Path | None, typer.Option("--page", help="Write a page (.html) with both domains in one map.", show_default=False)
]  # fmt: skip


@options.taking(*options.READING)
def shift_command(
    a: Annotated[str, typer.Argument(metavar="A", help="The source: data as `fit` reads it, or a finished run folder.", show_default=False)],
    b: Annotated[str, typer.Argument(metavar="B", help="The target: data of the same kind, with or without labels (they are not looked at).", show_default=False)],
    source: Source = None,
    page: Page = None,
    data: options.Moved = None,
    seed: options.Seed = 0,
    download: options.Download = False,
    json_output: options.AsJson = False,
    **reading: Any,
) -> None:  # fmt: skip
    """Is B like A? Items, classes, both, or what is known of A itself; and what to do about it."""
    if page is not None and writable(page).suffix != ".html":
        raise BadOption("--page", str(page), "a file that ends in .html")
    with telling(f"{a} and {b}", shown=not json_output) as story:
        from headstart import api

        given = {"source": source, "seed": seed, "labelled": data, "download": download, "page": page}
        found = with_download(partial(api.shift, a, b, listen=story), {**given, **options.reading(reading)})
    if json_output:
        say_json(found.to_json())
    else:
        say(text(found, page))
    if found.unreadable:
        count = words.count(len(found.unreadable), "item")
        warn(f"headstart: {count} cannot be read and left out: {some_of(found.unreadable)}\n")

